"""Jobs are put aside here, and done by the worker, one at a time.

What a job changes and the row that says it is done are written in one transaction, and that row only while the claim is
held. So a worker that is killed leaves nothing half done, its successor begins anew, and of two that work on one job
(the first was only slow) one leaves effects and the other is rolled back. A job that is done piece by piece writes each
piece together with how far it is (`go_on`); then all this is true of the piece, and a successor goes on behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError

from tandem.accounts.models import User
from tandem.common import moments, queue
from tandem.common.hints import announce
from tandem.jobs.models import Job

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)  # longer than the longest transaction of a job; renewed with each step outside of one
MOST_ATTEMPTS = 5  # a job that takes its worker down with it must not do so for ever

# kind → does a job: calls `step` now and then, and `finish` in the transaction of its effects (or `go_on` in each).
Kinds = Mapping[str, Callable[[Job], None]]


class ClaimLost(Exception):
    """Another worker has this job now; what this one was about to write must not be."""


def put_aside(kind: str, parameters: dict[str, Any], *, content: bytes, total: int, by: User, now: datetime) -> Job:
    """Leave a job for the worker. One query."""
    announce()
    return Job.objects.create(
        kind=kind, parameters=parameters, content=content, total=total, by=by, created_at=now, next_attempt_at=now
    )


def run_next(kinds: Kinds, *, clock: Callable[[], datetime] = moments.now) -> int:
    """Do one job that waits; 0 when there is none."""
    claimed = queue.claim(Job.objects.filter(kind__in=kinds), now=clock(), lease=LEASE, limit=1)
    for job in claimed:
        _run(job, kinds[job.kind], clock)
    return len(claimed)


def _run(job: Job, do: Callable[[Job], None], clock: Callable[[], datetime]) -> None:
    facts = {"job": str(job.pk), "kind": job.kind, "attempt": job.attempts}
    try:
        if job.attempts > MOST_ATTEMPTS:
            finish(job, Job.Status.FAILED, _ended_early(job, "It was tried too often."), now=clock())
            log.error("job given up", extra=facts)
            return
        do(job)
        log.info("job done", extra=facts)
    except ClaimLost:
        log.warning("job was taken over", extra=facts)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the worker's loop waits for it, and the lease brings the job back
    except Exception:
        log.exception("job failed", extra=facts)
        told = _ended_early(job, "Something went wrong.")
        queue.record(job, status=Job.Status.FAILED, content=b"", finished_at=clock(), result=told)


def _ended_early(job: Job, detail: str) -> dict[str, Any]:
    """What is told of a job that came to no end: also what its pieces have done by then."""
    return {"detail": detail, **job.state.get("report", {})}


def step(job: Job, *, done: int, now: datetime) -> None:
    """Tell how far it is, and hold the claim for longer. Outside of any transaction. One query. Raises ClaimLost."""
    _hold(job, now=now, done=done)


def go_on(job: Job, *, done: int, state: dict[str, Any], now: datetime) -> None:
    """Tell how far it is, in the transaction of a piece. state: what a successor needs to go on behind it; the key
    `report` is told if the job comes to no end. One query. Raises ClaimLost.
    """
    _hold(job, now=now, done=done, state=state)
    job.state = state


def _hold(job: Job, *, now: datetime, **changes: Any) -> None:
    lease_until = now + LEASE
    held = Job.objects.filter(pk=job.pk, status=queue.PENDING, attempts=job.attempts, lease_until=job.lease_until)
    if held.update(lease_until=lease_until, **changes) != 1:
        raise ClaimLost
    job.lease_until = lease_until


def finish(job: Job, status: Job.Status, result: dict[str, Any], *, now: datetime) -> None:
    """Record the end, in the transaction of what the job changed. One query. Raises ClaimLost."""
    done = {"done": job.total} if status == Job.Status.DONE else {}
    if not queue.record(job, status=status, result=result, content=b"", finished_at=now, **done):
        raise ClaimLost
