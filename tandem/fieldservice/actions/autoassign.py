"""Auto-assign: giving the waiting visits of a day to workers. Contract F §9; CONTRACT §3 "Auto-assign".

The planner (rules/assignment.py) may take seconds for a large company, and nothing slow happens inside a transaction.
So a run reads the situation, plans without holding anything, and then takes the run lock, reads the situation again
and writes only if nothing has changed; else it plans anew. After a few such tries it plans under the lock.

Two runs at once therefore come one after the other: the second one finds the visits given away and the workers' day
fuller. Each visit is written by compare-and-set besides, because whoever assigns or moves a visit by hand does not take
the run lock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.constraints import refused_by
from tandem.common.moments import DayOrMoment
from tandem.events.models import Event
from tandem.events.record import new_event, record_all
from tandem.fieldservice.actions.visits import DuplicateVisit, schedule
from tandem.fieldservice.models import Attendance, AttendanceStatus, Card, Visit, VisitStatus
from tandem.fieldservice.queries import ACTIVE_WORKER, free_days_of_cards, warranty_of
from tandem.fieldservice.rules import assignment, states
from tandem.fieldservice.rules.assignment import Assigned, Job, Plan, Skipped, Worker
from tandem.fieldservice.rules.warranty import FREE, Decision, decide_again

WAITING = (VisitStatus.PENDING, VisitStatus.SCHEDULED)

# How often a run plans before it plans under the lock, where nothing can change any more.
TRIES_WITHOUT_LOCK = 3

# PostgreSQL's advisory locks are numbers; this one is "tndm" and a running number, nobody else's.
_RUN_LOCK = 0x746E646D_0001

CLASH = "This machine has another open visit on that day."
CHANGED = "Somebody changed this visit at the same moment."


@dataclass(frozen=True)
class GivenVisit:
    """A visit that a run gave to a worker (would give, in a dry run), with the day or moment that it fixed."""

    visit_id: int
    worker_id: int
    worker_name: str
    when: DayOrMoment
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    assigned: tuple[GivenVisit, ...]
    skipped: tuple[Skipped, ...]
    dry_run: bool


@dataclass(frozen=True)
class _Waiting:
    """A visit without a worker, as the run found it. clashes: the planned day has an open visit of its machine."""

    pk: int
    card: int
    region: str
    day: date
    status: str
    created_at: datetime
    updated_at: datetime
    preferred_time: time | None
    scheduled_on: date | None
    scheduled_at: datetime | None
    scheduled_has_time: bool
    service_type_reason: str
    clashes: bool


@dataclass(frozen=True)
class _Situation:
    """All that a plan depends on; equal situations have equal plans. known_by: card → worker → completed visits."""

    visits: tuple[_Waiting, ...]
    workers: tuple[Worker, ...]
    known_by: dict[int, dict[int, int]]


def plan_day(*, on: date, region: str | None = None, dry_run: bool = False, by: User | None, now: datetime) -> Run:
    """Give the waiting visits of a day, and those that are overdue, to workers. Overdue ones move to that day.

    on: today or later, for whoever calls. region: only visits there. by: None when the product runs it by itself.
    Three queries for a dry run. Else nine at least, whatever the number of visits, and two for each visit that is
    given away (four when it moves to another day).
    """
    found = _situation(on, region, today=moments.day_of(now))
    plan = _plan(found, on)
    if dry_run:
        return _run(found, plan, on, now=now, dry_run=True)
    for tries_left in range(TRIES_WITHOUT_LOCK, -1, -1):
        with transaction.atomic():
            _one_run_at_a_time()
            _lock_workers()
            present = _situation(on, region, today=moments.day_of(now))
            if present != found and not tries_left:
                found, plan = present, _plan(present, on)
            if present == found:
                return _write(_run(found, plan, on, now=now), found, on, by=by, now=now)
        found, plan = present, _plan(present, on)
    raise AssertionError("the last try plans what it writes")


# --- the situation ---------------------------------------------------------------------------------------------------
def _situation(on: date, region: str | None, *, today: date) -> _Situation:
    """Three queries."""
    # The first condition on the day follows from the second; an index can be searched by it.
    that_day_or_overdue = Q(day__lte=on) & (Q(day=on) | Q(day__lt=today))
    waiting = Visit.objects.filter(that_day_or_overdue, status__in=WAITING, assigned_to=None)
    return _Situation(_visits(waiting, on, region), _workers(on), _known_by(waiting))


def _visits(waiting: QuerySet[Any, Any], on: date, region: str | None) -> tuple[_Waiting, ...]:
    others = Visit.objects.open().filter(card=OuterRef("card"), day=on).exclude(pk=OuterRef("pk"))
    rows = waiting.annotate(clashes=Exists(others)).order_by("day", "created_at", "pk")
    columns = ("pk", "card", "card__region", "day", "status", "created_at", "updated_at", "preferred_time")
    changed = ("scheduled_on", "scheduled_at", "scheduled_has_time", "service_type_reason")
    found = [_Waiting(*row) for row in rows.values_list(*columns, *changed, "clashes")]
    if region:
        found = [visit for visit in found if assignment.same_region(visit.region, region)]
    taken: set[int] = set()
    for n, visit in enumerate(found):
        if visit.day != on and visit.card in taken:
            found[n] = replace(visit, clashes=True)
        taken.add(visit.card)
    return tuple(found)


def _workers(on: date) -> tuple[Worker, ...]:
    """What a worker has done already on that day counts as much as what is still open."""
    that_day = Visit.objects.filter(assigned_to=OuterRef("pk"), day=on).exclude(status=VisitStatus.CANCELLED)
    load = that_day.order_by().values("assigned_to").annotate(visits=Count("pk")).values("visits")
    absent = Attendance.objects.filter(user=OuterRef("pk"), date=on, status=AttendanceStatus.ABSENT)
    rows = _active_workers().annotate(load=Coalesce(Subquery(load), Value(0)), absent=Exists(absent))
    most = settings.CRM_MAX_VISITS_PER_DAY
    return tuple(
        Worker(pk, name, region, free_slots=max(0, most - load), booked_today=load, is_absent=absent)
        for pk, name, region, load, absent in rows.values_list("pk", "name", "region", "load", "absent")
    )


def _known_by(waiting: QuerySet[Any, Any]) -> dict[int, dict[int, int]]:
    done = Visit.objects.filter(card__in=waiting.values("card"), status=VisitStatus.COMPLETED)
    counts = done.exclude(assigned_to=None).order_by().values_list("card", "assigned_to").annotate(visits=Count("pk"))
    known: dict[int, dict[int, int]] = {}
    for card, worker, visits in counts:
        known.setdefault(card, {})[worker] = visits
    return known


def _active_workers() -> QuerySet[Any, Any]:
    return User.objects.filter(ACTIVE_WORKER).order_by("pk")


def _one_run_at_a_time() -> None:
    """Wait for another run to end, and hold the next one up until this transaction ends.

    On SQLite the transaction itself does that: it began with the only write lock there is.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_RUN_LOCK])


