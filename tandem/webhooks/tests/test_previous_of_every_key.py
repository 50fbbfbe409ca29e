"""`previous` has the shapes of `data`: for every kind that webhooks tell of, each key that can change is changed.

What a receiver who kept `data` finds different is compared with `previous`, and with the history of the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tandem.academy.models import Attribute, FollowUp, Student
from tandem.academy.tests.api.test_files import made, picture
from tandem.academy.tests.leads import client, pipeline
from tandem.common import moments
from tandem.fieldservice.tests.api.test_visits import day
from tandem.webhooks import registry
from tandem.webhooks.models import Notice
from tandem.webhooks.tests.hooks import hook
from tests.cast import Api, as_, card_of, person, visit_to

pytestmark = pytest.mark.django_db

# What is written once. Keys that ride along, of other records, are found by their source, but for those of two records.
NEVER = {"id", "created_by", "created_at", "updated_at"}
ALONG = {"Visit": {"customer_name"}, "Feedback": {"customer_name"}}
ADDRESSES = {
    **{"Lead": "leads", "Client": "clients", "Service": "services"},
    **{"Visit": "crm/services", "Card": "crm/cards"},
}
Step = tuple[str, Callable[[], Any]]  # the id of the record, and the request that changes it


@pytest.fixture(autouse=True)
def stored(tmp_path: Any, settings: Any) -> None:
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}


def own_keys(model: str) -> set[str]:
    """The keys of the answer that tell of the record itself."""
    shows = registry.by_model(model).shows
    along = {key.name for key in shows.shown if "__" in str(key.source or "")} | ALONG.get(model, set())
    return registry.by_model(model).fields.keys() - along - NEVER


def address(model: str, pk: str) -> str:
    if model == "FollowUp":
        return f"/api/services/{FollowUp.objects.get(pk=pk).student_id}/follow-ups/{pk}/"
    return f"/api/{ADDRESSES[model]}/{pk}/"


def shown(model: str, pk: str) -> dict[str, Any]:
    record: dict[str, Any] = as_("asha").get(address(model, pk)).json()
    return {name: record[name] for name in own_keys(model)}


def differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    was = {name: value for name, value in before.items() if value != after[name]}
    if "attributes" in was:
        old, new = before["attributes"], after["attributes"]
        was["attributes"] = {name: old.get(name) for name in {**old, **new} if old.get(name) != new.get(name)}
    return was


def visits(asha: Api) -> Iterator[Step]:
    card = card_of(person("chitra"))
    visit = visit_to(card, status="pending")
    pk, url = str(visit.pk), f"/api/crm/services/{visit.pk}/"
    wasim, wali = person("wasim").pk, person("wali").pk
    for body in (
        {"preferred_date": day(2)},
        {"description": "Drips", "visit_type": "remote", "next_service_date": day(90), "preferred_time": "10:00"},
        {"preferred_time": "11:30", "next_service_date": None},
        {"preferred_time": None, "preferred_date": day(3)},
        {"service_type": "normal"},
        {"service_type": "free"},
        {"scheduled_at": day(4)},
        {"scheduled_at": None},
    ):
        yield pk, lambda body=body: asha.patch(url, body)
    yield pk, lambda: asha.post(f"{url}assign/", {"assigned_to": wasim, "scheduled_at": day(4)})
    for when in (day(5), f"{day(5)}T10:00:00Z", f"{day(5)}T12:00:00Z", f"{day(6)}T12:00:00Z", day(6), day(7)):
        yield pk, lambda when=when: asha.post(f"{url}reschedule/", {"scheduled_at": when})
    midnight = moments.iso(moments.start_of(moments.day_or_moment(day(7)).day))
    yield pk, lambda: asha.post(f"{url}reschedule/", {"scheduled_at": midnight})
    yield pk, lambda: asha.patch(url, {"assigned_to": wali})
    yield pk, lambda: asha.patch(url, {"assigned_to": None})
    yield pk, lambda: asha.patch(url, {"assigned_to": wasim})
    yield pk, lambda: asha.patch(url, {"status": "in_progress"})
    yield pk, lambda: asha.post(f"{url}request_otp/")
    yield pk, lambda: asha.patch(f"/api/crm/cards/{card.pk}/", {"customer": person("deepak").pk})
    done = {"override_reason": "No phone", "amount_charged": "120.5", "next_service_date": day(91)}
    yield pk, lambda: asha.post(f"{url}verify_otp/", done)
    other = visit_to(card, on=moments.day_or_moment(day(20)).day, status="scheduled", assigned_to=person("wasim"))
    yield str(other.pk), lambda: asha.post(f"/api/crm/services/{other.pk}/cancel/", {"reason": "Away"})
    for overdue in ({}, {"scheduled_on": moments.day_or_moment(day(-2)).day}):
        of = {"status": "scheduled"} if overdue else {}
        late = visit_to(card_of(person("chitra")), on=moments.day_or_moment(day(-3)).day, **overdue, **of)
        yield str(late.pk), lambda: asha.post("/api/crm/autoassign/run/", {"date": day(1)})
    lapsed = card_of(person("deepak"), warranty_end_date=moments.today())
    free = visit_to(lapsed, on=moments.day_or_moment(day(-2)).day, service_type="free", service_type_reason="By rule.")
    yield str(free.pk), lambda: asha.post("/api/crm/autoassign/run/", {"date": day(1)})  # goodwill: with a reason


def guessed(asha: Api) -> Iterator[Step]:
    """The guess that makes a code void changes what is shown of it."""
    visit = visit_to(card_of(person("chitra")), status="in_progress", assigned_to=person("wasim"))
    url = f"/api/crm/services/{visit.pk}/"
    yield str(visit.pk), lambda: asha.post(f"{url}request_otp/")
    for _ in range(4):
        assert asha.post(f"{url}verify_otp/", {"otp": "0"}).status_code == 400
    yield str(visit.pk), lambda: asha.post(f"{url}verify_otp/", {"otp": "0"})


def cards(asha: Api) -> Iterator[Step]:
    card = card_of(person("chitra"), warranty_start_date=None, warranty_end_date=None)
    days = {"warranty_start_date": 1, "warranty_end_date": 2, "amc_start_date": 3, "amc_end_date": 4}
    first = {
        **{"model": "X2", "customer": person("deepak").pk, "customer_name": "D.", "card_type": "om"},
        **{"region": "r", "address": "a", "city": "c", "postal_code": "p", "date_of_installation": day(-5)},
        **{name: day(n) for name, n in days.items()},
        "is_active": False,
    }
    second = {**dict.fromkeys(days), "date_of_installation": None, "is_active": True, "card_type": "normal"}
    for body in (first, second, {"customer": person("chitra").pk}):
        yield str(card.pk), lambda body=body: asha.patch(f"/api/crm/cards/{card.pk}/", body)


def described(asha: Api, url: str, pk: str, entity: str) -> Iterator[Step]:
    """What clients, students and leads share."""
    now = moments.now()
    for name, type in (("size", "number"), ("since", "date"), ("happy", "boolean"), ("paper", "file")):
        Attribute.objects.create(entity=entity, name=name, label=name, type=type, created_at=now, updated_at=now)
    yield pk, lambda: asha.patch(url, {"name": "Another"})
    for _ in range(2):
        yield pk, lambda: asha.upload(f"{url}files/", {"file": picture()})
    link = asha.get(url).json()["list_of_images"][0]
    for values in ({"size": 2.5, "since": "2025-01-31", "happy": True, "paper": link}, {"size": None, "happy": False}):
        yield pk, lambda values=values: asha.patch(url, {"attributes": values})
    for items, text in (("task", "task"), ("note", "note")):
        for _ in range(2):
            yield pk, lambda items=items, text=text: asha.post(f"{url}add-{items}/", {text: "One"})
        yield pk, lambda items=items: asha.put(url, {f"list_of_{items}s": []})


def clients(asha: Api) -> Iterator[Step]:
    url, record = made("clients")
    yield from described(asha, url, str(record.pk), "client")


def students(asha: Api) -> Iterator[Step]:
    url, record = made("services")
    pk = str(record.pk)
    yield from described(asha, url, pk, "service")
    yield pk, lambda: asha.patch(url, {"client": str(client("Other").pk)})
    seats = []
    for name in ("Winter", "Summer"):
        cohort = asha.post("/api/cohorts/", {"name_cohort": name}).json()["id"]
        seats.append(asha.post("/api/enrollments/", {"cohort": cohort, "pathway_name": "Web"}).json()["id"])
    yield pk, lambda: asha.post("/api/enrollment-details/", {"student": pk, "enrollment": seats[0]})
    yield pk, lambda: asha.post("/api/enrollment-details/", {"student": pk, "enrollment": seats[1]})


def leads(asha: Api) -> Iterator[Step]:
    url, record = made("leads")
    pk = str(record.pk)
    yield from described(asha, url, pk, "lead")
    full = {"responsible": person("omar").pk, "pipeline": str(pipeline().pk), "stage": "Won", "moodle_course_id": "7"}
    full["possible_client"] = str(client().pk)
    for body in (full, {**dict.fromkeys(full), "stage": "Lost"}):
        yield pk, lambda body=body: asha.patch(url, body)
    table = SimpleUploadedFile("t.csv", f"id,moodle_course_id,stage\n{pk},9,Won\n".encode())
    yield pk, lambda: asha.upload("/api/leads/import/", {"file": table})
    cohort = asha.post("/api/cohorts/", {"name_cohort": "Winter"}).json()["id"]
    seat = asha.post("/api/enrollments/", {"cohort": cohort, "pathway_name": "Web"}).json()["id"]
    yield pk, lambda: asha.post(f"{url}convert/", {"enrollment": seat})


def follow_ups(asha: Api) -> Iterator[Step]:
    now = moments.now()
    student = Student.objects.create(name="Jane", client=client(), created_at=now, updated_at=now)
    of = {"entity": "follow_up", "name": "size", "label": "size", "type": "number"}
    Attribute.objects.create(**of, created_at=now, updated_at=now)
    up = FollowUp.objects.create(student=student, user=person("asha"), created_at=now, updated_at=now)
    url = f"/api/services/{student.pk}/follow-ups/{up.pk}/"
    for body in (
        {"comment": "Called", "follow_up_date": "2025-01-15T10:00:00+05:30", "attributes": {"size": 1}},
        {"comment": "", "follow_up_date": "2025-01-16T10:00:00.5Z", "attributes": {"size": 2.5}},
        {"follow_up_date": None, "attributes": {"size": None}},
    ):
        yield str(up.pk), lambda body=body: asha.patch(url, body)


def feedback(asha: Api) -> Iterator[Step]:
    yield from ()


CHANGES: list[tuple[str, Callable[[Api], Iterator[Step]], set[str]]] = [
    ("Lead", leads, set()),
    ("Client", clients, set()),
    ("Service", students, set()),
    ("FollowUp", follow_ups, {"service", "user"}),
    ("Visit", visits, {"card", "requested_by"}),
    ("Card", cards, set()),
    ("Feedback", feedback, {"service", "rating", "comments"}),
]


def told_of(model: str, step: Step) -> dict[str, Any]:
    """`previous` of a change, compared with what was shown before and after it, and with the history."""
    pk, change = step
    Notice.objects.all().delete()
    before = shown(model, pk)
    answer = change()
    after = shown(model, pk)
    notice = Notice.objects.filter(record=pk).first()
    assert notice is not None, f"{answer.content!r}: nothing was told, from {before} to {after}"
    assert notice.previous == differing(before, after), f"{notice.type}: {answer.content!r}"
    assert notice.previous, "something has changed"
    if registry.by_model(model).keeps_types:
        newest = as_("asha").get(f"{address(model, pk)}history/").json()[0]
        assert newest["before"] == notice.previous
        assert newest["after"] == {name: after[name] for name in notice.previous}
    previous: dict[str, Any] = notice.previous
    return previous


@pytest.mark.parametrize(("model", "steps", "written_once"), CHANGES, ids=[model for model, *_ in CHANGES])
def test_previous_is_what_was_shown_before(
    model: str, steps: Callable[[Api], Iterator[Step]], written_once: set[str]
) -> None:
    hook(model)
    seen: set[str] = set()
    for step in steps(as_("asha")):
        seen |= told_of(model, step).keys()
    assert seen == own_keys(model) - written_once, "every key that can change was changed"


def test_every_kind_that_is_told_of_is_looked_at() -> None:
    assert {model for model, *_ in CHANGES} == set(registry.models())


def test_a_guess_that_makes_a_code_void_tells_that_it_is_gone() -> None:
    hook("Visit")
    *_, last = [told_of("Visit", step) for step in guessed(as_("asha"))]
    assert last.keys() == {"otp_expires_at"}


def test_a_history_tells_of_keys_that_a_get_has() -> None:
    asha, card = as_("asha"), card_of(person("chitra"))
    phoned_in = {"card": card.pk, "scheduled_at": day(3), "preferred_time": "10:00", "description": "Drips"}
    visit = asha.post("/api/crm/services/", phoned_in).json()
    [booked] = asha.get(f"/api/crm/services/{visit['id']}/history/").json()
    assert booked["after"] == {name: visit[name] for name in booked["after"]}
    assert booked["after"]["scheduled_at"] == day(3)
    made_card = asha.post("/api/crm/cards/", {"model": "X", "customer": person("chitra").pk}).json()
    [created] = asha.get(f"/api/crm/cards/{made_card['id']}/history/").json()
    assert created["after"] == {name: made_card[name] for name in created["after"]}
