"""/services/<id>/follow-ups/ and /api/services/<id>/follow-ups/. Contract A §6."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Attribute, FollowUp, Student
from tandem.academy.tests.teaching import student
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member, person

pytestmark = pytest.mark.django_db
MISSING = "8d7c2f5e-0000-4000-8000-000000000000"


@pytest.fixture
def instructor() -> Api:
    return member("Instructors")


@pytest.fixture
def jane() -> Student:
    now = moments.now()
    Attribute.objects.create(
        entity="follow_up", name="channel", label="Channel", type="text", created_at=now, updated_at=now
    )
    return student()


def url_of(one: Student, root: str = "/api") -> str:
    return f"{root}/services/{one.pk}/follow-ups/"


@pytest.mark.parametrize("root", ["", "/api"])
def test_it_works_at_both_addresses(instructor: Api, jane: Student, root: str) -> None:
    url = url_of(jane, root)
    body = {
        "attributes": {"channel": "email"},
        "follow_up_date": "2025-01-15T10:00:00Z",
        "comment": "Sent brochure.",
        "service": MISSING,
        "user": person("asha").pk,
    }
    answer = instructor.post(url, body)
    assert answer.status_code == 201, answer.content
    made = FollowUp.objects.get()
    at, by = moments.iso(made.created_at), made.created_by_id
    assert answer.json() == {
        "id": str(made.pk),
        "service": str(jane.pk),
        "service_name": "Jane Doe",
        "user": by,
        "user_name": "One of Instructors",
        "follow_up_date": "2025-01-15T10:00:00Z",
        "comment": "Sent brochure.",
        "attributes": {"channel": "email"},
        "created_by": by,
        "created_by_name": "One of Instructors",
        "created_at": at,
        "updated_at": at,
    }
    assert instructor.get(f"{url}{made.pk}/").content == answer.content
    assert instructor.get(url).content == b"[" + answer.content + b"]"
    event = Event.objects.get()
    assert (event.type, event.after["service"]) == ("follow_up.created", str(jane.pk))
    assert [row["type"] for row in instructor.get(f"{url}{made.pk}/history/").json()] == ["follow_up.created"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2025-01-15", "2025-01-14T18:30:00Z"),  # midnight in Asia/Kolkata
        ("2025-01-15T10:00", "2025-01-15T04:30:00Z"),
        ("2025-01-15T10:00:00+02:00", "2025-01-15T08:00:00Z"),
        ("2025-01-15T10:00:00.500Z", "2025-01-15T10:00:00Z"),  # what JavaScript's toISOString sends
        ("", None),
        (None, None),
    ],
)
def test_a_date_may_come_with_or_without_a_time(
    instructor: Api, jane: Student, sent: str | None, shown: str | None
) -> None:
    assert instructor.post(url_of(jane), {"follow_up_date": sent}).json()["follow_up_date"] == shown


def test_what_was_shown_and_comes_back_is_no_change(instructor: Api, jane: Student) -> None:
    body = {"follow_up_date": "2025-01-15T10:00:00.500Z", "comment": "Call", "attributes": {"channel": "phone"}}
    url = f"{url_of(jane)}{instructor.post(url_of(jane), body).json()['id']}/"
    shown = instructor.get(url)
    events = Event.objects.count()
    assert instructor.put(url, shown.json()).content == shown.content
    assert Event.objects.count() == events


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"follow_up_date": "-"}, "follow_up_date"),
        ({"follow_up_date": 5}, "follow_up_date"),
        ({"attributes": {"mood": "good"}}, "attributes"),
        ({"comment": ["x"]}, "comment"),
    ],
)
def test_bad_input_is_refused_by_field(instructor: Api, jane: Student, body: dict[str, Any], field: str) -> None:
    answer = instructor.post(url_of(jane), body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not FollowUp.objects.exists()


def test_who_made_it_stays_its_user(instructor: Api, jane: Student) -> None:
    made = instructor.post(url_of(jane), {"comment": "Called", "attributes": {"channel": "phone"}}).json()
    other = student("Bob")
    sent = {"comment": "Called twice", "service": str(other.pk), "user": person("asha").pk}
    shown = as_("asha").put(f"{url_of(jane)}{made['id']}/", sent).json()
    assert shown == {**made, "comment": "Called twice", "updated_at": shown["updated_at"]}


def test_the_address_decides_whose_it_is(instructor: Api, jane: Student) -> None:
    made, other, asha = instructor.post(url_of(jane), {"comment": "x"}).json(), student("Bob"), as_("asha")
    tag = asha.get(f"{url_of(jane)}{made['id']}/").headers["ETag"]
    assert asha.get(url_of(other)).json() == []
    for elsewhere in (other.pk, MISSING):
        url = f"/api/services/{elsewhere}/follow-ups/{made['id']}/"
        assert asha.get(url).status_code == 404
        assert asha.patch(url, {"comment": "y"}).status_code == 404
        assert asha.patch(url, {"comment": "y"}, If_Match=tag).status_code == 404
        assert asha.delete(url).status_code == 404
        assert asha.post(f"{url}restore/").status_code == 404
        assert asha.get(f"{url}history/").status_code == 404
    assert asha.get(f"{url_of(jane)}{made['id']}/").json() == made


def test_an_old_etag_changes_nothing(instructor: Api, jane: Student) -> None:
    made = instructor.post(url_of(jane), {"comment": "x"}).json()
    url = f"{url_of(jane)}{made['id']}/"
    tag = instructor.get(url).headers["ETag"]
    assert instructor.patch(url, {"comment": "y"}, If_Match=tag).status_code == 200
    assert instructor.patch(url, {"comment": "z"}, If_Match=tag).status_code == 412
    assert FollowUp.objects.get().comment == "y"


def test_a_student_who_is_not_there_has_none(instructor: Api, jane: Student) -> None:
    made = instructor.post(url_of(jane), {"comment": "x"}).json()
    Student.objects.filter(pk=jane.pk).update(deleted_at=moments.now())
    missing = f"/api/services/{MISSING}/follow-ups/"
    for url in (url_of(jane), missing):
        assert instructor.get(url).status_code == 404
        assert instructor.post(url, {"comment": "y"}).status_code == 404
    assert instructor.get(f"{url_of(jane)}{made['id']}/").status_code == 404
    Student.objects.filter(pk=jane.pk).update(deleted_at=None)
    assert instructor.get(url_of(jane)).json() == [made]


def test_a_deleted_one_comes_back(jane: Student) -> None:
    sales, asha = member("Sales"), as_("asha")
    made = sales.post(url_of(jane), {"comment": "x"}).json()
    url = f"{url_of(jane)}{made['id']}/"
    assert sales.delete(url).status_code == 204
    assert sales.get(url).status_code == 404
    assert sales.get(url_of(jane)).json() == []
    assert sales.get(f"{url_of(jane)}?deleted=true").status_code == 403
    assert asha.get(f"{url_of(jane)}?deleted=true").json() == [made]
    assert sales.post(f"{url}restore/").status_code == 403
    assert asha.post(f"{url}restore/").json() == made
    events = Event.objects.order_by("pk").values_list("type", flat=True)
    assert list(events) == ["follow_up.created", "follow_up.deleted", "follow_up.restored"]


def test_the_list_is_newest_first_and_narrows_by_attribute(instructor: Api, jane: Student) -> None:
    for channel in ("email", "phone"):
        instructor.post(url_of(jane), {"attributes": {"channel": channel}})
    rows = instructor.get(url_of(jane)).json()
    assert [row["attributes"]["channel"] for row in rows] == ["phone", "email"]
    assert instructor.get(f"{url_of(jane)}?attributes.channel=email").json() == rows[1:]
    first = instructor.get(f"{url_of(jane)}?limit=1")
    link = first.headers["Link"].removeprefix("<http://localhost").removesuffix('>; rel="next"')
    assert instructor.get(link).json() == rows[1:]


@pytest.mark.parametrize(
    ("group", "looks", "adds", "deletes"),
    [
        ("Sales", 200, 201, 204),
        ("Operations", 200, 201, 204),
        ("Instructors", 200, 201, 403),
        ("Teacher Assistant", 200, 403, 403),
        ("Management", 200, 403, 403),
    ],
)
def test_permissions_by_group(jane: Student, group: str, looks: int, adds: int, deletes: int) -> None:
    made, api = as_("asha").post(url_of(jane), {"comment": "x"}).json(), member(group)
    assert api.get(url_of(jane)).status_code == looks
    assert api.post(url_of(jane), {"comment": "x"}).status_code == adds
    assert api.delete(f"{url_of(jane)}{made['id']}/").status_code == deletes
