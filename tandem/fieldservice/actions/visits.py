"""Writing visits: book, assign, reschedule, cancel, change. Contract F §4; CONTRACT §3 "Visit".

Locks are taken in one order, the card's row before the visit's. The card's lock is what makes the free-visit rule safe:
no other booking or move of the same machine can use the entitlement between our look and our write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.common.constraints import refused_by
from tandem.common.errors import Conflict, Forbidden, Invalid, NotFound
from tandem.common.moments import DayOrMoment
from tandem.common.reading.statement import VIEWER, Param, Records, StandIn
from tandem.common.writing import insert
from tandem.events.changes import change
from tandem.events.record import record
from tandem.fieldservice.models import Card, Visit
from tandem.fieldservice.models.visit import fixed
from tandem.fieldservice.queries import ACTIVE_WORKER, free_days_of, warranty_of, worker_absent
from tandem.fieldservice.rules import states
from tandem.fieldservice.rules.booking import check_visit_day
from tandem.fieldservice.rules.warranty import Decision, decide, decide_again

# What PATCH may change, by role. A key of another role is refused, anything else is ignored.
CHANGED_BY_ADMIN = frozenset(
    {"description", "service_type", "visit_type", "preferred_date", "preferred_time", "scheduled_at"}
    | {"next_service_date", "assigned_to", "status"}
)
CHANGED_BY_WORKER = frozenset({"status", "description"})
CHANGED_BY_OWNER = frozenset({"preferred_date", "preferred_time", "status", "description"})

# When the last code was asked for stays: it is what keeps the next one a minute away.
NO_CODE = {"otp_hash": "", "otp_expires_at": None, "otp_tries": 0}


class DuplicateVisit(Conflict):
    code = "duplicate_visit"
    message = "This machine has an open visit on that day already. Choose another day, or change that visit."


class WorkerAbsent(Conflict):
    code = "worker_absent"
    message = "This worker is marked absent on that day. Choose another one, or send `force: true`."


class VisitClosed(Conflict):
    code = "visit_closed"
    message = "This visit is closed, so it cannot be changed any more."


class WorkHasBegun(Conflict):
    code = "work_has_begun"
    message = "The work has begun, so only the office can change this visit now. Please call us."


@dataclass(frozen=True)
class Booking:
    """What is asked for. asked: "auto", "free" or "normal" (only an admin's free and normal count).

    scheduled, assigned_to, force: phone-in bookings of an admin only.
    """

    card: int
    preferred_date: date | None
    preferred_time: time | None = None
    description: str = ""
    visit_type: str = "onsite"
    asked: str = "auto"
    scheduled: DayOrMoment | None = None
    assigned_to: int | None = None
    force: bool = False


def book_visit(booking: Booking, *, by: User, now: datetime) -> Visit:
    """Book a visit for a machine that the caller may book for. Five queries, seven with a worker.

    Raises Invalid (on `card` also for somebody else's machine), DuplicateVisit, WorkerAbsent.
    """
    if by.role != Role.ADMIN and (booking.scheduled or booking.assigned_to is not None):
        raise Forbidden("Only an admin may fix the day or the worker of a new visit.")
    day = booking.scheduled.day if booking.scheduled else booking.preferred_date
    if day is None:
        raise Invalid.on("preferred_date", "This field is required.")
    if booking.preferred_date:
        _check_day(DayOrMoment(booking.preferred_date), now, at=booking.preferred_time)
    if booking.scheduled:
        _check_day(booking.scheduled, now, field="scheduled_at", any_time=True)
    with refused_by(Visit, "one_open_visit_per_card_and_day", DuplicateVisit()), transaction.atomic():
        card = _bookable_card(booking.card, by=by)
        decision = decide(
            warranty_of(card),
            free_days=free_days_of(card),
            on=day,
            asked=booking.asked,
            by_admin=by.role == Role.ADMIN,
        )
        worker = None
        if booking.assigned_to is not None:
            worker = _available_worker(booking.assigned_to, on=day, force=booking.force)
        visit = Visit(
            card=card,
            customer_id=card.customer_id,
            description=booking.description,
            visit_type=booking.visit_type,
            preferred_date=booking.preferred_date or day,
            preferred_time=booking.preferred_time,
            status=states.ASSIGNED if worker else states.SCHEDULED if booking.scheduled else states.PENDING,
            assigned_to=worker,
            requested_by=by,
            created_at=now,
            updated_at=now,
            **_decided(decision),
            **(schedule(booking.scheduled) if booking.scheduled else {}),
        )
        insert(visit)
        after = {
            **{name: getattr(visit, name) for name in ("status", "preferred_date", "service_type")},
            **{"card": card.pk, "scheduled_at": _fixed(visit), "service_type_reason": visit.service_type_reason},
        }
        record("visit.booked", subject=visit, actor=by, at=now, after=after, description=booking.description)
    return visit


def assign_worker(
    visit: Visit, *, to: int, scheduled: DayOrMoment | None = None, force: bool = False, by: User, now: datetime
) -> Visit:
    """Put a named worker on a visit, and fix its day if one is given. A pending code becomes void. ≤ 7 queries.

    Raises Invalid on `assigned_to` and `scheduled_at`, WorkerAbsent, InvalidTransition, DuplicateVisit.
    """
    if scheduled:
        _check_day(scheduled, now, field="scheduled_at", any_time=True)
    with refused_by(Visit, "one_open_visit_per_card_and_day", DuplicateVisit()), transaction.atomic():
        card, visit = _locked(visit, by=by)
        values: dict[str, Any] = {"status": states.move(visit.status, states.ASSIGNED), **NO_CODE}
        if scheduled:
            values |= schedule(scheduled) | _decided_again(card, visit, on=scheduled.day, by=by)
        values["assigned_to"] = _available_worker(to, on=scheduled.day if scheduled else visit.day, force=force)
        return _write(visit, values, "visit.assigned", by=by, now=now, forced=force)


def reschedule_visit(visit: Visit, *, to: DayOrMoment, by: User, now: datetime) -> Visit:
    """Fix another day. Owner (until the work has begun) or admin. Five queries, one more once it has begun.

    Raises Invalid on `scheduled_at`, WorkHasBegun, InvalidTransition, DuplicateVisit.
    """
    _check_day(to, now, field="scheduled_at")
    with refused_by(Visit, "one_open_visit_per_card_and_day", DuplicateVisit()), transaction.atomic():
        card, visit = _locked(visit, by=by)
        values = _moved(card, visit, to=to, by=by)
        return _write(visit, values, "visit.rescheduled", by=by, now=now)


def cancel_visit(visit: Visit, *, reason: str = "", by: User, now: datetime) -> Visit:
    """Call a visit off; its free entitlement comes back. Owner (until the work has begun) or admin. Four queries.

    Raises WorkHasBegun and InvalidTransition.
    """
    with transaction.atomic():
        _, visit = _locked(visit, by=by)
        return _write(visit, _cancelled(visit, reason, by=by, now=now), "visit.cancelled", by=by, now=now)


def hand_over(card: Card, *, to: User, by: User, now: datetime) -> list[int]:
    """Give a locked card's open visits to its new owner; closed ones stay with whom they were made for.

    Gives the ids of those whose pending code became void: it went to the old owner's phone. They stay `awaiting_otp`:
    the work is done, and the worker asks for another code. One query, and two for each visit.
    """
    voided = []
    for visit in _locked_open(card=card):
        if visit.otp_hash:
            voided.append(visit.pk)
            _write(visit, {"customer": to, **NO_CODE}, "visit.code_voided", by=by, now=now)
        else:
            _write(visit, {"customer": to}, "visit.updated", by=by, now=now)
    return voided


def void_codes_of(customer: int, *, by: User | None, now: datetime) -> None:
    """Take back the pending codes of a customer's visits, which went to a phone that is not theirs any more.

    One query, and two for each code.
    """
    for visit in _locked_open(customer=customer):
        if visit.otp_hash:
            _write(visit, NO_CODE, "visit.code_voided", by=by, now=now)


def take_off(worker: int, *, by: User | None, now: datetime) -> None:
    """Take somebody who cannot come any more off the visits that have not begun; others may be found for them.

    What has begun keeps its worker, until an admin completes it or sends another. One query, and two for each visit.
    """
    for visit in _locked_open(assigned_to=worker):
        if visit.status not in states.HAS_BEGUN:
            values = _other_worker(visit, None, on=visit.day, has_day=visit.scheduled_on is not None, force=True)
            _write(visit, values, "visit.unassigned", by=by, now=now)


def _locked_open(**of: Any) -> list[Visit]:
    """All of them are locked, for one may be getting its code, or its worker, at this moment. One query."""
    rows = Visit.objects.open().filter(**of).order_by("pk")
    return list(rows.select_for_update(of=("self",), no_key=True))


def change_visit(visit: Visit, values: Mapping[str, Any], *, by: User, now: datetime) -> Visit:
    """PATCH: what each role may change. values: checked fields that were sent, `scheduled_at` a DayOrMoment; with
    `force`, as for `assign_worker`.

    Raises Forbidden for keys of another role, VisitClosed, and what the single actions raise. Up to nine queries.
    """
    allowed = {Role.ADMIN: CHANGED_BY_ADMIN, Role.WORKER: CHANGED_BY_WORKER}.get(Role(by.role), CHANGED_BY_OWNER)
    foreign = sorted(values.keys() & CHANGED_BY_ADMIN - allowed)
    if foreign:
        raise Forbidden(f"You may not change: {', '.join(foreign)}.")
    with refused_by(Visit, "one_open_visit_per_card_and_day", DuplicateVisit()), transaction.atomic():
        card, visit = _locked(visit, by=by)
        differing = _differing(visit, values)
        if visit.status in states.CLOSED:
            _refuse_changes_of_closed(visit, differing)
            return visit
        facts = {}
        if by.role == Role.ADMIN:
            force = values.get("force", False)
            event, new = _changes_of_admin(card, visit, differing, force=force, by=by, now=now)
            facts = {"forced": force} if event == "visit.assigned" else {}
        elif by.role == Role.WORKER:
            event, new = _changes_of_worker(visit, differing)
        else:
            event, new = _changes_of_owner(card, visit, values, differing, by=by, now=now)
        return _write(visit, new, event, by=by, now=now, **facts)


def _refuse_changes_of_closed(visit: Visit, differing: Mapping[str, Any]) -> None:
    """Raises InvalidTransition for another state, which names both, and VisitClosed for anything else."""
    if "status" in differing:
        states.move(visit.status, differing["status"])
    if differing:
        raise VisitClosed


def _differing(visit: Visit, values: Mapping[str, Any]) -> dict[str, Any]:
    """What is sent with another value than a GET shows: clients send whole objects back, which asks for nothing."""
    shown = {
        "description": visit.description,
        "service_type": visit.service_type,
        "visit_type": visit.visit_type,
        "preferred_date": visit.preferred_date,
        "preferred_time": visit.preferred_time,
        "scheduled_at": _fixed(visit),
        "next_service_date": visit.next_service_date,
        "assigned_to": visit.assigned_to_id,
        "status": visit.status,
    }
    return {name: value for name, value in values.items() if name in shown and value != shown[name]}


def _fixed(visit: Visit) -> DayOrMoment | None:
    return fixed(visit.scheduled_on, visit.scheduled_at, visit.scheduled_has_time)


def _changes_of_worker(visit: Visit, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    new = {name: values[name] for name in ("description",) if name in values}
    if "status" not in values:
        return "visit.updated", new
    if values["status"] != states.IN_PROGRESS:
        raise Forbidden("You may set the status to in_progress only; completing a visit needs the customer's code.")
    new["status"] = states.move_by_hand(visit.status, states.IN_PROGRESS, has_worker=True)
    return "visit.started", new


def _changes_of_owner(
    card: Card, visit: Visit, values: Mapping[str, Any], differing: Mapping[str, Any], *, by: User, now: datetime
) -> tuple[str, dict[str, Any]]:
    """values: all that was sent: whoever asks for another time names the day beside it, even if it is the old one."""
    event, new = "visit.updated", {name: differing[name] for name in ("description",) if name in differing}
    if "status" in differing:
        if differing["status"] != states.CANCELLED:
            raise Forbidden("You may cancel this visit; its other states are the office's.")
        return "visit.cancelled", new | _cancelled(visit, "", by=by, now=now)
    if differing.keys() & {"preferred_date", "preferred_time"}:
        day = values.get("preferred_date", visit.day)
        at = values.get("preferred_time", visit.preferred_time)
        _check_day(DayOrMoment(day), now, at=at)
        when = DayOrMoment(day, moments.at_time(day, at) if at else None)
        new |= _moved(card, visit, to=when, by=by) | {"preferred_date": day, "preferred_time": at}
        event = "visit.rescheduled"
    return event, new


def _changes_of_admin(
    card: Card, visit: Visit, values: Mapping[str, Any], *, force: bool, by: User, now: datetime
) -> tuple[str, dict[str, Any]]:
    """values: those that differ from what is there."""
    event = "visit.updated"
    noted = ("description", "visit_type", "next_service_date", "preferred_date", "preferred_time")
    new = {name: values[name] for name in noted if name in values}
    day = visit.day
    if "preferred_date" in new or "preferred_time" in new:
        asked_for = new.get("preferred_date", visit.preferred_date)
        _check_day(DayOrMoment(asked_for), now, at=new.get("preferred_time", visit.preferred_time))
        if visit.scheduled_on is None:
            day = asked_for
    if "scheduled_at" in values:
        when: DayOrMoment | None = values["scheduled_at"]
        if when is None:
            new |= {"scheduled_on": None, "scheduled_at": None, "scheduled_has_time": False}
            day = new.get("preferred_date", visit.preferred_date)
            if visit.status == states.SCHEDULED and visit.assigned_to_id is not None:
                raise Invalid.on("scheduled_at", "A worker was found for this day. Take the worker off first.")
            if visit.status == states.SCHEDULED:
                new["status"] = states.move(visit.status, states.PENDING)
        else:
            _check_day(when, now, field="scheduled_at", any_time=True)
            new |= {**schedule(when), **_on_another_day(visit, another=values.get("assigned_to"))}
            day, event = when.day, "visit.rescheduled"
    if day != visit.day:
        if visit.status in states.HAS_BEGUN:
            new |= _on_another_day(visit, another=values.get("assigned_to"))
        if visit.assigned_to_id is not None and "assigned_to" not in values:
            _refuse_absent(visit.assigned_to_id, on=day, force=force)
        new |= _decided_again(card, visit, on=day, by=by)
        event = "visit.rescheduled"
    if "service_type" in values:
        free_days = free_days_of(card, without=visit)
        new |= _decided(
            decide(warranty_of(card), free_days=free_days, on=day, asked=values["service_type"], by_admin=True)
        )
    if "assigned_to" in values:
        fixed = new.get("scheduled_on", visit.scheduled_on)
        new |= _other_worker(visit, values["assigned_to"], on=day, has_day=fixed is not None, force=force)
        event = "visit.assigned" if new["assigned_to"] else "visit.unassigned"
    if "status" in values and values["status"] != new.get("status", visit.status):
        if values["status"] == states.CANCELLED:
            return "visit.cancelled", new | _cancelled(visit, "", by=by, now=now)
        has_worker = new.get("assigned_to", visit.assigned_to_id) is not None
        new["status"] = states.move_by_hand(new.get("status", visit.status), values["status"], has_worker=has_worker)
        if new["status"] == states.SCHEDULED and new.get("scheduled_on", visit.scheduled_on) is None:
            new |= schedule(DayOrMoment(day))
        event = "visit.started" if new["status"] == states.IN_PROGRESS else event
    return event, new


def _other_worker(visit: Visit, worker: int | None, *, on: date, has_day: bool, force: bool) -> dict[str, Any]:
    if worker is None:
        return {"assigned_to": None, "status": states.after_worker_left(visit.status, has_day=has_day), **NO_CODE}
    status = states.move(visit.status, states.ASSIGNED)
    return {"assigned_to": _available_worker(worker, on=on, force=force), "status": status, **NO_CODE}


def _moved(card: Card, visit: Visit, *, to: DayOrMoment, by: User) -> dict[str, Any]:
    _owner_still_may(visit, by=by)
    return {**schedule(to), **_on_another_day(visit), **_decided_again(card, visit, on=to.day, by=by)}


def _on_another_day(visit: Visit, *, another: int | None = None) -> dict[str, Any]:
    """What had begun has not on another day. another: who is sent instead.

    Raises InvalidTransition when who had begun it has left (see `take_off`): nobody would come then.
    """
    worker, has_begun = visit.assigned_to_id, visit.status in states.HAS_BEGUN
    if worker is not None and another is None and has_begun and not _active_worker(worker).exists():
        hint = "Its worker has left. Send another one first."
        raise states.InvalidTransition(visit.status, states.ASSIGNED, hint)
    return {"status": states.after_reschedule(visit.status, has_worker=worker is not None), **NO_CODE}


def _cancelled(visit: Visit, reason: str, *, by: User, now: datetime) -> dict[str, Any]:
    status = states.move(visit.status, states.CANCELLED)
    _owner_still_may(visit, by=by)
    return {"status": status, "cancelled_at": now, "cancel_reason": reason, **NO_CODE}


def _owner_still_may(visit: Visit, *, by: User) -> None:
    if by.role != Role.ADMIN and visit.status in states.HAS_BEGUN:
        raise WorkHasBegun


def _locked(visit: Visit, *, by: User) -> tuple[Card, Visit]:
    card = Card.objects.select_for_update(of=("self",), no_key=True).get(pk=visit.card_id)
    return card, locked_visit(visit, by=by)


def locked_visit(visit: Visit, *, by: User) -> Visit:
    """The visit under its row's lock, still the caller's: another worker may have got it meanwhile, or the machine
    another owner. Raises NotFound. One query.
    """
    locked = Visit.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=visit.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _write(
    visit: Visit, values: Mapping[str, Any], event: str, *, by: User | None, now: datetime, **facts: Any
) -> Visit:
    before, after = change(visit, at=now, **values)
    if after:
        record(event, subject=visit, actor=by, at=now, before=before, after=after, **facts)
    return visit


def _bookable_card(pk: int, *, by: User) -> Card:
    card = _bookable(by.role).first(pk=pk, **{VIEWER: by.pk})
    if card is None:
        raise Invalid.unknown("card", pk)
    return card


@cache
def _bookable(role: str) -> Records[Card]:
    return Records(
        Card.objects.visible_to(StandIn(role)).select_for_update(of=("self",), no_key=True).filter(pk=Param("pk"))
    )


def _active_worker(pk: int) -> QuerySet[User]:
    return User.objects.filter(ACTIVE_WORKER, pk=pk)


def _available_worker(pk: int, *, on: date, force: bool) -> User:
    worker = _active_worker(pk).first()
    if worker is None:
        raise Invalid.on("assigned_to", "This is not an active worker.")
    _refuse_absent(worker.pk, on=on, force=force)
    return worker


def _refuse_absent(worker: int, *, on: date, force: bool) -> None:
    if not force and worker_absent(worker, on=on):
        raise WorkerAbsent(worker=worker, date=on.isoformat())


def schedule(when: DayOrMoment) -> dict[str, Any]:
    """The fields that fix a visit's day: a day without a time is kept as the site's midnight."""
    return {
        "scheduled_on": when.day,
        "scheduled_at": when.moment or moments.start_of(when.day),
        "scheduled_has_time": when.moment is not None,
    }


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "service_type": decision.service_type,
        "service_type_reason": decision.reason,
        "service_type_forced": decision.forced,
    }


def _decided_again(card: Card, visit: Visit, *, on: date, by: User) -> dict[str, Any]:
    before = Decision(visit.service_type, visit.service_type_reason, visit.service_type_forced)
    free_days = free_days_of(card, without=visit)
    again = decide_again(before, warranty_of(card), free_days=free_days, on=on, by_admin=by.role == Role.ADMIN)
    return _decided(again)


def _check_day(
    when: DayOrMoment, now: datetime, *, at: time | None = None, field: str | None = None, any_time: bool = False
) -> None:
    """any_time: an admin may fix a time of today that is past already, to note down what was agreed."""
    here = now.astimezone(moments.site_zone())
    if when.moment is not None and not any_time:
        at = when.moment.astimezone(moments.site_zone()).time()
    check_visit_day(
        when.day,
        at,
        today=here.date(),
        clock=here.time(),
        window_days=settings.CRM_BOOKING_WINDOW_DAYS,
        day_field=field or "preferred_date",
        time_field=field or "preferred_time",
    )
