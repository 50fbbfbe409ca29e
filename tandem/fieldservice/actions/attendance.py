"""Marking who is there on a day. Contract F §8; CONTRACT §3 "Attendance"."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from tandem.accounts.models import User
from tandem.common.errors import Invalid
from tandem.events.changes import change
from tandem.events.record import record
from tandem.fieldservice.models import Attendance, AttendanceStatus, Visit
from tandem.fieldservice.queries import ACTIVE_WORKER


@dataclass(frozen=True)
class MarkedDay:
    """affected_visits: ids of the open visits of that day whose worker is marked absent now."""

    marks: tuple[Attendance, ...]
    affected_visits: tuple[int, ...]


def mark_present(worker_id: int, *, on: date, by: User, now: datetime) -> MarkedDay:
    """Mark one worker present. Up to four queries. Raises Invalid on `user`."""
    return _mark({worker_id: AttendanceStatus.PRESENT}, {"user": [worker_id]}, on=on, by=by, now=now)


def mark_absent(worker_id: int, *, on: date, by: User, now: datetime) -> MarkedDay:
    """Mark one worker absent; the visits stay as they are, an admin decides about them. Up to five queries.

    Raises Invalid on `user`.
    """
    return _mark({worker_id: AttendanceStatus.ABSENT}, {"user": [worker_id]}, on=on, by=by, now=now)


def mark_everybody(
    *, present: Collection[int], absent: Collection[int], on: date, by: User, now: datetime
) -> MarkedDay:
    """Mark many workers at once, or nobody when one of them cannot be marked. Three queries, and two for each mark.

    Raises Invalid on `present` or `absent`: somebody in both lists, or somebody who is no active worker.
    """
    both = sorted(set(present) & set(absent))
    if both:
        raise Invalid.on("absent", f"Also in `present`: {_listed(both)}. Nobody can be both.")
    wanted = dict.fromkeys(present, AttendanceStatus.PRESENT) | dict.fromkeys(absent, AttendanceStatus.ABSENT)
    return _mark(wanted, {"present": present, "absent": absent}, on=on, by=by, now=now)


def _mark(
    wanted: Mapping[int, AttendanceStatus],
    fields: Mapping[str, Collection[int]],
    *,
    on: date,
    by: User,
    now: datetime,
) -> MarkedDay:
    """wanted: worker id → status. fields: which field of the request named whom, for the refusal."""
    with transaction.atomic():
        _lock_workers(wanted, fields)
        known = {mark.user_id: mark for mark in Attendance.objects.filter(user__in=wanted, date=on)}
        marks = [_write(known.get(worker), worker, status, on=on, by=by, now=now) for worker, status in wanted.items()]
        return MarkedDay(tuple(marks), _open_visits_of_absent(wanted, on))


def _lock_workers(wanted: Collection[int], fields: Mapping[str, Collection[int]]) -> None:
    """The locks make two marks of one person and day run one after the other, so both find the same row.

    Auto-assign takes them as well: it either sees an absence, or its visits are seen as affected by it.
    """
    rows = User.objects.filter(ACTIVE_WORKER, pk__in=wanted).order_by("pk")
    workers = set(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    wrong = {
        field: [f"Not an active worker: {_listed(strangers)}."]
        for field, given in fields.items()
        if (strangers := sorted(set(given) - workers))
    }
    if wrong:
        raise Invalid(wrong)


def _write(
    known: Attendance | None, worker: int, status: AttendanceStatus, *, on: date, by: User, now: datetime
) -> Attendance:
    if known is None:
        mark = Attendance.objects.create(
            user_id=worker, date=on, status=status, marked_by=by, created_at=now, updated_at=now
        )
        after = {"user": worker, "date": on, "status": status}
        record("attendance.marked", subject=mark, actor=by, at=now, after=after)
        return mark
    if known.status != status:
        before, after = change(known, at=now, status=status, marked_by=by)
        record("attendance.marked", subject=known, actor=by, at=now, before=before, after=after)
    return known


def _open_visits_of_absent(wanted: Mapping[int, AttendanceStatus], on: date) -> tuple[int, ...]:
    absent = [worker for worker, status in wanted.items() if status == AttendanceStatus.ABSENT]
    if not absent:
        return ()
    visits = Visit.objects.open().filter(assigned_to__in=absent, day=on)
    return tuple(visits.order_by("pk").values_list("pk", flat=True))


def _listed(ids: Collection[int]) -> str:
    shown = list(ids)[:20]
    more = f" and {len(ids) - len(shown)} more" if len(ids) > len(shown) else ""
    return ", ".join(map(str, shown)) + more
