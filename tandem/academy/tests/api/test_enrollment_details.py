"""/api/enrollment-details/. Contract A §9."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Enrollment, EnrollmentDetail, Student
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member

pytestmark = pytest.mark.django_db
URL = "/api/enrollment-details/"


@pytest.fixture
def operations() -> Api:
    return member("Operations")


def seat(api: Api, who: Student, into: Enrollment) -> str:
    answer = api.post(URL, {"student": str(who.pk), "enrollment": str(into.pk)})
    assert answer.status_code == 201, answer.content
    pk: str = answer.json()["id"]
    return pk


def cohorts_of(who: Student) -> tuple[str | None, str | None]:
    """The names of the first and the present cohort."""
    who.refresh_from_db()
    first, present = who.origin_cohort, who.actual_cohort
    return first.name_cohort if first else None, present.name_cohort if present else None


def test_it_works(operations: Api) -> None:
    jane, into = student(), enrollment()
    answer = operations.post(URL, {"enrollment": str(into.pk), "student": str(jane.pk)})
    assert answer.status_code == 201, answer.content
    made = EnrollmentDetail.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "enrollment": str(into.pk),
        "student": str(jane.pk),
        "student_name": "Jane Doe",
        "cohort": str(into.cohort_id),
        "cohort_name": "Winter 2026",
        "pathway_name": "Data Science",
        "status": "active",
        "closed_at": None,
        "created_by": made.created_by_id,
        "created_by_name": "One of Operations",
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    assert operations.get(f"{URL}{made.pk}/").content == answer.content
    assert operations.get(URL).content == b"[" + answer.content + b"]"
    shown = operations.get(f"/api/services/{jane.pk}/").json()
    assert (shown["origin_cohort"], shown["actual_cohort"]) == (str(into.cohort_id),) * 2


def test_the_same_student_twice_is_a_conflict(operations: Api) -> None:
    jane, into = student(), enrollment()
    seat(operations, jane, into)
    answer = operations.post(URL, {"enrollment": str(into.pk), "student": str(jane.pk)})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_enrolled")
    assert EnrollmentDetail.objects.count() == 1


@pytest.mark.parametrize("field", ["student", "enrollment"])
@pytest.mark.parametrize("wrong", ["abc", None, "", "00000000-0000-0000-0000-000000000000"])
def test_bad_input_is_refused_by_field_and_stores_nothing(operations: Api, field: str, wrong: Any) -> None:
    body = {"enrollment": str(enrollment().pk), "student": str(student().pk), field: wrong}
    answer = operations.post(URL, body)
    assert (answer.status_code, list(answer.json())) == (400, [field])
    assert not Event.objects.exists()


def test_deleting_moves_the_student_back_to_the_newest_other_one(operations: Api) -> None:
    jane = student()
    seats = [seat(operations, jane, enrollment(cohort(name))) for name in ("First", "Second", "Third")]
    assert cohorts_of(jane) == ("First", "Third")
    assert operations.delete(f"{URL}{seats[0]}/").status_code == 204
    assert cohorts_of(jane) == ("First", "Third"), "an older one moves nobody"
    operations.delete(f"{URL}{seats[2]}/")
    assert cohorts_of(jane) == ("First", "Second")
    operations.delete(f"{URL}{seats[1]}/")
    assert cohorts_of(jane) == ("First", None)
    assert operations.get(URL).json() == []
    moves = Event.objects.filter(type="service.updated").order_by("id")
    assert [list(event.after) for event in moves][-2:] == [["actual_cohort"], ["actual_cohort"]]


def test_a_closed_seat_is_history_and_moves_nobody(operations: Api) -> None:
    jane = student()
    pk = seat(operations, jane, enrollment(cohort("First")))
    EnrollmentDetail.objects.update(status="transferred", closed_at=moments.now())
    assert operations.delete(f"{URL}{pk}/").status_code == 204
    assert cohorts_of(jane) == ("First", "First")


def test_restoring_puts_the_student_back(operations: Api) -> None:
    jane, asha = student(), as_("asha")
    pk = seat(operations, jane, enrollment(cohort("First")))
    operations.delete(f"{URL}{pk}/")
    assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [pk]
    assert asha.post(f"{URL}{pk}/restore/").json()["status"] == "active"
    assert asha.post(f"{URL}{pk}/restore/").status_code == 200
    assert cohorts_of(jane) == ("First", "First")
    types = [event["type"] for event in operations.get(f"{URL}{pk}/history/").json()]
    assert types == ["enrollment_detail.restored", "enrollment_detail.deleted", "enrollment_detail.created"]


def test_one_that_is_taken_anew_is_not_restored(operations: Api) -> None:
    jane, into = student(), enrollment()
    first = seat(operations, jane, into)
    operations.delete(f"{URL}{first}/")
    seat(operations, jane, into)
    answer = as_("asha").post(f"{URL}{first}/restore/")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_enrolled")


def test_one_of_a_deleted_enrollment_is_not_restored(operations: Api) -> None:
    into = enrollment()
    pk = seat(operations, student(), into)
    operations.delete(f"{URL}{pk}/")
    operations.delete(f"/api/enrollments/{into.pk}/")
    answer = as_("asha").post(f"{URL}{pk}/restore/")
    assert (answer.status_code, answer.json()["code"]) == (409, "enrollment_deleted")


def test_lists_show_active_ones_unless_asked(operations: Api) -> None:
    jane, john = student(), student("John")
    first, second = enrollment(cohort("First")), enrollment(cohort("Second"))
    closed = seat(operations, jane, first)
    EnrollmentDetail.objects.update(status="transferred", closed_at=moments.now())
    open_, johns = seat(operations, jane, second), seat(operations, john, second)
    for query, due in {
        "": {open_, johns},
        "status=active": {open_, johns},
        "status=transferred": {closed},
        "status=all": {closed, open_, johns},
        f"student={jane.pk}": {closed, open_},
        f"student={jane.pk}&status=active": {open_},
        f"?student={jane.pk}": {closed, open_},
        f"enrollment={first.pk}": set(),
        f"enrollment={first.pk}&status=all": {closed},
        f"enrollment={second.pk}": {open_, johns},
    }.items():
        assert {row["id"] for row in operations.get(f"{URL}?{query}").json()} == due, query
    for name, wrong in (("student", "-"), ("enrollment", "1"), ("status", "gone")):
        answer = operations.get(f"{URL}?{name}={wrong}")
        assert (answer.status_code, list(answer.json())) == (400, [name])


def test_seats_of_a_deleted_student_are_out_of_reach(operations: Api) -> None:
    jane = student()
    pk = seat(operations, jane, enrollment())
    Student.objects.filter(pk=jane.pk).update(deleted_at=moments.now())
    assert operations.get(URL).json() == []
    assert operations.get(f"{URL}{pk}/").status_code == 404
    assert operations.delete(f"{URL}{pk}/").status_code == 404


def test_if_match_guards_the_deletion(operations: Api) -> None:
    pk = seat(operations, student(), enrollment())
    seen = operations.get(f"{URL}{pk}/").headers["ETag"]
    assert operations.delete(f"{URL}{pk}/", If_Match='"other"').status_code == 412
    assert operations.delete(f"{URL}{pk}/", If_Match=seen).status_code == 204


@pytest.mark.parametrize(
    ("group", "due"),
    [
        ("Sales", [403, 403, 403]),
        ("Operations", [200, 201, 204]),
        ("Instructors", [200, 403, 403]),
        ("Teacher Assistant", [200, 403, 403]),
        ("Management", [200, 403, 403]),
    ],
)
def test_what_each_group_may(group: str, due: list[int]) -> None:
    pk = seat(as_("asha"), student(), enrollment())
    api = member(group)
    body = {"student": str(student("John").pk), "enrollment": str(enrollment().pk)}
    answers = [api.get(URL), api.post(URL, body), api.delete(f"{URL}{pk}/")]
    assert [answer.status_code for answer in answers] == due
