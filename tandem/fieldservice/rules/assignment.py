"""Auto-assign: which worker goes to which visit of a day.

Source: contract F §3, "Auto-assign". The hard rules are `_may_take` and the worker's free slots; the aim is, in this
order: as many visits as possible, then the overdue and older ones, then workers who know the machine, then balanced
load. The plan is optimal in all four, and the same for the same input in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Worker:
    """An active worker. region: empty when this one goes anywhere.

    free_slots: how many more visits of the day he or she may be given. booked_today: those fixed already.
    """

    id: int
    name: str
    region: str
    free_slots: int
    booked_today: int = 0
    is_absent: bool = False


@dataclass(frozen=True)
class Job:
    """An open visit without a worker. region: the card's, empty when any worker will do.

    day: the day it was meant for; before the planned day it is overdue. waiting_since: when it was booked.
    known_by: worker id → how often that one has been at the machine.
    """

    visit_id: int
    region: str
    day: date
    waiting_since: datetime
    known_by: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Assigned:
    visit_id: int
    worker_id: int
    worker_name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    visit_id: int
    reason: str


@dataclass(frozen=True)
class Plan:
    """Both lists run from the most urgent visit to the least."""

    assigned: tuple[Assigned, ...]
    skipped: tuple[Skipped, ...]


def plan_day(jobs: Iterable[Job], workers: Iterable[Worker], *, on: date) -> Plan:
    """Find the best plan for a day, with a reason for each visit."""
    # Sorted input makes the plan independent of the order in which rows came; ties fall to the older visit.
    urgent_first = sorted(jobs, key=lambda job: (job.day, job.waiting_since, job.visit_id))
    all_workers = sorted(workers, key=lambda worker: worker.id)
    bookable = [worker for worker in all_workers if worker.free_slots > 0 and not worker.is_absent]

    worker_of: dict[int, Worker] = {}
    for some_jobs, some_workers in _independent_parts(urgent_first, bookable):
        chosen = _choose(some_jobs, some_workers)
        worker_of |= _place(chosen, some_workers)
    load = {worker.id: worker.booked_today for worker in all_workers}
    for worker in worker_of.values():
        load[worker.id] += 1
    return Plan(
        assigned=tuple(
            Assigned(job.visit_id, found.id, found.name, _reasons(job, found, load[found.id], on))
            for job in urgent_first
            if (found := worker_of.get(job.visit_id))
        ),
        skipped=tuple(
            Skipped(job.visit_id, _why_not(job, all_workers)) for job in urgent_first if job.visit_id not in worker_of
        ),
    )


def _may_take(worker: Worker, job: Job) -> bool:
    mine, its = _region(worker.region), _region(job.region)
    return not mine or not its or mine == its


def same_region(one: str, other: str) -> bool:
    """Say whether two names mean one region; upper and lower case count the same."""
    return _region(one) == _region(other)


def _region(name: str) -> str:
    return name.strip().casefold()


def _independent_parts(jobs: Sequence[Job], workers: Sequence[Worker]) -> list[tuple[list[Job], list[Worker]]]:
    """Split into parts that share no worker, so that solving grows with the largest region and not with the company.

    Jobs that nobody may take are in no part. A worker or a visit without region joins all regions into one part.
    """
    regions = [worker.region for worker in workers] + [job.region for job in jobs]
    if not all(_region(name) for name in regions):
        return [(list(jobs), list(workers))] if jobs and workers else []
    parts = []
    for region in dict.fromkeys(_region(worker.region) for worker in workers):
        some_jobs = [job for job in jobs if _region(job.region) == region]
        if some_jobs:
            parts.append((some_jobs, [worker for worker in workers if _region(worker.region) == region]))
    return parts


def _choose(jobs: list[Job], workers: list[Worker]) -> list[Job]:
    """The visits that are carried out: as many as possible, and of those sets the most urgent one.

    Sets of visits that can be carried out together form a matroid (a transversal one). So with weights that fall with
    the rank, whatever their size, the heaviest set is the largest and the most urgent one at the same time, position
    by position. Small whole weights are exact in float64.
    """
    import numpy as np

    weights = np.arange(len(jobs), 0, -1, dtype=np.float64)
    slots = [min(worker.free_slots, len(jobs)) for worker in workers]
    possible = np.repeat(_matrix(jobs, workers, _may_take), slots, axis=1)
    rows, columns = _solve(np.where(possible, -weights[:, None], 0.0))
    return [jobs[row] for row, column in zip(rows, columns, strict=True) if possible[row, column]]


def _place(jobs: list[Job], workers: list[Worker]) -> dict[int, Worker]:
    """Give every one of these visits a worker, by visit id: first those who know the machine, then balanced load.

    Balanced means that the sum of the squared loads of the day is least: a worker's n-th visit costs 2n - 1, so that
    equal loads cost less than unequal ones. One stranger costs more than all loads together; the total stays far
    below 2**53, where float64 is exact.
    """
    import numpy as np

    if not jobs:
        return {}
    slots = [min(worker.free_slots, len(jobs)) for worker in workers]
    loads = [
        worker.booked_today + nth for worker, free in zip(workers, slots, strict=True) for nth in range(1, free + 1)
    ]
    load_costs = 2 * np.array(loads, dtype=np.float64) - 1
    stranger = 1 + len(jobs) * load_costs.max()
    costs = np.where(_matrix(jobs, workers, _knows), 0.0, stranger)
    costs[~_matrix(jobs, workers, _may_take)] = np.inf
    rows, columns = _solve(np.repeat(costs, slots, axis=1) + load_costs)
    owners = [worker for worker, free in zip(workers, slots, strict=True) for _ in range(free)]
    return {jobs[row].visit_id: owners[column] for row, column in zip(rows, columns, strict=True)}


def _knows(worker: Worker, job: Job) -> bool:
    return job.known_by.get(worker.id, 0) > 0


def _matrix(jobs: Sequence[Job], workers: Sequence[Worker], holds: Callable[[Worker, Job], bool]) -> NDArray[np.bool_]:
    import numpy as np

    return np.array([[holds(worker, job) for worker in workers] for job in jobs], dtype=np.bool_)


def _solve(costs: NDArray[np.float64]) -> tuple[list[int], list[int]]:
    # Imported at the first plan: SciPy takes 80 MB and a second and a half, which no web process should pay at start.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(costs)
    return rows.tolist(), columns.tolist()


def _reasons(job: Job, worker: Worker, load: int, on: date) -> tuple[str, ...]:
    reasons = []
    if job.day < on:
        reasons.append(f"overdue since {job.day}")
    if not job.region.strip():
        reasons.append("the visit has no region, any worker will do")
    elif not worker.region.strip():
        reasons.append(f"goes to any region, also {job.region.strip()}")
    else:
        reasons.append(f"works in {job.region.strip()}")
    times = job.known_by.get(worker.id, 0)
    if times:
        reasons.append(f"knows the machine from {_count(times, 'earlier visit')}")
    reasons.append(f"has {_count(load, 'visit')} that day with this plan")
    return tuple(reasons)


def _why_not(job: Job, workers: Sequence[Worker]) -> str:
    place = f"in {job.region.strip()}" if job.region.strip() else "in any region"
    if not workers:
        return "There is no active worker."
    fitting = [worker for worker in workers if _may_take(worker, job)]
    if not fitting:
        return f"No active worker works {place}."
    present = [worker for worker in fitting if not worker.is_absent]
    absent = len(fitting) - len(present)
    if not present:
        return f"Absent that day: all who work {place} ({_count(absent, 'worker')})."
    besides = f"; {absent} more absent" if absent else ""
    who = f"{_count(len(present), 'worker')} {place}{besides}"
    if any(worker.free_slots > 0 for worker in present):
        # True of every best plan: if one of those visits could wait, this one would have its place.
        return f"No place left that day: more urgent visits take the last places ({who})."
    return f"Fully booked that day: all who are there ({who})."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
