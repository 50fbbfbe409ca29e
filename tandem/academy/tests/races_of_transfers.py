"""What is raced in test_races_of_transfers.py; see tests/racing.py."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from tandem.academy.actions.enrollments import delete_enrollment, enroll
from tandem.academy.actions.students import delete_student, restore_student
from tandem.academy.actions.transfers import approve_transfer, carry_out_due_transfers, create_transfer
from tandem.academy.models import EnrollmentDetail, Student, TransferRequest
from tandem.academy.tests.teaching import cohort, enrollment, student
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import Api, as_, person
from tests.racing import Scenario


def _post(api: Api, path: str, body: Any = None) -> list[Any]:
    answer = api.post(path, body)
    return [answer.status_code, answer.json().get("code")]


def _told() -> dict[str, int]:
    return dict(sorted(Counter(Event.objects.values_list("type", flat=True)).items()))


def _seats() -> list[list[str]]:
    rows = EnrollmentDetail.objects.values_list("enrollment__cohort__name_cohort", "status")
    return sorted(list(row) for row in rows)


def one_seat() -> Scenario:
    body = {"student": str(student().pk), "enrollment": str(enrollment().pk)}
    asha = as_("asha")
    answers = yield lambda n: _post(asha, "/api/enrollment-details/", body)
    return {"answers": sorted(answers), "seats": _seats(), "events": _told()}


def seats_while_it_is_saved() -> Scenario:
    into, asha = enrollment(), as_("asha")
    path, students = (
        f"/api/enrollments/{into.pk}/",
        [[str(student(f"S{n} {i}").pk) for i in range(8)] for n in range(8)],
    )
    whole = asha.get(path).json()

    def act(n: int) -> list[int]:
        if n % 2:
            return [asha.put(path, {**whole, "pathway_name": f"{n} {i}"}).status_code for i in range(8)]
        bodies = [{"student": pk, "enrollment": str(into.pk)} for pk in students[n]]
        return [asha.post("/api/enrollment-details/", body).status_code for body in bodies]

    answers = yield act
    return {"statuses": sorted({status for some in answers for status in some}), "seats": len(_seats())}


def different_seats() -> Scenario:
    jane, asha = student(), as_("asha")
    into = [str(enrollment(cohort(f"Cohort {n}")).pk) for n in range(8)]
    answers = yield lambda n: _post(asha, "/api/enrollment-details/", {"student": str(jane.pk), "enrollment": into[n]})
    jane.refresh_from_db()
    by_time = EnrollmentDetail.objects.order_by("created_at", "id").select_related("enrollment")
    moves = list(Event.objects.filter(type="service.updated").order_by("id"))
    return {
        "statuses": [status for status, _ in answers],
        "first_told": moves[0].after["origin_cohort"] == str(jane.origin_cohort_id),
        "last_told": moves[-1].after["actual_cohort"] == str(jane.actual_cohort_id),
        "origins_told": sum("origin_cohort" in event.after for event in moves),
        "seats": by_time.count(),
    }


def _wish(day: Any = None) -> TransferRequest:
    """A request that would move a seated student."""
    by, now = person("asha"), moments.now()
    jane = student(f"Student {Student.objects.count()}")
    winter = cohort("Winter")
    enrollment(winter)
    enroll(jane.pk, enrollment(cohort("Summer")).pk, by=by, now=now)
    wished = {"student": jane.pk, "cohort_request": "", "target_cohort": winter.pk}
    request = create_transfer(wished, by=by, now=now)
    if day is not None:
        approve_transfer(request, effective_on=day, by=by, today=moments.today(), now=now)
    return request


def two_approvals() -> Scenario:
    request, asha = _wish(), as_("asha")
    answers = yield lambda n: _post(asha, f"/api/transfer-requests/{request.pk}/approve/")
    return {"answers": sorted(answers), "seats": _seats(), "events": _told()}


def approve_or_reject() -> Scenario:
    request, asha = _wish(), as_("asha")
    answers = yield lambda n: _post(asha, f"/api/transfer-requests/{request.pk}/{('approve', 'reject')[n % 2]}/")
    request.refresh_from_db()
    moved = request.moved_at is not None
    return {
        "answers": sorted(answers),
        "consistent": moved == (request.status == "approved") == (len(_seats()) == 2),
    }


def two_requests() -> Scenario:
    asha, body = as_("asha"), {"student": str(student().pk), "cohort_request": "Winter"}
    answers = yield lambda n: _post(asha, "/api/transfer-requests/", body)
    return {"answers": sorted(answers), "stored": TransferRequest.objects.count()}


def several_workers() -> Scenario:
    day = moments.today() + timedelta(days=1)
    for _ in range(5):
        _wish(day)
    moved = yield lambda n: carry_out_due_transfers(today=day, now=moments.now())
    told = _told()
    return {
        "moved": sum(moved),
        "told": [told["transfer_request.moved"], told["enrollment_detail.transferred"]],
        "seats": dict(Counter(" ".join(seat) for seat in _seats())),
    }


def seat_or_delete() -> Scenario:
    """A seat and the deletion of its enrollment: never a seat in what is gone."""
    asha, jane, into = as_("asha"), student(), enrollment()

    def act(n: int) -> int:
        if n == 0:
            return int(asha.delete(f"/api/enrollments/{into.pk}/").status_code)
        body = {"student": str(jane.pk), "enrollment": str(into.pk)}
        return int(asha.post("/api/enrollment-details/", body).status_code)

    answers = yield act
    into.refresh_from_db()
    return {"answers": answers, "gone": into.deleted_at is not None, "seats": len(_seats())}


def back_or_delete() -> Scenario:
    """A student comes back while the enrollment, in which nobody is seen, is deleted and that not yet committed."""
    jane, into, by, now = student(), enrollment(), person("asha"), moments.now()
    enroll(jane.pk, into.pk, by=by, now=now)
    delete_student(jane, by=by, now=now)
    deleted = 7_264_633_777  # an advisory lock, held by who has deleted

    def delete() -> None:
        with transaction.atomic():
            delete_enrollment(into, by=by, now=now)
            _ask("SELECT pg_advisory_xact_lock(%s)", deleted)
            while not (_ask(_WAITING) or Student.objects.live().exists()):
                pass

    def come_back() -> None:
        while not _ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", deleted % 2**32):
            pass
        restore_student(jane, by=by, now=now)

    yield lambda n: (delete, come_back)[n]()
    jane.refresh_from_db()
    return {"placed": jane.actual_cohort_id is not None, "seats": EnrollmentDetail.objects.live().count()}


_WAITING = """SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database() AND locktype = 'transactionid' AND NOT granted"""


def _ask(sql: str, *parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(sql, parameters)
        return cursor.fetchone()[0]
