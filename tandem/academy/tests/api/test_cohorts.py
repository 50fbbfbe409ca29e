"""/api/cohorts/. Contract A §7."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Cohort, Enrollment, TransferRequest
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.accounts.models import User
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member, newcomer, person

pytestmark = pytest.mark.django_db
URL = "/api/cohorts/"


@pytest.fixture
def operations() -> Api:
    return member("Operations")


def instructor(name: str = "Ines", **other: Any) -> User:
    return newcomer(name, role="office", **other)


def test_it_works(operations: Api) -> None:
    ines = instructor()
    body = {"name_cohort": "Summer 2025", "start_date": "2025-06-01", "end_date": "2025-12-01", "instructor": ines.pk}
    answer = operations.post(URL, body)
    assert answer.status_code == 201, answer.content
    made = Cohort.objects.get()
    me = User.objects.get(username="one-of-operations")
    assert answer.json() == {
        "id": str(made.pk),
        "name_cohort": "Summer 2025",
        "start_date": "2025-06-01",
        "end_date": "2025-12-01",
        "instructor": ines.pk,
        "instructor_name": "Ines",
        "created_by": me.pk,
        "created_by_name": "One of Operations",
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    assert Event.objects.get().type == "cohort.created"
    assert operations.get(f"{URL}{made.pk}/").content == answer.content, "a read answers what the write answered"
    assert operations.get(URL).content == b"[" + answer.content + b"]"


def test_a_name_is_enough(operations: Api) -> None:
    shown = operations.post(URL, {"name_cohort": "A", "start_date": "", "instructor": ""}).json()
    assert (shown["start_date"], shown["end_date"], shown["instructor"], shown["instructor_name"]) == (None,) * 4


def test_put_leaves_absent_fields_alone(operations: Api) -> None:
    ines = instructor()
    made = cohort("Summer", start_date="2025-06-01", end_date="2025-12-01", instructor=ines)
    answer = operations.put(f"{URL}{made.pk}/", {"name_cohort": "Summer, extended", "end_date": "2026-01-31"})
    shown = answer.json()
    assert (shown["name_cohort"], shown["end_date"]) == ("Summer, extended", "2026-01-31")
    assert (shown["start_date"], shown["instructor"]) == ("2025-06-01", ines.pk)
    told = Event.objects.get()
    assert (told.type, told.before) == ("cohort.updated", {"name_cohort": "Summer", "end_date": "2025-12-01"})
    operations.put(f"{URL}{made.pk}/", shown)
    assert Event.objects.count() == 1, "a change that changes nothing tells nothing"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name_cohort": ""}, "name_cohort"),
        ({"start_date": "-"}, "start_date"),
        ({"end_date": "2025-02-30"}, "end_date"),
        ({"end_date": "2025-05-31"}, "end_date"),
        ({"start_date": "2025-12-02"}, "end_date"),
        ({"start_date": "2026-02-01", "end_date": "2026-01-01"}, "end_date"),
        ({"instructor": 10**9}, "instructor"),
        ({"instructor": str(10**30)}, "instructor"),
        ({"instructor": "Ines"}, "instructor"),
    ],
)
def test_bad_input_is_refused_by_field_and_stores_nothing(operations: Api, body: Any, field: str) -> None:
    made = cohort("Summer", start_date="2025-06-01", end_date="2025-12-01")
    full = {"name_cohort": "Summer", "start_date": "2025-06-01", "end_date": "2025-12-01", **body}
    for answer in (operations.patch(f"{URL}{made.pk}/", body), operations.post(URL, full)):
        assert answer.status_code == 400, answer.content
        assert list(answer.json()) == [field]
    assert not Event.objects.exists()


def test_it_may_end_on_the_day_it_starts(operations: Api) -> None:
    body = {"name_cohort": "A day", "start_date": "2025-06-01", "end_date": "2025-06-01"}
    assert operations.post(URL, body).status_code == 201


@pytest.mark.parametrize("who", [{"role": "customer"}, {"role": "worker"}, {"role": "office", "is_active": False}])
def test_only_an_active_office_user_instructs(operations: Api, who: Any) -> None:
    answer = operations.post(URL, {"name_cohort": "A", "instructor": newcomer("Nobody", **who).pk})
    assert (answer.status_code, list(answer.json())) == (400, ["instructor"])


def test_an_instructor_who_has_left_may_stay(operations: Api) -> None:
    ines = instructor()
    made = cohort(instructor=ines)
    User.objects.filter(pk=ines.pk).update(is_active=False)
    answer = operations.put(f"{URL}{made.pk}/", {"name_cohort": "B", "instructor": str(ines.pk)})
    assert (answer.status_code, answer.json()["instructor"]) == (200, ines.pk)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=WINTER", ["Winter"]),
        ("search=winter", ["Winter"]),
        ("search=ines", ["Summer"]),
        ("from=2025-12-01", ["Summer", "Winter"]),
        ("from=2025-12-02", ["Winter"]),
        ("to=2025-12-31", ["Summer"]),
        ("from=2026-01-01&to=2026-01-01", ["Winter"]),
        ("from=2027-01-01", []),
        ("instructor=999999", []),
    ],
)
def test_filters(operations: Api, query: str, found: list[str]) -> None:
    cohort("Summer", start_date="2025-06-01", end_date="2025-12-01", instructor=instructor())
    cohort("Winter", start_date="2026-01-01", end_date="2026-05-31")
    cohort("Some day")
    listed = [row["name_cohort"] for row in operations.get(f"{URL}?{query}").json()]
    assert sorted(listed) == found


def test_the_filter_by_instructor_is_typed(operations: Api) -> None:
    ines = instructor()
    cohort("Summer", instructor=ines)
    cohort("Winter")
    assert [row["name_cohort"] for row in operations.get(f"{URL}?instructor={ines.pk}").json()] == ["Summer"]
    assert operations.get(f"{URL}?instructor=abc").json() == {"instructor": ["A valid integer is required."]}


def test_deleting_and_restoring(operations: Api) -> None:
    made = cohort()
    assert operations.delete(f"{URL}{made.pk}/").status_code == 204
    assert operations.get(f"{URL}{made.pk}/").status_code == 404
    assert operations.get(URL).json() == []
    assert operations.get(f"{URL}?deleted=true").status_code == 403
    assert operations.post(f"{URL}{made.pk}/restore/").status_code == 403
    asha = as_("asha")
    assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [str(made.pk)]
    assert asha.post(f"{URL}{made.pk}/restore/").json()["id"] == str(made.pk)
    assert [event["type"] for event in operations.get(f"{URL}{made.pk}/history/").json()] == [
        "cohort.restored",
        "cohort.deleted",
    ]


def test_one_in_use_is_not_deleted(operations: Api) -> None:
    made = cohort()
    taught = enrollment(made)
    student(actual_cohort=made)
    student("John", actual_cohort=made, deleted_at=moments.now())
    answer = operations.delete(f"{URL}{made.pk}/")
    assert answer.status_code == 409
    assert answer.json() == {
        "detail": "This cohort is in use: it has enrollments or students, or a transfer into it is approved.",
        "code": "cohort_in_use",
        "count": 2,
        "enrollments": 1,
        "students": 1,
        "transfers": 0,
    }
    Enrollment.objects.filter(pk=taught.pk).update(deleted_at=moments.now())
    assert operations.delete(f"{URL}{made.pk}/").json()["count"] == 1
    assert not Event.objects.exists()


def test_an_approved_transfer_to_come_holds_the_cohort(operations: Api) -> None:
    made, now = cohort(), moments.now()
    wish = TransferRequest.objects.create(
        student=student(),
        cohort_request="Winter",
        target_cohort=made,
        status="approved",
        effective_date="2090-01-01",
        decided_by=person("asha"),
        created_at=now,
        updated_at=now,
    )
    assert operations.delete(f"{URL}{made.pk}/").json()["transfers"] == 1
    TransferRequest.objects.filter(pk=wish.pk).update(status="pending", effective_date=None)
    assert operations.delete(f"{URL}{made.pk}/").status_code == 204, "a mere wish does not"


@pytest.mark.parametrize(
    ("group", "due"),
    [
        ("Sales", [200, 403, 403, 403]),
        ("Operations", [200, 201, 200, 204]),
        ("Instructors", [200, 403, 403, 403]),
        ("Teacher Assistant", [200, 403, 403, 403]),
        ("Management", [200, 403, 403, 403]),
    ],
)
def test_what_each_group_may(group: str, due: list[int]) -> None:
    api, made = member(group), cohort()
    answers = [
        api.get(URL),
        api.post(URL, {"name_cohort": "New"}),
        api.patch(f"{URL}{made.pk}/", {"name_cohort": "Changed"}),
        api.delete(f"{URL}{made.pk}/"),
    ]
    assert [answer.status_code for answer in answers] == due


@pytest.mark.parametrize("name", ["chitra", "wasim", "omar"])
def test_without_a_permission_nothing_is_seen(name: str) -> None:
    assert as_(name).get(URL).status_code == 403


def test_the_list_costs_as_many_queries_for_ten_as_for_one(operations: Api, django_assert_num_queries: Any) -> None:
    cohort(instructor=instructor())
    operations.get(URL)
    for queries in (1, 10):
        for n in range(queries - 1):
            cohort(f"Cohort {n}")
        with django_assert_num_queries(3):
            assert len(operations.get(URL).json()) == queries
