"""Writing transfer requests, and carrying them out. Contract A §10; CONTRACT §4 "Transfers".

The order of locks is that of enrollments.py: request, student, cohort, enrollments, seats.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tandem.academy.actions.enrollments import locked_cohort, locked_student, open_seat, place_student, seats_of
from tandem.academy.actions.records import delete_record, lock, restore_record
from tandem.academy.models import Cohort, DetailStatus, Enrollment, Student, TransferRequest, TransferStatus
from tandem.academy.rules.transfers import Offer, Seat, move_to, only_cohort_called
from tandem.accounts.models import User
from tandem.common.constraints import refused_by
from tandem.common.errors import Conflict, Forbidden, Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import record


class AlreadyPending(Conflict):
    code = "already_pending"
    message = "This student has a transfer request that is not decided yet. Change or cancel that one."


class AlreadyDecided(Conflict):
    code = "already_decided"
    message = "This transfer request is decided."


class TransferOfDeleted(Conflict):
    code = "student_or_cohort_deleted"
    message = "The student or the cohort of this transfer request is deleted. Restore that first."


def create_transfer(values: Mapping[str, Any], *, by: User, now: datetime) -> TransferRequest:
    """Store a wish. values: checked fields, `student` and `target_cohort` ids. Raises Invalid and AlreadyPending.

    Without a target, the only live cohort of the requested name is the target; without a name, the target's is taken.
    """
    with _one_pending(), transaction.atomic():
        student = locked_student(values["student"])
        name, target = _wished(values.get("cohort_request") or "", values.get("target_cohort"))
        request = TransferRequest(
            id=uuid.uuid4(),
            student=student,
            cohort_request=name,
            target_cohort_id=target,
            possible_transfer_date=values.get("possible_transfer_date"),
            created_by=by,
            created_at=now,
            updated_at=now,
        )
        request.save(force_insert=True)
        after = {name: value for name, value in values.items() if value is not None}
        record("transfer_request.created", subject=request, actor=by, at=now, after=after | {"target_cohort": target})
    return request


def change_transfer(
    request: TransferRequest, values: Mapping[str, Any], *, by: User, may_change: bool, now: datetime
) -> None:
    """Change or cancel a request that is not decided. may_change: holds the permission; its author may cancel only.

    What is sent back as it is changes nothing, whoever sends it. Raises Forbidden, Invalid, AlreadyDecided and
    AlreadyPending.
    """
    with _one_pending(), transaction.atomic():
        locked = lock(TransferRequest, request.pk)
        given = {name: value for name, value in values.items() if value != _stored(locked, name)}
        status = given.pop("status", None)
        if not may_change and (given or locked.created_by_id != by.pk):
            raise Forbidden
        if status is None and not given:
            return
        if locked.status != TransferStatus.PENDING:
            raise AlreadyDecided(status=locked.status)
        if status is not None and status != TransferStatus.CANCELLED:
            raise Invalid.on("status", "Requests are decided by POST to approve/ or reject/; here they are cancelled.")
        if "student" in given:
            given["student_id"] = locked_student(given.pop("student")).pk
        if "cohort_request" in given or "target_cohort" in given:
            name = given.get("cohort_request", locked.cohort_request) or ""
            target = given.pop("target_cohort") if "target_cohort" in given else _kept_target(locked, values)
            given["cohort_request"], given["target_cohort_id"] = _wished(name, target)
        if status is not None:
            given |= {"status": status, "decided_by": by, "decided_at": now}
        before, after = change(locked, at=now, **given)
        event = "updated" if status is None else "cancelled"
        record(f"transfer_request.{event}", subject=locked, actor=by, at=now, before=before, after=after)


def approve_transfer(
    request: TransferRequest,
    *,
    target_cohort: UUID | None = None,
    effective_on: date | None = None,
    by: User,
    today: date,
    now: datetime,
) -> None:
    """Approve a request. The student moves at once, or on a day to come, by `carry_out_due_transfers`.

    target_cohort: another one than requested. effective_on: today when left out. Raises AlreadyDecided, and Invalid on
    `target_cohort` when it is not known where to.
    """
    with transaction.atomic():
        locked = _undecided(request)
        student = locked_student(locked.student_id)
        target = locked_cohort(target_cohort or _target_of(locked), field="target_cohort")
        if target.pk == student.actual_cohort_id:
            raise Invalid.on("target_cohort", "The student is in this cohort already.")
        decided = {
            "status": TransferStatus.APPROVED,
            "target_cohort": target,
            "effective_date": effective_on or today,
            "decided_by": by,
            "decided_at": now,
        }
        before, after = change(locked, at=now, **decided)
        record("transfer_request.approved", subject=locked, actor=by, at=now, before=before, after=after)
        if effective_on is None or effective_on <= today:
            _carry_out(locked, student, target, by=by, now=now)


def reject_transfer(request: TransferRequest, *, reason: str = "", by: User, now: datetime) -> None:
    """Raises AlreadyDecided. Three queries."""
    with transaction.atomic():
        locked = _undecided(request)
        decided = {"status": TransferStatus.REJECTED, "reason": reason, "decided_by": by, "decided_at": now}
        before, after = change(locked, at=now, **decided)
        record("transfer_request.rejected", subject=locked, actor=by, at=now, before=before, after=after)


def delete_transfer(request: TransferRequest, *, by: User, now: datetime) -> None:
    """Take a request out of every list; one that is approved for a day to come will not be carried out."""
    with transaction.atomic():
        delete_record("transfer_request", lock(TransferRequest, request.pk), by=by, now=now)


def restore_transfer(request: TransferRequest, *, by: User, now: datetime) -> None:
    """Raises AlreadyPending, and TransferOfDeleted when it could not be carried out any more."""
    with _one_pending(), transaction.atomic():
        locked = TransferRequest.objects.select_for_update(of=("self",), no_key=True).get(pk=request.pk)
        if locked.deleted_at is None:
            return
        try:
            lock(Student, locked.student_id)
            if locked.status == TransferStatus.APPROVED and locked.moved_at is None:
                lock(Cohort, locked.target_cohort_id)
        except NotFound:
            raise TransferOfDeleted from None
        restore_record("transfer_request", locked, by=by, now=now)


def carry_out_due_transfers(*, today: date, now: datetime) -> int:
    """Move the students of approved requests whose day has come; gives how many. Each in a transaction of its own.

    Any number of workers may be at it: whoever holds a request's row carries it out, the others pass on. Those of
    deleted students wait until the student is restored.
    """
    to_come = TransferRequest.objects.live().filter(status=TransferStatus.APPROVED, moved_at=None)
    due = to_come.filter(effective_date__lte=today)
    moved = 0
    for pk in due.order_by("effective_date", "decided_at", "id").values_list("pk", flat=True):
        with transaction.atomic():
            locked = due.select_for_update(of=("self",), no_key=True).filter(pk=pk).first()
            if locked is None:
                continue
            try:
                student, target = lock(Student, locked.student_id), lock(Cohort, locked.target_cohort_id)
            except NotFound:
                continue
            _carry_out(locked, student, target, by=locked.decided_by, now=now)
            moved += 1
    return moved


def call_off_impossible(student: Student, *, by: User, now: datetime) -> None:
    """Cancel the approved moves to come of a student who has just come back, where their cohort is deleted by now.

    The student's row is locked. Nobody who holds such a request waits for it: those who look for the student look for
    a live one. One query, and two for each that is cancelled.
    """
    to_come = TransferRequest.objects.live().filter(student=student, status=TransferStatus.APPROVED, moved_at=None)
    gone = to_come.exclude(target_cohort__deleted_at=None)
    for request in gone.select_for_update(of=("self",), no_key=True).order_by("pk"):
        status, reason = TransferStatus.CANCELLED, "The cohort was deleted meanwhile."
        before, after = change(request, at=now, status=status, reason=reason, decided_by=by, decided_at=now)
        record("transfer_request.cancelled", subject=request, actor=by, at=now, before=before, after=after)


def _carry_out(request: TransferRequest, student: Student, target: Cohort, *, by: User | None, now: datetime) -> None:
    """Move a student; request, student and cohort are locked. Two queries for each seat that closes or opens."""
    seats = {seat.pk: seat for seat in seats_of(student).select_related("enrollment").reverse()}
    offers = {}
    if seats:
        taught = Enrollment.objects.live().filter(cohort=target).order_by("created_at", "id")
        offers = {offer.pk: offer for offer in taught.select_for_update(of=("self",), no_key=True)}
    plan = move_to(
        target.pk,
        seats=[Seat(pk, seat.enrollment.cohort_id, seat.enrollment.pathway_name) for pk, seat in seats.items()],
        offers=[Offer(pk, offer.pathway_name) for pk, offer in offers.items()],
    )
    for pk in plan.closes:
        before, after = change(seats[pk], at=now, status=DetailStatus.TRANSFERRED, closed_at=now)
        record("enrollment_detail.transferred", subject=seats[pk], actor=by, at=now, before=before, after=after)
    for pk in plan.opens:
        open_seat(student, offers[pk], by=by, now=now)
    place_student(student, {"actual_cohort": target}, by=by, now=now)
    before, after = change(request, at=now, moved_at=now)
    record("transfer_request.moved", subject=request, actor=by, at=now, before=before, after=after)


def _undecided(request: TransferRequest) -> TransferRequest:
    locked = lock(TransferRequest, request.pk)
    if locked.status != TransferStatus.PENDING:
        raise AlreadyDecided(status=locked.status)
    return locked


def _one_pending() -> Any:
    return refused_by(TransferRequest, "one_pending_transfer_per_student", AlreadyPending())


def _stored(locked: TransferRequest, name: str) -> Any:
    return getattr(locked, f"{name}_id" if name in ("student", "target_cohort") else name)


def _kept_target(locked: TransferRequest, values: Mapping[str, Any]) -> UUID | None:
    """The target of a request whose name changes. A new name alone means another cohort than the old target; one that
    is sent along as it is stays, unless it only was there because the old name meant it. One query.
    """
    target = locked.target_cohort_id
    if target is None or values.get("target_cohort") != target:
        return None
    return None if only_cohort_called(locked.cohort_request, _live_cohorts()) == target else target


def _wished(name: str, target: UUID | None) -> tuple[str, UUID | None]:
    """The name and the id of the cohort that is wished for, None when it is not clear which. One query."""
    if target is not None:
        cohort = locked_cohort(target, field="target_cohort")
        return name or cohort.name_cohort, cohort.pk
    if not name:
        raise Invalid.on("cohort_request", "Name the cohort.")
    return name, only_cohort_called(name, _live_cohorts())


def _target_of(locked: TransferRequest) -> UUID:
    """Where an approved request leads. Raises Invalid on `target_cohort`."""
    cohorts = dict(_live_cohorts())
    if locked.target_cohort_id in cohorts:
        return locked.target_cohort_id
    found = only_cohort_called(locked.cohort_request, cohorts.items())
    if found is None:
        raise Invalid.on("target_cohort", f'Which cohort is "{locked.cohort_request}"? Give its id.')
    return found


def _live_cohorts() -> list[tuple[UUID, str]]:
    return list(Cohort.objects.live().values_list("pk", "name_cohort"))
