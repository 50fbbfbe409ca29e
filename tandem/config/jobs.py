"""What the workers do by the clock: each job once per interval, however many workers there are."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import Q

from tandem.common import moments
from tandem.common.models import PeriodicJob
from tandem.config import housekeeping

log = logging.getLogger(__name__)

HEARTBEAT = "heartbeat"
HEARTBEAT_EVERY = timedelta(seconds=30)


@dataclass(frozen=True)
class Job:
    """every: from the end of one run to the begin of the next. lease: longer than any run; for a worker that died."""

    name: str
    every: timedelta
    run: Callable[[datetime], None]
    lease: timedelta = timedelta(minutes=10)


def configured() -> list[Job]:
    jobs = [
        # Doing it is telling: that it was done lately shows that some worker is alive, on whatever machine.
        Job(HEARTBEAT, every=HEARTBEAT_EVERY, run=lambda now: None, lease=timedelta(minutes=1)),
        Job("housekeeping", every=timedelta(hours=1), run=housekeeping.clean_up),
        Job("transfers", every=timedelta(minutes=5), run=_carry_out_transfers),
    ]
    if settings.CRM_AUTOASSIGN_EVERY_MINUTES:
        every = timedelta(minutes=settings.CRM_AUTOASSIGN_EVERY_MINUTES)
        jobs.append(Job("autoassign", every=every, run=_plan_today))
    return jobs


def run_due(jobs: Sequence[Job], *, clock: Callable[[], datetime] = moments.now) -> int:
    """Run what is due and what no other worker is at; the answer is how many jobs were run. One query when none is."""
    known = {row.name: row for row in PeriodicJob.objects.filter(name__in=[job.name for job in jobs])}
    ran = 0
    for job in jobs:
        row = known.get(job.name)
        if row is None:
            row, _ = PeriodicJob.objects.get_or_create(name=job.name)
        now = clock()
        if _is_due(row, job, now) and _run(job, now=now, clock=clock):
            ran += 1
    return ran


def _is_due(row: PeriodicJob, job: Job, now: datetime) -> bool:
    if row.lease_until is not None and row.lease_until > now:
        return False
    return row.last_finished_at is None or row.last_finished_at <= now - job.every


def _run(job: Job, *, now: datetime, clock: Callable[[], datetime]) -> bool:
    """Claim the job, do it, record how it went. False when another worker was quicker."""
    runner = uuid.uuid4()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = Q(last_finished_at=None) | Q(last_finished_at__lte=now - job.every)
    if not PeriodicJob.objects.filter(free, due, name=job.name).update(lease_until=now + job.lease, runner=runner):
        return False
    error = ""
    try:
        job.run(now)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the worker's loop waits for it, and the lease brings the job back
    except Exception as failed:
        error = type(failed).__name__  # without its words, which may quote rows; the log has where it happened
        log.exception("job failed", extra={"job": job.name})
    PeriodicJob.objects.filter(name=job.name, runner=runner).update(
        lease_until=None, runner=None, last_finished_at=clock(), last_error=error
    )
    return True


def _plan_today(now: datetime) -> None:
    from tandem.fieldservice.actions.autoassign import plan_day

    plan_day(on=moments.day_of(now), by=None, now=now)


def _carry_out_transfers(now: datetime) -> None:
    from tandem.academy.actions.transfers import carry_out_due_transfers

    carry_out_due_transfers(today=moments.day_of(now), now=now)
