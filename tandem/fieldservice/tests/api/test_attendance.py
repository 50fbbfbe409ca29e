"""Contract F §8: who is there on which day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Attendance
from tandem.fieldservice.queries import worker_absent
from tests.cast import ANONYMOUS, as_, card_of, newcomer, person, shown, visit_to

pytestmark = pytest.mark.django_db

DAY = date(2025, 12, 12)
LIST, PRESENT, ABSENT, ME, BULK, BY_DATE = (
    f"/api/crm/attendance/{name}" for name in ("", "mark_present/", "mark_absent/", "me/", "bulk/", "by_date/")
)


def row_of(mark: Attendance) -> dict:
    return {
        "id": mark.pk,
        "user": mark.user_id,
        "user_name": mark.user.name,
        "date": mark.date.isoformat(),
        "status": mark.status,
        "marked_by": mark.marked_by_id,
        "created_at": shown(mark.created_at),
    }


def mark(worker: str, status: str, on: date = DAY) -> Attendance:
    now = moments.now()
    return Attendance.objects.create(
        user=person(worker), date=on, status=status, marked_by=person("asha"), created_at=now, updated_at=now
    )


# --- mark_present/, mark_absent/ -------------------------------------------------------------------------------------
def test_it_marks_a_worker_present() -> None:
    answer = as_("asha").post(PRESENT, {"user": person("wasim").pk, "date": "2025-12-12"})
    stored = Attendance.objects.get()
    assert (answer.status_code, answer.json()) == (200, {"detail": "Marked present", "attendance_id": stored.pk})
    assert (stored.user, stored.date, stored.status) == (person("wasim"), DAY, "present")
    assert stored.marked_by == person("asha")


def test_it_marks_a_worker_absent_and_names_the_open_visits_of_that_day() -> None:
    wasim, card = person("wasim"), card_of(person("chitra"))
    fixed = visit_to(card, on=DAY - timedelta(days=3), scheduled_on=DAY, assigned_to=wasim, status="assigned")
    preferred = visit_to(card_of(person("deepak")), on=DAY, assigned_to=wasim, status="in_progress")
    visit_to(card, on=DAY, assigned_to=wasim, status="completed")
    visit_to(card, on=DAY + timedelta(days=1), assigned_to=wasim, status="assigned")
    visit_to(card_of(person("chitra")), on=DAY, assigned_to=person("wali"), status="assigned")
    answer = as_("asha").post(ABSENT, {"user": wasim.pk, "date": "2025-12-12"})
    assert answer.status_code == 200
    assert answer.json() == {
        "detail": "Marked absent",
        "attendance_id": Attendance.objects.get().pk,
        "affected_visits": [fixed.pk, preferred.pk],
    }
    assert worker_absent(wasim.pk, DAY)
    assert not worker_absent(wasim.pk, DAY + timedelta(days=1))


def test_marking_again_changes_the_same_row() -> None:
    body = {"user": str(person("wasim").pk), "date": "2025-12-12"}
    first = as_("asha").post(PRESENT, body).json()["attendance_id"]
    again = as_("asha").post(ABSENT, body).json()["attendance_id"]
    assert first == again
    assert Attendance.objects.get().status == "absent"
    assert not worker_absent(person("wali").pk, DAY)


def test_each_change_leaves_one_event_and_a_repetition_none() -> None:
    body = {"user": person("wasim").pk, "date": "2025-12-12"}
    for path in (PRESENT, PRESENT, ABSENT):
        as_("asha").post(path, body)
    events = Event.objects.filter(type="attendance.marked").order_by("id")
    new = {"user": person("wasim").pk, "date": "2025-12-12", "status": "present"}
    assert [(event.before, event.after, event.actor) for event in events] == [
        ({}, new, person("asha")),
        ({"status": "present"}, {"status": "absent"}, person("asha")),
    ]
    assert {event.subject_id for event in events} == {str(Attendance.objects.get().pk)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"date": "2025-12-12"}, "user"),
        ({"user": "Wasim", "date": "2025-12-12"}, "user"),
        ({"user": 10**6, "date": "2025-12-12"}, "user"),
        ({"user": "9" * 30, "date": "2025-12-12"}, "user"),
        ({"user": "chitra", "date": "2025-12-12"}, "user"),
        ({"user": "wanda", "date": "2025-12-12"}, "user"),
        ({"user": "wasim"}, "date"),
        ({"user": "wasim", "date": "12.12.2025"}, "date"),
        ({"user": "wasim", "date": ""}, "date"),
    ],
    ids=["nobody", "a name", "unknown", "too large", "a customer", "inactive", "no day", "no ISO day", "empty day"],
)
@pytest.mark.parametrize("path", [PRESENT, ABSENT])
def test_it_refuses_bad_input_by_field(path: str, body: dict, field: str) -> None:
    ids = {"wasim": person("wasim").pk, "chitra": person("chitra").pk}
    ids["wanda"] = newcomer("Wanda", role="worker", is_active=False).pk
    answer = as_("asha").post(path, {**body, "user": ids.get(body.get("user"), body.get("user"))})
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not Attendance.objects.exists()
    assert not Event.objects.exists()


# --- bulk/ -----------------------------------------------------------------------------------------------------------
def test_it_marks_many_workers_at_once() -> None:
    wasim, wali, wren = person("wasim"), person("wali"), newcomer("Wren", role="worker")
    mark("wasim", "absent")
    visit = visit_to(card_of(person("chitra")), on=DAY, assigned_to=wren, status="assigned")
    body = {"date": "2025-12-12", "present": [wasim.pk, str(wali.pk), wali.pk], "absent": [wren.pk]}
    answer = as_("asha").post(BULK, body)
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "detail": "Bulk update complete",
            "present_marked": 2,
            "absent_marked": 1,
            "affected_visits": [visit.pk],
        },
    )
    assert dict(Attendance.objects.values_list("user", "status")) == {
        wasim.pk: "present",
        wali.pk: "present",
        wren.pk: "absent",
    }


@pytest.mark.parametrize(
    ("present", "absent", "message"),
    [
        (["wasim"], ["wasim", "wali"], {"absent": ["Also in `present`: {wasim}. Nobody can be both."]}),
        (["wasim"], ["chitra"], {"absent": ["Not an active worker: {chitra}."]}),
        (["wasim", "nobody"], ["wali"], {"present": ["Not an active worker: {nobody}."]}),
        (
            ["asha"],
            ["wanda"],
            {"present": ["Not an active worker: {asha}."], "absent": ["Not an active worker: {wanda}."]},
        ),
        (["wasim"], ["x"], {"absent": ["absent[0]: A valid integer is required."]}),
    ],
    ids=["in both lists", "a customer", "unknown", "an admin and an inactive worker", "no id"],
)
def test_bulk_marks_nobody_when_one_cannot_be_marked(present: list, absent: list, message: dict) -> None:
    ids = {name: person(name).pk for name in ("wasim", "wali", "chitra", "asha")}
    ids |= {"nobody": 10**6, "wanda": newcomer("Wanda", role="worker", is_active=False).pk}
    body = {
        "date": "2025-12-12",
        "present": [ids.get(x, x) for x in present],
        "absent": [ids.get(x, x) for x in absent],
    }
    answer = as_("asha").post(BULK, body)
    expected = {
        field: [text.format(**ids) for text in texts] if isinstance(texts, list) else texts
        for field, texts in message.items()
    }
    assert (answer.status_code, answer.json()) == (400, expected)
    assert not Attendance.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.parametrize("nothing", [None, "", []])
@pytest.mark.parametrize(("said", "left_out"), [("present", "absent"), ("absent", "present")])
def test_bulk_takes_a_list_that_says_nothing_for_an_empty_one(nothing: Any, said: str, left_out: str) -> None:
    wasim = person("wasim")
    answer = as_("asha").post(BULK, {"date": "2025-12-12", said: [wasim.pk], left_out: nothing})
    assert answer.status_code == 200, answer.content
    assert (answer.json()[f"{said}_marked"], answer.json()[f"{left_out}_marked"]) == (1, 0)
    assert Attendance.objects.get().status == said


def test_bulk_asks_no_more_questions_for_ten_workers_than_for_one() -> None:
    api = as_("asha")
    workers = [newcomer(f"Worker{n}", role="worker").pk for n in range(11)]

    def reads(ids: list[int]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert api.post(BULK, {"date": "2025-12-12", "absent": ids}).status_code == 200
        return sum(query["sql"].startswith("SELECT") for query in seen)

    assert reads(workers[:1]) == reads(workers[1:])


# --- reading ---------------------------------------------------------------------------------------------------------
def test_the_list_shows_the_newest_day_first() -> None:
    older, newer, other = (
        mark("wasim", "present", DAY),
        mark("wasim", "absent", DAY + timedelta(1)),
        mark("wali", "present"),
    )
    answer = as_("asha").get(LIST)
    assert (answer.status_code, answer.json()) == (200, [row_of(newer), row_of(other), row_of(older)])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?user={wali}", ["wali"]),
        ("?date=2025-12-13", ["tomorrow"]),
        ("?status=absent", ["tomorrow"]),
        ("?user={wasim}&status=present", ["wasim"]),
        ("?user=1000000", []),
        ("?date=2025-12-12&?user={wasim}", ["wasim"]),
    ],
)
def test_the_list_filters_by_person_day_and_status(query: str, expected: list[str]) -> None:
    marks = {
        "wasim": mark("wasim", "present"),
        "wali": mark("wali", "present"),
        "tomorrow": mark("wasim", "absent", DAY + timedelta(days=1)),
    }
    query = query.format(wasim=person("wasim").pk, wali=person("wali").pk)
    assert as_("asha").get(LIST + query).json() == [row_of(marks[name]) for name in expected]


@pytest.mark.parametrize(("name", "value"), [("user", "abc"), ("date", "soon"), ("status", "ill")])
def test_a_filter_of_the_wrong_type_is_refused(name: str, value: str) -> None:
    answer = as_("asha").get(f"{LIST}?{name}={value}")
    assert (answer.status_code, list(answer.json())) == (400, [name])


def test_me_shows_how_the_caller_is_marked_today() -> None:
    today = moments.today()
    assert as_("wasim").get(ME).json() == {"date": today.isoformat(), "status": None}
    mark("wasim", "present", today - timedelta(days=1))
    mark("wali", "absent", today)
    assert as_("wasim").get(ME).json() == {"date": today.isoformat(), "status": None}
    mark("wasim", "present", today)
    assert as_("wasim").get(ME).json() == {"date": today.isoformat(), "status": "present"}


def test_by_date_shows_every_worker_marked_or_not() -> None:
    person("wasim"), person("wali"), person("chitra")
    gone, left = newcomer("Zita", role="worker", is_active=False), newcomer("Anna", role="worker", is_active=False)
    now = moments.now()
    Attendance.objects.create(
        user=left, date=DAY, status="present", marked_by=person("asha"), created_at=now, updated_at=now
    )
    mark("wasim", "absent")
    mark("wali", "present", DAY + timedelta(days=1))
    answer = as_("asha").get(f"{BY_DATE}?date=2025-12-12")
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "date": "2025-12-12",
            "total": 3,
            "records": [
                {"user_id": left.pk, "user_name": "Anna", "status": "present"},
                {"user_id": person("wali").pk, "user_name": "Wali", "status": None},
                {"user_id": person("wasim").pk, "user_name": "Wasim", "status": "absent"},
            ],
        },
    )
    assert gone.pk not in {record["user_id"] for record in answer.json()["records"]}


def test_by_date_means_today_and_refuses_what_is_no_day() -> None:
    assert as_("asha").get(BY_DATE).json() == {"date": moments.today().isoformat(), "total": 0, "records": []}
    answer = as_("asha").get(f"{BY_DATE}?date=2025-13-01")
    assert (answer.status_code, list(answer.json())) == (400, ["date"])


@pytest.mark.parametrize("path", [LIST, BY_DATE])
def test_a_read_costs_the_same_for_one_row_and_for_ten(path: str) -> None:
    api, asha, now = as_("asha"), person("asha"), moments.now()
    counts = []
    for names in (["One"], [f"Worker{n}" for n in range(9)]):
        for name in names:
            Attendance.objects.create(
                user=newcomer(name, role="worker"),
                date=DAY,
                status="present",
                marked_by=asha,
                created_at=now,
                updated_at=now,
            )
        with CaptureQueriesContext(connection) as seen:
            assert api.get(f"{path}?date=2025-12-12").status_code == 200
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 2


# --- who may ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["chitra", "wasim", "omar"])
def test_only_admins_read_and_mark(name: str) -> None:
    body = {"user": person("wasim").pk, "date": "2025-12-12", "present": [person("wasim").pk]}
    api = as_(name)
    answers = [api.get(LIST), api.get(BY_DATE), api.post(PRESENT, body), api.post(ABSENT, body), api.post(BULK, body)]
    assert [answer.status_code for answer in answers] == [403] * 5
    assert not Attendance.objects.exists()


@pytest.mark.parametrize("name", ["chitra", "omar"])
def test_me_is_for_workers(name: str) -> None:
    assert as_(name).get(ME).status_code == 403


def test_nobody_gets_in_without_signing_in() -> None:
    answers = [ANONYMOUS.get(path) for path in (LIST, ME, BY_DATE)]
    answers += [ANONYMOUS.post(path, {}) for path in (PRESENT, ABSENT, BULK)]
    assert {answer.status_code for answer in answers} == {401}
