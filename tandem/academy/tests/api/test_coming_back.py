"""Students and clients who were deleted and come back: seats, counts and lists are right before, between and after."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Cohort, Enrollment, EnrollmentDetail, Student
from tandem.academy.tests.leads import lead
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.events.models import Event
from tests.cast import Api, as_, member

pytestmark = pytest.mark.django_db
MISSING = "8d7c2f5e-0000-4000-8000-000000000000"


@pytest.fixture
def asha() -> Api:
    return as_("asha")


def seat(asha: Api, jane: Student, into: Enrollment) -> str:
    answer = asha.post("/api/enrollment-details/", {"student": str(jane.pk), "enrollment": str(into.pk)})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def gone(asha: Api, kind: str, record: Any, query: str = "") -> None:
    answer = asha.delete(f"/api/{kind}/{record.pk}/{query}")
    assert answer.status_code == 204, answer.content


def back(asha: Api, kind: str, record: Any) -> Any:
    answer = asha.post(f"/api/{kind}/{record.pk}/restore/")
    assert answer.status_code == 200, answer.content
    return answer.json()


def seats(asha: Api, query: str = "") -> list[str]:
    return [row["id"] for row in asha.get(f"/api/enrollment-details/{query}").json()]


def in_cohort(asha: Api, where: Cohort) -> list[str]:
    return [row["id"] for row in asha.get(f"/api/services/?actual_cohort={where.pk}").json()]


def moved(asha: Api, jane: Student, to: Cohort) -> None:
    body = {"student": str(jane.pk), "target_cohort": str(to.pk)}
    wish = asha.post("/api/transfer-requests/", body).json()["id"]
    assert asha.post(f"/api/transfer-requests/{wish}/approve/").status_code == 200


class TestWhoDeletedIt:
    """The history of what is deleted is there for admins, who bring it back."""

    @pytest.mark.parametrize("kind", ["clients", "services", "leads", "cohorts", "enrollments", "enrollment-details"])
    def test_admins_see_it(self, asha: Api, kind: str) -> None:
        jane, into = student(), enrollment()
        records = {
            "clients": jane.client,
            "services": jane,
            "leads": lead(),
            "cohorts": into.cohort,
            "enrollments": into,
        }
        pk = seat(asha, jane, into) if kind == "enrollment-details" else records[kind].pk
        if kind == "cohorts":
            gone(asha, "enrollments", into)
        assert asha.delete(f"/api/{kind}/{pk}/?cascade=true").status_code == 204
        assert asha.get(f"/api/{kind}/{pk}/").status_code == 404
        newest = asha.get(f"/api/{kind}/{pk}/history/").json()[0]
        assert (newest["type"].split(".")[1], newest["actor_name"]) == ("deleted", "Asha")
        viewer = member("Management")
        assert viewer.get(f"/api/{kind}/{pk}/history/").status_code == 404
        assert asha.get(f"/api/{kind}/{MISSING}/history/").status_code == 404

    def test_of_a_follow_up_too_also_below_a_deleted_student(self, asha: Api) -> None:
        jane = student()
        url = f"/api/services/{jane.pk}/follow-ups/"
        first, second = (f"{url}{asha.post(url).json()['id']}/" for _ in range(2))
        asha.delete(first)
        assert asha.get(f"{first}history/").json()[0]["type"] == "follow_up.deleted"
        gone(asha, "services", jane)
        viewer = member("Management")
        for one in (first, second):
            assert asha.get(f"{one}history/").json()[0]["type"] == "follow_up.deleted"
            assert viewer.get(f"{one}history/").status_code == 404
            elsewhere = one.replace(str(jane.pk), str(student("Paul").pk))
            assert asha.get(f"{elsewhere}history/").status_code == 404


class TestAStudent:
    def test_comes_back_to_the_seat(self, asha: Api) -> None:
        jane, into = student(), enrollment()
        taken = seat(asha, jane, into)
        before = asha.get(f"/api/services/{jane.pk}/").json()
        gone(asha, "services", jane)
        assert (seats(asha), seats(asha, f"?student={jane.pk}"), in_cohort(asha, into.cohort)) == ([], [], [])
        assert asha.get(f"/api/enrollment-details/{taken}/").status_code == 404
        assert asha.delete(f"/api/enrollment-details/{taken}/").status_code == 404
        told = Event.objects.count()
        assert back(asha, "services", jane) == before
        assert Event.objects.count() == told + 1, "only the restoring itself"
        assert (seats(asha), in_cohort(asha, into.cohort)) == ([taken], [str(jane.pk)])
        refused = asha.delete(f"/api/enrollments/{into.pk}/")
        assert (refused.status_code, refused.json()["count"]) == (409, 1)

    def test_who_is_deleted_does_not_count(self, asha: Api) -> None:
        into = enrollment()
        jane, paul = student("Jane"), student("Paul")
        seat(asha, jane, into)
        seat(asha, paul, into)
        gone(asha, "services", jane)
        refused = asha.delete(f"/api/enrollments/{into.pk}/")
        assert (refused.status_code, refused.json()["count"]) == (409, 1)
        held = asha.delete(f"/api/cohorts/{into.cohort_id}/").json()
        assert (held["students"], held["enrollments"], held["count"]) == (1, 1, 2)

    def test_is_nowhere_when_enrollment_and_cohort_are_gone(self, asha: Api) -> None:
        jane, into = student(), enrollment()
        seat(asha, jane, into)
        gone(asha, "services", jane)
        gone(asha, "enrollments", into)
        gone(asha, "cohorts", into.cohort)
        shown = back(asha, "services", jane)
        assert (shown["actual_cohort"], shown["origin_cohort"]) == (None, str(into.cohort_id))
        assert (seats(asha), in_cohort(asha, into.cohort)) == ([], [])
        last = Event.objects.latest("pk")
        assert (last.type, last.after) == ("service.updated", {"actual_cohort": None})

    def test_is_nowhere_when_the_enrollment_is_gone_and_the_cohort_is_not(self, asha: Api) -> None:
        jane, into = student(), enrollment()
        seat(asha, jane, into)
        gone(asha, "services", jane)
        gone(asha, "enrollments", into)
        assert back(asha, "services", jane)["actual_cohort"] is None

    def test_falls_back_to_another_seat(self, asha: Api) -> None:
        jane, first, second = student(), enrollment(cohort("First")), enrollment(cohort("Second"))
        kept = seat(asha, jane, first)
        seat(asha, jane, second)
        gone(asha, "services", jane)
        gone(asha, "enrollments", second)
        assert back(asha, "services", jane)["actual_cohort"] == str(first.cohort_id)
        assert seats(asha) == [kept]

    def test_follows_an_enrollment_that_was_put_into_another_cohort(self, asha: Api) -> None:
        jane, into, other = student(), enrollment(), cohort("Other")
        seat(asha, jane, into)
        gone(asha, "services", jane)
        assert asha.patch(f"/api/enrollments/{into.pk}/", {"cohort": str(other.pk)}).status_code == 200
        assert back(asha, "services", jane)["actual_cohort"] == str(other.pk)

    def test_stays_in_a_cohort_without_a_seat(self, asha: Api) -> None:
        jane, into, bare = student(), enrollment(), cohort("Bare")
        seat(asha, jane, into)
        moved(asha, jane, bare)
        gone(asha, "services", jane)
        assert back(asha, "services", jane)["actual_cohort"] == str(bare.pk)
        gone(asha, "services", jane)
        gone(asha, "cohorts", bare)
        assert back(asha, "services", jane)["actual_cohort"] is None

    def test_gets_the_seat_again_with_its_enrollment(self, asha: Api) -> None:
        jane, into = student(), enrollment()
        taken = seat(asha, jane, into)
        gone(asha, "services", jane)
        gone(asha, "enrollments", into)
        assert back(asha, "services", jane)["actual_cohort"] is None
        back(asha, "enrollments", into)
        assert asha.get(f"/api/services/{jane.pk}/").json()["actual_cohort"] == str(into.cohort_id)
        assert (seats(asha), in_cohort(asha, into.cohort)) == ([taken], [str(jane.pk)])

    def test_who_has_another_seat_by_then_stays_there(self, asha: Api) -> None:
        jane, into, other = student(), enrollment(), enrollment(cohort("Other"))
        seat(asha, jane, into)
        gone(asha, "services", jane)
        gone(asha, "enrollments", into)
        back(asha, "services", jane)
        seat(asha, jane, other)
        back(asha, "enrollments", into)
        assert asha.get(f"/api/services/{jane.pk}/").json()["actual_cohort"] == str(other.cohort_id)
        assert len(seats(asha)) == 2

    def test_the_wish_to_move_waits(self, asha: Api) -> None:
        jane, into, other = student(), enrollment(), cohort("Other")
        seat(asha, jane, into)
        body = {"student": str(jane.pk), "target_cohort": str(other.pk)}
        wish = asha.post("/api/transfer-requests/", body).json()
        gone(asha, "services", jane)
        assert asha.get("/api/transfer-requests/").json() == []
        assert asha.post(f"/api/transfer-requests/{wish['id']}/approve/").status_code == 404
        back(asha, "services", jane)
        assert asha.get("/api/transfer-requests/").json() == [wish]
        assert asha.post(f"/api/transfer-requests/{wish['id']}/approve/").status_code == 200

    @pytest.mark.parametrize("with_client", [False, True])
    def test_comes_back_with_the_follow_ups_that_went_along(self, asha: Api, with_client: bool) -> None:
        jane = student()
        url = f"/api/services/{jane.pk}/follow-ups/"
        kept, earlier = (asha.post(url, {"comment": comment}).json() for comment in ("Kept", "Earlier"))
        asha.delete(f"{url}{earlier['id']}/")
        kind, record, query = ("clients", jane.client, "?cascade=true") if with_client else ("services", jane, "")
        gone(asha, kind, record, query)
        assert asha.get(url).status_code == 404
        assert asha.post(f"{url}{kept['id']}/restore/").status_code == 404
        back(asha, kind, record)
        assert asha.get(url).json() == [kept]
        assert asha.get(f"{url}?deleted=true").json() == [earlier], "it stays deleted"
        told = Event.objects.filter(subject_id=kept["id"]).order_by("pk").values_list("type", flat=True)
        assert list(told) == ["follow_up.created", "follow_up.deleted", "follow_up.restored"]


class TestAClient:
    def test_comes_back_with_its_students_in_their_seats(self, asha: Api) -> None:
        into, bare = enrollment(), cohort("Bare")
        jane, paul, earlier = student("Jane"), student("Paul"), student("Earlier")
        acme = jane.client
        taken = seat(asha, jane, into)
        seat(asha, paul, into)
        moved(asha, paul, bare)
        seat(asha, earlier, into)
        gone(asha, "services", earlier)
        before = asha.get("/api/services/").json()
        gone(asha, "clients", acme, "?cascade=true")
        assert (asha.get("/api/services/").json(), seats(asha, "?status=all"), in_cohort(asha, bare)) == ([], [], [])
        refused = asha.post(f"/api/services/{jane.pk}/restore/")
        assert (refused.status_code, refused.json()["code"]) == (409, "client_deleted")
        back(asha, "clients", acme)
        assert asha.get("/api/services/").json() == before, "whoever was deleted before stays deleted"
        assert (seats(asha), in_cohort(asha, bare)) == ([taken], [str(paul.pk)])
        assert back(asha, "services", earlier)["actual_cohort"] == str(into.cohort_id)
        assert len(seats(asha)) == 2

    def test_students_come_back_to_what_there_is(self, asha: Api) -> None:
        into = enrollment()
        jane, paul = student("Jane"), student("Paul")
        for one in (jane, paul):
            seat(asha, one, into)
        gone(asha, "clients", jane.client, "?cascade=true")
        gone(asha, "enrollments", into)
        gone(asha, "cohorts", into.cohort)
        back(asha, "clients", jane.client)
        assert [row["actual_cohort"] for row in asha.get("/api/services/").json()] == [None, None]
        back(asha, "cohorts", into.cohort)
        back(asha, "enrollments", into)
        assert sorted(in_cohort(asha, into.cohort)) == sorted([str(jane.pk), str(paul.pk)])
        assert EnrollmentDetail.objects.live().count() == 2