def _lock_workers() -> None:
    """Marking absent and deactivating wait: they come before this look at the workers, or see the visits given."""
    list(_active_workers().select_for_update(no_key=True).values_list("pk"))


# --- the plan --------------------------------------------------------------------------------------------------------
def _plan(found: _Situation, on: date) -> Plan:
    jobs = [
        Job(visit.pk, visit.region, visit.day, visit.created_at, found.known_by.get(visit.card, {}))
        for visit in found.visits
        if not _clashes(visit, on)
    ]
    return assignment.plan_day(jobs, found.workers, on=on)


def _clashes(visit: _Waiting, on: date) -> bool:
    return visit.clashes and visit.day != on


def _run(found: _Situation, plan: Plan, on: date, *, now: datetime, dry_run: bool = False) -> Run:
    visits = {visit.pk: visit for visit in found.visits}
    clashes = tuple(Skipped(visit.pk, CLASH) for visit in found.visits if _clashes(visit, on))
    given = tuple(_given(one, visits[one.visit_id], on, now=now) for one in plan.assigned)
    return Run(given, plan.skipped + clashes, dry_run)


def _given(one: Assigned, visit: _Waiting, on: date, *, now: datetime) -> GivenVisit:
    return GivenVisit(one.visit_id, one.worker_id, one.worker_name, _when(visit, on, now=now), one.reasons)


