"""/api/transfer-requests/. Contract A §10."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem.academy.actions.transfers import carry_out_due_transfers
from tandem.academy.models import Cohort, EnrollmentDetail, Student, TransferRequest
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.common import moments
from tandem.config import jobs
from tandem.events.models import Event
from tests.cast import Api, as_, member, newcomer

pytestmark = pytest.mark.django_db
URL = "/api/transfer-requests/"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def operations() -> Api:
    return member("Operations")


@pytest.fixture
def instructor() -> Api:
    return member("Instructors")


def wish(api: Api, who: Student, name: str = "Winter 2026", **other: Any) -> str:
    answer = api.post(URL, {"student": str(who.pk), "cohort_request": name, **other})
    assert answer.status_code == 201, answer.content
    pk: str = answer.json()["id"]
    return pk


def seated(name: str = "Jane Doe", *, pathway: str = "Data Science") -> Student:
    """A student of a cohort called Summer 2025."""
    who, old = student(name), enrollment(cohort("Summer 2025"), pathway)
    as_("asha").post("/api/enrollment-details/", {"student": str(who.pk), "enrollment": str(old.pk)})
    return who


def seats_of(who: Student) -> list[tuple[str, str]]:
    """Cohort and status of each seat, oldest first."""
    rows = EnrollmentDetail.objects.filter(student=who).order_by("created_at", "id")
    return list(rows.values_list("enrollment__cohort__name_cohort", "status"))


def test_it_works(instructor: Api) -> None:
    jane, winter = student(), cohort("Winter 2026 Batch")
    body = {"student": str(jane.pk), "cohort_request": "Winter 2026 Batch", "possible_transfer_date": "2026-02-01"}
    answer = instructor.post(URL, body)
    assert answer.status_code == 201, answer.content
    made = TransferRequest.objects.get()
    assert answer.json() == {
        "id": str(made.pk),
        "student": str(jane.pk),
        "student_name": "Jane Doe",
        "cohort_request": "Winter 2026 Batch",
        "target_cohort": str(winter.pk),
        "target_cohort_name": "Winter 2026 Batch",
        "possible_transfer_date": "2026-02-01",
        "status": "pending",
        "reason": "",
        "effective_date": None,
        "decided_by": None,
        "decided_by_name": None,
        "decided_at": None,
        "moved_at": None,
        "created_by": made.created_by_id,
        "created_by_name": "One of Instructors",
        "created_at": moments.iso(made.created_at),
        "updated_at": moments.iso(made.updated_at),
    }
    assert Event.objects.get().type == "transfer_request.created"
    assert instructor.get(f"{URL}{made.pk}/").content == answer.content
    assert instructor.get(URL).content == b"[" + answer.content + b"]"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"student": NOBODY}, "student"),
        ({"student": "-"}, "student"),
        ({"target_cohort": NOBODY}, "target_cohort"),
        ({"possible_transfer_date": "-"}, "possible_transfer_date"),
        ({"possible_transfer_date": "2026-13-01"}, "possible_transfer_date"),
        ({"cohort_request": ""}, "cohort_request"),
        ({"cohort_request": "x" * 256}, "cohort_request"),
    ],
)
def test_bad_input_is_refused_by_field_and_stores_nothing(operations: Api, body: Any, field: str) -> None:
    jane = student()
    pk = wish(operations, jane)
    before = TransferRequest.objects.values().get()
    other = {"student": str(student("John").pk), "cohort_request": "Winter"}
    for answer in (operations.post(URL, {**other, **body}), operations.patch(f"{URL}{pk}/", body)):
        assert answer.status_code == 400, answer.content
        assert list(answer.json()) == [field]
    assert TransferRequest.objects.values().get() == before
    assert Event.objects.count() == 1


def test_one_pending_request_per_student(operations: Api) -> None:
    jane, john = student(), student("John")
    first = wish(operations, jane)
    again = {"student": str(jane.pk), "cohort_request": "Another"}
    answer = operations.post(URL, again)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_pending")
    johns = wish(operations, john)
    assert operations.patch(f"{URL}{johns}/", {"student": str(jane.pk)}).status_code == 409
    operations.post(f"{URL}{first}/reject/")
    assert operations.post(URL, again).status_code == 201, "a decided one is out of the way"
    assert TransferRequest.objects.count() == 3


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (["Winter 2026"], True),
        (["WINTER 2026"], True),
        (["Winter 2026 B"], False),
        (["Winter 2026", "winter 2026"], False),
        ([], False),
    ],
)
def test_a_name_is_a_target_when_one_live_cohort_has_it(operations: Api, names: list[str], known: bool) -> None:
    for name in names:
        cohort(name)
    cohort("Winter 2026", deleted_at=moments.now())
    pk = wish(operations, seated())
    assert (operations.get(f"{URL}{pk}/").json()["target_cohort"] is not None) is known
    answer = operations.post(f"{URL}{pk}/approve/")
    if known:
        assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    else:
        assert (answer.status_code, list(answer.json())) == (400, ["target_cohort"])
        assert operations.get(f"{URL}{pk}/").json()["status"] == "pending"


def test_a_target_that_came_later_or_went_is_looked_for_again(operations: Api) -> None:
    pk = wish(operations, seated())
    first = cohort("Winter 2026")
    TransferRequest.objects.update(target_cohort=first)
    Cohort.objects.filter(pk=first.pk).update(deleted_at=moments.now())
    assert operations.post(f"{URL}{pk}/approve/").status_code == 400
    second = cohort("winter 2026")
    assert operations.post(f"{URL}{pk}/approve/").json()["target_cohort"] == str(second.pk)


def test_approving_moves_the_student(operations: Api) -> None:
    jane = seated()
    old, winter = jane_s_cohort(jane), cohort("Winter 2026")
    enrollment(winter, "Web")
    into = enrollment(winter, "data science")
    pk = wish(operations, jane)
    answer = operations.post(f"{URL}{pk}/approve/")
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["status"], shown["decided_by_name"]) == ("approved", "One of Operations")
    assert shown["effective_date"] == moments.today().isoformat()
    assert shown["decided_at"] == shown["moved_at"] is not None
    assert seats_of(jane) == [("Summer 2025", "transferred"), ("Winter 2026", "active")]
    closed, opened = EnrollmentDetail.objects.order_by("created_at")
    assert moments.iso(closed.closed_at) == shown["moved_at"]
    assert opened.enrollment == into
    jane.refresh_from_db()
    assert (jane.origin_cohort, jane.actual_cohort) == (old, winter)
    assert list(Event.objects.order_by("id").values_list("type", flat=True))[-5:] == [
        "transfer_request.approved",
        "enrollment_detail.transferred",
        "enrollment_detail.created",
        "service.updated",
        "transfer_request.moved",
    ]
    assert answer.content == operations.get(f"{URL}{pk}/").content


def jane_s_cohort(who: Student) -> Cohort | None:
    who.refresh_from_db()
    return who.actual_cohort


def test_without_the_same_pathway_the_student_moves_without_a_seat(operations: Api) -> None:
    jane, winter = seated(), cohort("Winter 2026")
    enrollment(winter, "Web")
    operations.post(f"{URL}{wish(operations, jane)}/approve/")
    assert seats_of(jane) == [("Summer 2025", "transferred")]
    assert jane_s_cohort(jane) == winter


def test_another_target_than_requested_may_be_given(operations: Api) -> None:
    jane, other = seated(), cohort("Spring 2026")
    cohort("Winter 2026")
    pk = wish(operations, jane)
    assert operations.post(f"{URL}{pk}/approve/", {"target_cohort": NOBODY}).json() == {
        "target_cohort": [f'Invalid pk "{NOBODY}" - object does not exist.']
    }
    assert operations.post(f"{URL}{pk}/approve/", {"effective_date": "-"}).status_code == 400
    shown = operations.post(f"{URL}{pk}/approve/", {"target_cohort": str(other.pk)}).json()
    assert (shown["target_cohort_name"], shown["cohort_request"]) == ("Spring 2026", "Winter 2026")
    assert jane_s_cohort(jane) == other


def test_nobody_moves_to_where_they_are(operations: Api) -> None:
    jane = seated()
    pk = wish(operations, jane, "Summer 2025")
    answer = operations.post(f"{URL}{pk}/approve/")
    assert answer.json() == {"target_cohort": ["The student is in this cohort already."]}


def test_deciding_twice_is_a_conflict(operations: Api) -> None:
    cohort("Winter 2026")
    pk = wish(operations, seated())
    operations.post(f"{URL}{pk}/approve/")
    events = Event.objects.count()
    for path, body in (("approve/", {}), ("reject/", {}), ("", {"status": "cancelled"}), ("", {"cohort_request": "A"})):
        send = operations.post if path else operations.patch
        answer = send(f"{URL}{pk}/{path}", body)
        assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (
            409,
            "already_decided",
            "approved",
        )
    assert Event.objects.count() == events


def test_rejecting(operations: Api) -> None:
    jane = seated()
    pk = wish(operations, jane)
    shown = operations.post(f"{URL}{pk}/reject/", {"reason": "No place"}).json()
    assert (shown["status"], shown["reason"], shown["moved_at"]) == ("rejected", "No place", None)
    assert shown["decided_by_name"] == "One of Operations"
    assert seats_of(jane) == [("Summer 2025", "active")]
    assert operations.post(f"{URL}{pk}/approve/").status_code == 409


def test_a_day_to_come_waits_for_the_worker(operations: Api) -> None:
    jane, winter = seated(), cohort("Winter 2026")
    enrollment(winter)
    today, now = moments.today(), moments.now()
    day = today + timedelta(days=3)
    pk = wish(operations, jane)
    shown = operations.post(f"{URL}{pk}/approve/", {"effective_date": day.isoformat()}).json()
    assert (shown["status"], shown["effective_date"], shown["moved_at"]) == ("approved", day.isoformat(), None)
    assert carry_out_due_transfers(today=day - timedelta(days=1), now=now) == 0
    assert seats_of(jane) == [("Summer 2025", "active")]
    assert carry_out_due_transfers(today=day, now=now) == 1
    assert seats_of(jane) == [("Summer 2025", "transferred"), ("Winter 2026", "active")]
    assert jane_s_cohort(jane) == winter
    assert operations.get(f"{URL}{pk}/").json()["moved_at"] == moments.iso(now)
    events = Event.objects.count()
    assert carry_out_due_transfers(today=day, now=now) == 0, "once only"
    assert Event.objects.count() == events


def test_a_worker_that_slept_carries_out_what_is_overdue(operations: Api) -> None:
    for name in ("Jane", "John"):
        pk = wish(operations, seated(name), target_cohort=str(cohort().pk))
        tomorrow = moments.today() + timedelta(days=1)
        operations.post(f"{URL}{pk}/approve/", {"effective_date": tomorrow.isoformat()})
    assert carry_out_due_transfers(today=moments.today() + timedelta(days=9), now=moments.now()) == 2


def test_the_workers_look_for_due_ones_by_the_clock(operations: Api) -> None:
    jane, winter = seated(), cohort("Winter 2026")
    day = moments.today() + timedelta(days=1)
    operations.post(f"{URL}{wish(operations, jane)}/approve/", {"effective_date": day.isoformat()})
    job = next(job for job in jobs.configured() if job.name == "transfers")
    job.run(moments.start_of(day) - timedelta(seconds=1))
    assert jane_s_cohort(jane) != winter
    job.run(moments.start_of(day))
    assert jane_s_cohort(jane) == winter, "from the site's midnight on"


def test_a_deleted_one_is_not_carried_out_until_it_is_restored(operations: Api) -> None:
    jane = seated()
    winter = cohort("Winter 2026")
    pk, day = wish(operations, jane), moments.today() + timedelta(days=1)
    operations.post(f"{URL}{pk}/approve/", {"effective_date": day.isoformat()})
    operations.delete(f"{URL}{pk}/")
    assert carry_out_due_transfers(today=day, now=moments.now()) == 0
    as_("asha").post(f"{URL}{pk}/restore/")
    Student.objects.filter(pk=jane.pk).update(deleted_at=moments.now())
    assert carry_out_due_transfers(today=day, now=moments.now()) == 0, "the student is deleted"
    Student.objects.filter(pk=jane.pk).update(deleted_at=None)
    assert carry_out_due_transfers(today=day, now=moments.now()) == 1
    assert jane_s_cohort(jane) == winter


def test_a_pending_one_may_be_changed(operations: Api) -> None:
    winter = cohort("Winter 2026")
    spring = cohort("Spring 2026")
    pk = wish(operations, seated())
    shown = operations.put(f"{URL}{pk}/", {"cohort_request": "spring 2026", "possible_transfer_date": "2026-03-01"})
    assert (shown.json()["target_cohort"], shown.json()["possible_transfer_date"]) == (str(spring.pk), "2026-03-01")
    shown = operations.patch(f"{URL}{pk}/", {"target_cohort": str(winter.pk)})
    assert (shown.json()["target_cohort"], shown.json()["cohort_request"]) == (str(winter.pk), "spring 2026")
    shown = operations.patch(f"{URL}{pk}/", {"cohort_request": "Autumn"})
    assert shown.json()["target_cohort"] is None, "the old target is not what is wished for now"
    shown = operations.patch(f"{URL}{pk}/", {"possible_transfer_date": ""})
    assert shown.json()["possible_transfer_date"] is None
    events = Event.objects.count()
    assert operations.put(f"{URL}{pk}/", shown.json()).status_code == 200
    assert Event.objects.count() == events, "what is sent back as it is changes nothing"


@pytest.mark.parametrize("status", ["approved", "rejected"])
def test_patch_does_not_decide(operations: Api, status: str) -> None:
    pk = wish(operations, seated())
    answer = operations.patch(f"{URL}{pk}/", {"status": status})
    assert (answer.status_code, list(answer.json())) == (400, ["status"])
    assert operations.patch(f"{URL}{pk}/", {"status": "gone"}).status_code == 400


def test_the_author_may_cancel_and_no_more(instructor: Api) -> None:
    pk = wish(instructor, seated())
    shown = instructor.get(f"{URL}{pk}/").json()
    assert instructor.patch(f"{URL}{pk}/", {"cohort_request": "Other"}).status_code == 403
    assert instructor.post(f"{URL}{pk}/approve/").status_code == 403
    assert instructor.post(f"{URL}{pk}/reject/").status_code == 403
    assert instructor.delete(f"{URL}{pk}/").status_code == 403
    answer = instructor.put(f"{URL}{pk}/", {**shown, "status": "cancelled"})
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled"), answer.content
    assert answer.json()["decided_by_name"] == "One of Instructors"
    assert list(Event.objects.values_list("type", flat=True))[-1] == "transfer_request.cancelled"
    assert instructor.put(f"{URL}{pk}/", answer.json()).status_code == 200
    assert instructor.patch(f"{URL}{pk}/", {"status": "pending"}).status_code == 409


def test_others_cancel_only_with_the_permission(operations: Api, instructor: Api) -> None:
    pk = wish(operations, seated())
    assert instructor.patch(f"{URL}{pk}/", {"status": "cancelled"}).status_code == 403
    pk = wish(instructor, student("John"))
    assert operations.patch(f"{URL}{pk}/", {"status": "cancelled"}).json()["status"] == "cancelled"


def test_filters(operations: Api) -> None:
    jane, winter = student(), cohort("Winter 2026")
    wanted, other = wish(operations, jane), wish(operations, student("John"), "Nowhere")
    operations.post(f"{URL}{other}/reject/")
    for query, due in {
        f"student={jane.pk}": [wanted],
        "status=pending": [wanted],
        "status=rejected": [other],
        f"target_cohort={winter.pk}": [wanted],
    }.items():
        assert [row["id"] for row in operations.get(f"{URL}?{query}").json()] == due, query
    assert len(operations.get(f"{URL}?status=pending,rejected").json()) == 2
    for name in ("student", "status", "target_cohort"):
        assert list(operations.get(f"{URL}?{name}=-").json()) == [name]


def test_deleting_and_restoring(operations: Api) -> None:
    jane, asha = student(), as_("asha")
    pk = wish(operations, jane)
    assert operations.delete(f"{URL}{pk}/").status_code == 204
    assert operations.get(f"{URL}{pk}/").status_code == 404
    second = wish(operations, jane)
    answer = asha.post(f"{URL}{pk}/restore/")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_pending")
    operations.delete(f"{URL}{second}/")
    assert asha.post(f"{URL}{pk}/restore/").json()["id"] == pk
    types = [event["type"] for event in operations.get(f"{URL}{pk}/history/").json()]
    assert types == ["transfer_request.restored", "transfer_request.deleted", "transfer_request.created"]
    operations.delete(f"{URL}{pk}/")
    Student.objects.filter(pk=jane.pk).update(deleted_at=moments.now())
    assert asha.post(f"{URL}{pk}/restore/").json()["code"] == "student_or_cohort_deleted"


@pytest.mark.parametrize(
    ("group", "due"),
    [
        ("Sales", [403, 403, 403, 403, 403, 403]),
        ("Operations", [200, 201, 200, 200, 409, 204]),
        ("Instructors", [200, 201, 403, 403, 403, 403]),
        ("Teacher Assistant", [403, 403, 403, 403, 403, 403]),
        ("Management", [200, 403, 403, 403, 403, 403]),
    ],
)
def test_what_each_group_may(group: str, due: list[int]) -> None:
    cohort("Winter 2026")
    pk = wish(as_("asha"), seated())
    api = member(group)
    answers = [
        api.get(URL),
        api.post(URL, {"student": str(student("John").pk), "cohort_request": "Winter 2026"}),
        api.patch(f"{URL}{pk}/", {"possible_transfer_date": "2026-02-02"}),
        api.post(f"{URL}{pk}/approve/"),
        api.post(f"{URL}{pk}/reject/"),
        api.delete(f"{URL}{pk}/"),
    ]
    assert [answer.status_code for answer in answers] == due


def test_an_author_without_any_permission_left_is_refused() -> None:
    somebody = newcomer("Ines", role="office")
    pk = wish(as_("asha"), seated())
    TransferRequest.objects.update(created_by=somebody)
    assert Api(somebody).patch(f"{URL}{pk}/", {"status": "cancelled"}).status_code == 403


def test_a_target_that_is_sent_along_stays_when_the_name_changes(operations: Api) -> None:
    who, winter = seated(), cohort("Winter 2026")
    pk = wish(operations, who, "Any batch", target_cohort=str(winter.pk))
    answer = operations.patch(f"{URL}{pk}/", {"cohort_request": "Morning batch", "target_cohort": str(winter.pk)})
    assert (answer.status_code, answer.json()["target_cohort"]) == (200, str(winter.pk))


def test_a_target_that_the_old_name_meant_goes_with_it(operations: Api) -> None:
    who, winter, spring = seated(), cohort("Winter 2026"), cohort("Spring 2027")
    pk = wish(operations, who, "Winter 2026")
    whole = operations.get(f"{URL}{pk}/").json()
    assert whole["target_cohort"] == str(winter.pk)
    answer = operations.put(f"{URL}{pk}/", {**whole, "cohort_request": "Spring 2027"})
    assert (answer.status_code, answer.json()["target_cohort"]) == (200, str(spring.pk))


@pytest.mark.parametrize("what", ["student", "client"])
def test_a_move_to_come_whose_cohort_went_meanwhile_is_called_off(operations: Api, what: str) -> None:
    asha, who, winter = as_("asha"), seated(), cohort("Winter 2026")
    pk = wish(operations, who, target_cohort=str(winter.pk))
    day = (moments.today() + timedelta(days=9)).isoformat()
    assert operations.post(f"{URL}{pk}/approve/", {"effective_date": day}).status_code == 200
    gone = f"/api/services/{who.pk}/" if what == "student" else f"/api/clients/{who.client_id}/"
    assert asha.delete(gone + ("" if what == "student" else "?cascade=true")).status_code in (200, 204)
    assert asha.delete(f"/api/cohorts/{winter.pk}/").status_code == 204
    assert asha.post(f"{gone}restore/").status_code == 200
    told = asha.get(f"{URL}{pk}/").json()
    assert (told["status"], told["reason"]) == ("cancelled", "The cohort was deleted meanwhile.")
    assert Event.objects.filter(type="transfer_request.cancelled", subject_id=pk).count() == 1
    assert carry_out_due_transfers(today=moments.today() + timedelta(days=10), now=moments.now()) == 0
