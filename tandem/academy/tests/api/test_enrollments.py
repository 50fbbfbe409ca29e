"""/api/enrollments/. Contract A §8."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Enrollment, EnrollmentAssistant, EnrollmentDetail
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.accounts.models import User
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, member, newcomer

pytestmark = pytest.mark.django_db
URL = "/api/enrollments/"


@pytest.fixture
def operations() -> Api:
    return member("Operations")


def assistant(name: str) -> User:
    return newcomer(name, role="office")


def test_it_works(operations: Api) -> None:
    ines, bob, winter = newcomer("Ines", role="office"), assistant("Bob"), cohort()
    body = {
        "cohort": str(winter.pk),
        "pathway_name": "Data Science",
        "instructor": ines.pk,
        "teaching_assistants": [{"id": str(bob.pk), "name": "TA Bob"}],
    }
    answer = operations.post(URL, body)
    assert answer.status_code == 201, answer.content
    made = Enrollment.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "cohort": str(winter.pk),
        "cohort_name": "Winter 2026",
        "instructor": ines.pk,
        "instructor_name": "Ines",
        "pathway_name": "Data Science",
        "teaching_assistants": [{"id": bob.pk, "name": "Bob"}],
        "created_by": made.created_by_id,
        "created_by_name": "One of Operations",
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    told = Event.objects.get()
    assert (told.type, told.after["teaching_assistants"]) == ("enrollment.created", [bob.pk])
    assert operations.get(f"{URL}{made.pk}/").content == answer.content
    assert operations.get(URL).content == b"[" + answer.content + b"]"


def test_the_name_of_an_assistant_follows_the_user(operations: Api) -> None:
    bob = assistant("Bob")
    made = enrollment()
    operations.patch(f"{URL}{made.pk}/", {"teaching_assistants": [{"id": bob.pk, "name": "Someone else"}]})
    User.objects.filter(pk=bob.pk).update(name="Robert")
    assert operations.get(f"{URL}{made.pk}/").json()["teaching_assistants"] == [{"id": bob.pk, "name": "Robert"}]


def test_assistants_keep_their_order_and_one_who_has_left_may_stay(operations: Api) -> None:
    made, people = enrollment(), [assistant(name) for name in ("Zoe", "Adam", "Mia")]
    ids = [one.pk for one in people]
    operations.patch(f"{URL}{made.pk}/", {"teaching_assistants": [{"id": pk} for pk in (*ids, ids[0])]})
    User.objects.filter(pk=ids[1]).update(is_active=False)
    shown = operations.put(f"{URL}{made.pk}/", {"teaching_assistants": [{"id": pk} for pk in reversed(ids)]}).json()
    assert [one["name"] for one in shown["teaching_assistants"]] == ["Mia", "Adam", "Zoe"]
    told = Event.objects.last()
    assert told is not None
    assert (told.before, told.after) == ({"teaching_assistants": ids}, {"teaching_assistants": ids[::-1]})
    count = Event.objects.count()
    operations.put(f"{URL}{made.pk}/", shown)
    assert Event.objects.count() == count, "the same list again changes nothing"
    assert operations.patch(f"{URL}{made.pk}/", {"pathway_name": "Web"}).json()["teaching_assistants"]
    assert operations.patch(f"{URL}{made.pk}/", {"teaching_assistants": []}).json()["teaching_assistants"] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cohort": "abc"}, "cohort"),
        ({"cohort": None}, "cohort"),
        ({"cohort": "00000000-0000-0000-0000-000000000000"}, "cohort"),
        ({"pathway_name": " "}, "pathway_name"),
        ({"instructor": 10**9}, "instructor"),
        ({"teaching_assistants": [{"id": 10**9}]}, "teaching_assistants"),
        ({"teaching_assistants": [{"id": str(10**40)}]}, "teaching_assistants"),
        ({"teaching_assistants": [{"name": "TA Bob"}]}, "teaching_assistants"),
        ({"teaching_assistants": "Bob"}, "teaching_assistants"),
    ],
)
def test_bad_input_is_refused_by_field_and_stores_nothing(operations: Api, body: Any, field: str) -> None:
    winter = cohort()
    made = enrollment(winter)
    full = {"cohort": str(winter.pk), "pathway_name": "Web", **body}
    for answer in (operations.post(URL, full), operations.patch(f"{URL}{made.pk}/", body)):
        assert answer.status_code == 400, answer.content
        assert list(answer.json()) == [field]
    assert Enrollment.objects.count() == 1
    assert not Event.objects.exists()


def test_a_new_assistant_must_be_an_active_user(operations: Api) -> None:
    gone, kept = newcomer("Gone", role="office", is_active=False), assistant("Bob")
    made = enrollment()
    EnrollmentAssistant.objects.create(enrollment=made, user=kept, position=0)
    answer = operations.patch(
        f"{URL}{made.pk}/", {"pathway_name": "Web", "teaching_assistants": [{"id": kept.pk}, {"id": gone.pk}]}
    )
    assert answer.json() == {"teaching_assistants": [f"There is no active user with the id {gone.pk}."]}
    shown = operations.get(f"{URL}{made.pk}/").json()
    assert (shown["pathway_name"], len(shown["teaching_assistants"])) == ("Data Science", 1), "nothing was written"


def test_a_deleted_cohort_takes_no_enrollment(operations: Api) -> None:
    gone = cohort(deleted_at=moments.now())
    answer = operations.post(URL, {"cohort": str(gone.pk), "pathway_name": "Web"})
    assert answer.json() == {"cohort": [f'Invalid pk "{gone.pk}" - object does not exist.']}


def test_filters(operations: Api) -> None:
    ines, winter = newcomer("Ines", role="office"), cohort()
    wanted = enrollment(winter, "Data Science", instructor=ines)
    enrollment(cohort("Summer"), "Web")
    for query in (f"cohort={winter.pk}", f"instructor={ines.pk}", "pathway_name=data", "search=WINTER"):
        assert [row["id"] for row in operations.get(f"{URL}?{query}").json()] == [str(wanted.pk)], query
    for name in ("cohort", "instructor"):
        assert list(operations.get(f"{URL}?{name}=-").json()) == [name]


def test_one_with_students_is_neither_deleted_nor_moved(operations: Api) -> None:
    made = enrollment()
    taught = {"enrollment": made, "created_at": moments.now(), "updated_at": moments.now()}
    seat = EnrollmentDetail.objects.create(student=student(), **taught)
    EnrollmentDetail.objects.create(student=student("John", deleted_at=moments.now()), **taught)
    refused = {
        "detail": "This enrollment has students. Transfer them, or take them out of it first.",
        "code": "enrollment_in_use",
        "count": 1,
    }
    answer = operations.delete(f"{URL}{made.pk}/")
    assert (answer.status_code, answer.json()) == (409, refused)
    answer = operations.patch(f"{URL}{made.pk}/", {"cohort": str(cohort("Other").pk)})
    assert (answer.status_code, answer.json()) == (409, refused)
    shown = operations.get(f"{URL}{made.pk}/").json()
    assert operations.put(f"{URL}{made.pk}/", shown).status_code == 200, "the same cohort is no move"
    assert not Event.objects.exists()
    EnrollmentDetail.objects.filter(pk=seat.pk).update(status="transferred")
    assert operations.delete(f"{URL}{made.pk}/").status_code == 204, "who was here once does not hold it"


def test_restoring_brings_back_the_seats_that_went_along(operations: Api) -> None:
    made, asha = enrollment(), as_("asha")
    lost = EnrollmentDetail.objects.create(
        enrollment=made,
        student=student("John", deleted_at=moments.now()),
        created_at=moments.now(),
        updated_at=moments.now(),
    )
    operations.delete(f"{URL}{made.pk}/")
    lost.refresh_from_db()
    assert lost.deleted_at is not None
    assert asha.post(f"{URL}{made.pk}/restore/").json()["id"] == str(made.pk)
    lost.refresh_from_db()
    assert lost.deleted_at is None
    types = [event["type"] for event in operations.get(f"{URL}{made.pk}/history/").json()]
    assert types == ["enrollment.restored", "enrollment.deleted"]


def test_one_of_a_deleted_cohort_is_not_restored(operations: Api) -> None:
    made = enrollment()
    operations.delete(f"{URL}{made.pk}/")
    assert operations.delete(f"/api/cohorts/{made.cohort_id}/").status_code == 204
    answer = as_("asha").post(f"{URL}{made.pk}/restore/")
    assert (answer.status_code, answer.json()["code"]) == (409, "cohort_deleted")


def test_if_match_guards_a_change(operations: Api) -> None:
    made = enrollment()
    seen = operations.get(f"{URL}{made.pk}/").headers["ETag"]
    body = {"cohort": str(made.cohort_id), "pathway_name": "Web"}
    assert operations.patch(f"{URL}{made.pk}/", body, If_Match=seen).status_code == 200
    assert operations.patch(f"{URL}{made.pk}/", body, If_Match=seen).status_code == 412


@pytest.mark.parametrize(
    ("group", "due"),
    [
        ("Sales", [403, 403, 403, 403]),
        ("Operations", [200, 201, 200, 204]),
        ("Instructors", [200, 403, 403, 403]),
        ("Teacher Assistant", [200, 403, 403, 403]),
        ("Management", [200, 403, 403, 403]),
    ],
)
def test_what_each_group_may(group: str, due: list[int]) -> None:
    api, made = member(group), enrollment()
    answers = [
        api.get(URL),
        api.post(URL, {"cohort": str(made.cohort_id), "pathway_name": "New"}),
        api.patch(f"{URL}{made.pk}/", {"pathway_name": "Changed"}),
        api.delete(f"{URL}{made.pk}/"),
    ]
    assert [answer.status_code for answer in answers] == due


def test_where_a_student_has_been_is_not_rewritten(operations: Api) -> None:
    old, new, third, who = cohort("Summer"), cohort("Winter"), cohort("Third"), student()
    first = enrollment(old)
    asha = as_("asha")
    asha.post("/api/enrollment-details/", {"student": str(who.pk), "enrollment": str(first.pk)})
    wish = asha.post("/api/transfer-requests/", {"student": str(who.pk), "target_cohort": str(new.pk)}).json()
    assert asha.post(f"/api/transfer-requests/{wish['id']}/approve/").status_code == 200
    answer = operations.patch(f"/api/enrollments/{first.pk}/", {"cohort": str(third.pk)})
    assert (answer.status_code, answer.json()["code"]) == (409, "enrollment_in_use")
    assert operations.delete(f"/api/enrollments/{first.pk}/").status_code == 204, "nobody is in it"
