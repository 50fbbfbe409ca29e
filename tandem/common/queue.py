"""Work that waits in rows: text messages, webhooks, imports.

A row is written in the transaction of its cause, so a change that was rolled back leaves nothing to do and one that
was committed loses nothing. A worker then takes four steps: **claim** a few due rows, **commit**, do the slow thing
outside of any transaction, **record** the result. Dying between any two of them costs at most a repetition.

A claim is a lease. Whoever claims a row raises `attempts` and sets `lease_until`; until then nobody else takes the row,
from then on anybody does. So the pair (attempts, lease_until) names one claim, and a result is recorded only while the
row still carries the pair of the claim that produced it: a worker that was presumed dead and comes back cannot
overwrite what its successor did.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, Q

PENDING = "pending"
GROUP = 10  # rows in one claim; a worker that is killed repeats at most so many


class Waiting(models.Model):
    """The columns that make a row claimable. A subclass adds an index over (next_attempt_at, id) where pending.

    status: `pending` while there is something left to do; what else it may be is the subclass's.
    attempts: claims so far, those of workers that died included.
    """

    status = models.CharField(max_length=10, default=PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True


Row = TypeVar("Row", bound=models.Model)


def claim(rows: models.QuerySet[Row], *, now: datetime, lease: timedelta, limit: int = GROUP) -> list[Row]:
    """Claim due rows, those that waited longest first; an empty list when there are none.

    rows: of a model with the columns of `Waiting`, already narrowed to what the caller wants.
    One query when nothing is due: an idle worker never takes a lock, nor SQLite's place in the queue of writers. Else
    two more in a transaction of their own; never call it inside of another, for the claim must be committed before
    the work begins.
    """
    if not due(rows, now=now).exists():
        return []
    with transaction.atomic(durable=True):
        return take([(rows.order_by("next_attempt_at", "pk"), limit)], now=now, lease=lease)


def take(portions: Sequence[tuple[models.QuerySet[Row], int]], *, now: datetime, lease: timedelta) -> list[Row]:
    """Claim due rows of several kinds at once, of each at most so many. Belongs into a transaction of its own.

    portions: querysets of one model, in the order in which their rows are to be claimed. A query for each, and one.
    """
    # SKIP LOCKED: on PostgreSQL workers pass over the rows that another is about to claim, without waiting. On
    # SQLite Django leaves the clause out, and there the transaction is the only writer from its BEGIN on.
    claimed = [
        row
        for rows, limit in portions
        for row in due(rows, now=now).select_for_update(skip_locked=True, of=("self",), no_key=True)[:limit]
    ]
    if not claimed:
        return []
    lease_until = now + lease
    type(claimed[0])._default_manager.filter(pk__in=[row.pk for row in claimed]).update(
        attempts=F("attempts") + 1, lease_until=lease_until
    )
    for row in claimed:
        row.attempts += 1  # type: ignore[attr-defined]
        row.lease_until = lease_until  # type: ignore[attr-defined]
    return claimed


def record(row: Any, **changes: Any) -> bool:
    """Write the result of a claimed row, in one statement, and give up its lease.

    False, and nothing is written, when the claim is not held any more: its lease ran out and another worker took the
    row, or somebody else settled it.
    """
    held = type(row)._default_manager.filter(
        pk=row.pk, status=PENDING, attempts=row.attempts, lease_until=row.lease_until
    )
    return held.update(lease_until=None, **changes) == 1


def held(rows: Sequence[Any]) -> list[bool]:
    """Which of the claims of some rows of one model are still held; the rows are locked. One query.

    For results that are written together, by `writing.update_each` in the same transaction.
    """
    found = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows], status=PENDING)
    present = set(found.select_for_update(of=("self",), no_key=True).values_list("pk", "attempts", "lease_until"))
    return [(row.pk, row.attempts, row.lease_until) in present for row in rows]


def next_attempt(schedule: Sequence[timedelta], *, after_attempts: int, key: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts that failed; None when the schedule is used up.

    schedule: the pause after the first failed attempt, after the second, and so on.
    key: spreads rows that failed together by up to a tenth of the pause either way, so that a receiver that comes back
    is not met by all of them in one instant; the row's id does, and keeps the result the same for the same row.
    """
    if after_attempts > len(schedule):
        return None
    pause = schedule[after_attempts - 1]
    spread = (key * 7919 % 201 - 100) / 1000  # -0.1 … +0.1, neighbouring ids far apart
    return now + pause * (1 + spread)


def oldest_due(rows: models.QuerySet[Any], *, now: datetime) -> datetime | None:
    """Since when the row that waits longest could have been worked on; None when nothing is due. One query."""
    waits = rows.filter(status=PENDING, next_attempt_at__lte=now)
    return waits.aggregate(oldest=models.Min("next_attempt_at"))["oldest"]


def waiting(rows: models.QuerySet[Any]) -> int:
    """How many rows are not done yet. One query."""
    return rows.filter(status=PENDING).count()


def due(rows: models.QuerySet[Row], *, now: datetime) -> models.QuerySet[Row]:
    """Those of the rows that may be claimed now."""
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    return rows.filter(free, status=PENDING, next_attempt_at__lte=now)