def _when(visit: _Waiting, on: date, *, now: datetime) -> DayOrMoment:
    """A time that somebody fixed for that very day stays, else the one fixed or asked for, unless it is past."""
    if visit.scheduled_has_time and visit.scheduled_at is not None:
        if visit.scheduled_on == on:
            return DayOrMoment(on, visit.scheduled_at)
        clock: time | None = visit.scheduled_at.astimezone(moments.site_zone()).time()
    else:
        clock = visit.preferred_time
    moment = moments.at_time(on, clock) if clock is not None else None
    return DayOrMoment(on, moment if moment is not None and moment >= now else None)


# --- the writes ------------------------------------------------------------------------------------------------------
def _write(run: Run, found: _Situation, on: date, *, by: User | None, now: datetime) -> Run:
    visits = {visit.pk: visit for visit in found.visits}
    goodwill = _goodwill([visits[given.visit_id] for given in run.assigned], on)
    done: list[GivenVisit] = []
    skipped: list[Skipped] = list(run.skipped)
    events: list[Event] = []
    for given in run.assigned:
        before = visits[given.visit_id]
        changed = schedule(given.when) | {"status": states.move(before.status, states.SCHEDULED)}
        changed |= goodwill.get(given.visit_id, {})
        written = _give(given, before, changed, by=by, now=now)
        if isinstance(written, Event):
            done.append(given)
            events.append(written)
        else:
            skipped.append(Skipped(given.visit_id, written))
    record_all(events)
    return Run(tuple(done), tuple(skipped), dry_run=False)


def _give(
    given: GivenVisit, before: _Waiting, changed: dict[str, Any], *, by: User | None, now: datetime
) -> Event | str:
    """Write one visit and give its event, or the reason why not: it is not any more what the plan was made for."""
    same = Visit.objects.filter(
        pk=before.pk, assigned_to=None, status=before.status, day=before.day, updated_at=before.updated_at
    )
    new = {**changed, "assigned_to": given.worker_id}
    if before.day == given.when.day:
        written = same.update(updated_at=now, **new)
    else:
        try:
            with refused_by(Visit, "one_open_visit_per_card_and_day", DuplicateVisit()), transaction.atomic():
                written = same.update(updated_at=now, **new)
        except DuplicateVisit:
            return CLASH
    if not written:
        return CHANGED
    old = {"assigned_to": None, **{name: getattr(before, name) for name in new if hasattr(before, name)}}
    before_told, after_told = Visit.telling.sides(
        {name: value for name, value in old.items() if value != new[name]},
        {name: value for name, value in new.items() if name not in old or value != old[name]},
        same=lambda column: getattr(before, column),
    )
    return new_event(
        "visit.scheduled",
        subject=Visit(pk=before.pk),
        actor=by,
        at=now,
        before=before_told,
        after=after_told,
        reasons=given.reasons,
    )


def _goodwill(visits: list[_Waiting], on: date) -> dict[int, dict[str, Any]]:
    """Free visits that move to a day which the rule would charge: they stay free, as goodwill. Visit id → fields.

    Nothing else is decided anew. The cards' locks keep bookings out that would use the same entitlement. Two queries.
    """
    moved = {visit.card: visit.pk for visit in visits if visit.day != on}
    if not moved:
        return {}
    cards = list(Card.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=moved).order_by("pk"))
    free_days = free_days_of_cards(moved)
    found: dict[int, dict[str, Any]] = {}
    for card in cards:
        pk = moved[card.pk]
        mine = free_days.get(card.pk, {})
        if pk not in mine or not mine[pk].by_rule:
            continue
        others = [day for visit, day in mine.items() if visit != pk]
        before = Decision(FREE, "")
        again = decide_again(before, warranty_of(card), free_days=others, on=on, by_admin=True)
        if again.forced:
            found[pk] = {"service_type_forced": True, "service_type_reason": again.reason}
    return found
