"""The plan of a day. Contract F §3, "Auto-assign"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.fieldservice.rules.assignment import Job, Plan, Worker, plan_day

DAY = date(2025, 12, 18)
NOON = datetime(2025, 12, 1, 12, tzinfo=UTC)


def worker(number: int, region: str = "Madurai", free: int = 8, booked: int = 0, absent: bool = False) -> Worker:
    return Worker(number, f"Worker {number}", region, free, booked, absent)


def job(number: int, region: str = "Madurai", day: date = DAY, known_by: Sequence[int] = (), waits: int = 0) -> Job:
    return Job(number, region, day, NOON - timedelta(days=waits), dict.fromkeys(known_by, 2))


def pairs(plan: Plan) -> dict[int, int]:
    return {one.visit_id: one.worker_id for one in plan.assigned}


@pytest.mark.parametrize(
    ("jobs", "workers", "expected", "because"),
    [
        ([job(1)], [worker(1)], {1: 1}, "one to one"),
        ([job(1, " MADURAI ")], [worker(1, "madurai")], {1: 1}, "regions are compared without case and spaces"),
        ([job(1, "Theni")], [worker(1)], {}, "another region"),
        ([job(1, "Theni")], [worker(1, " ")], {1: 1}, "a worker without region goes anywhere"),
        ([job(1, "")], [worker(1)], {1: 1}, "a visit without region is for anybody"),
        ([job(1)], [worker(1, absent=True)], {}, "absent"),
        ([job(1)], [worker(1, free=0)], {}, "full"),
        ([job(1)], [worker(1, free=-2, booked=10), worker(2)], {1: 2}, "an admin booked more than a day allows"),
        ([job(1), job(2), job(3)], [worker(1, free=2)], {1: 1, 2: 1}, "never more than the free slots"),
        ([job(1), job(2, day=date(2025, 12, 1))], [worker(1, free=1)], {2: 1}, "the overdue one first"),
        ([job(1), job(2, waits=5)], [worker(1, free=1)], {2: 1}, "of the same day the one that waits longer"),
        ([job(2), job(1)], [worker(1, free=1)], {1: 1}, "the lower number when nothing else tells them apart"),
        (
            [job(1, waits=9), job(2, day=date(2025, 12, 17))],
            [worker(1, free=1)],
            {2: 1},
            "overdue comes before long waiting",
        ),
        ([job(1, known_by=[2])], [worker(1), worker(2)], {1: 2}, "who knows the machine"),
        ([job(1, known_by=[2])], [worker(1), worker(2, booked=7)], {1: 2}, "however much that one has to do"),
        ([job(1, known_by=[2])], [worker(1), worker(2, "Theni")], {1: 1}, "but not out of the region"),
        (
            [job(1, known_by=[1]), job(2)],
            [worker(1, free=1), worker(2, free=1)],
            {1: 1, 2: 2},
            "the one who knows it is kept free for it",
        ),
        (
            [job(1, known_by=[1]), job(2, "")],
            [worker(1, "", free=1), worker(2, "Theni", free=1)],
            {1: 1, 2: 2},
            "all regions at once",
        ),
        (
            [job(1, "", known_by=[1]), job(2)],
            [worker(1, free=1), worker(2, "Theni", free=1)],
            {1: 2, 2: 1},
            "one visit more is worth more than knowing the machine",
        ),
        (
            [job(1, "", day=date(2025, 12, 1), known_by=[1]), job(2), job(3)],
            [worker(1, free=1)],
            {1: 1},
            "the most urgent one",
        ),
        (
            [job(n) for n in range(1, 5)],
            [worker(1, booked=2), worker(2)],
            {1: 1, 2: 2, 3: 2, 4: 2},
            "loads are levelled with what is booked already: three and three",
        ),
        ([], [worker(1)], {}, "nothing to do"),
        ([job(1)], [], {}, "nobody there"),
    ],
)
def test_who_goes_where(jobs: list[Job], workers: list[Worker], expected: dict[int, int], because: str) -> None:
    plan = plan_day(jobs, workers, on=DAY)
    if "levelled" in because:  # who takes which of the equal visits does not matter
        assert Counter(pairs(plan).values()) == Counter(expected.values()), because
    else:
        assert pairs(plan) == expected, because
    assert {one.visit_id for one in plan.skipped} == {one.visit_id for one in jobs} - expected.keys()


def in_turn(jobs: list[Job], workers: list[Worker]) -> dict[int, int]:
    """What a loop does: visit by visit, the worker with least to do who may take it."""
    found: dict[int, int] = {}
    for one in jobs:
        free = [w for w in workers if fits(w, one) and list(found.values()).count(w.id) < w.free_slots]
        if free:
            found[one.visit_id] = min(free, key=lambda w: (list(found.values()).count(w.id), w.id)).id
    return found


def test_it_finds_a_place_for_more_visits_than_a_loop_does() -> None:
    jobs = [job(1, "", waits=3), job(2, "Theni", waits=2), job(3, waits=1)]
    workers = [worker(1, free=1), worker(2, "Theni", free=1), worker(3, "Dindigul", free=1)]
    assert len(in_turn(jobs, workers)) == 2
    assert pairs(plan_day(jobs, workers, on=DAY)) == {1: 3, 2: 2, 3: 1}


def test_the_reasons_are_for_people() -> None:
    plan = plan_day(
        [
            Job(1, "Madurai", date(2025, 12, 1), NOON, {7: 1}),
            Job(2, "", DAY, NOON, {}),
            Job(3, "Theni", DAY, NOON, {8: 3}),
        ],
        [worker(7, free=2, booked=1), worker(8, "", free=1)],
        on=DAY,
    )
    assert [(one.visit_id, one.worker_id, one.worker_name, one.reasons) for one in plan.assigned] == [
        (
            1,
            7,
            "Worker 7",
            (
                "overdue since 2025-12-01",
                "works in Madurai",
                "knows the machine from 1 earlier visit",
                "has 3 visits that day with this plan",
            ),
        ),
        (
            2,
            7,
            "Worker 7",
            ("the visit has no region, any worker will do", "has 3 visits that day with this plan"),
        ),
        (
            3,
            8,
            "Worker 8",
            (
                "goes to any region, also Theni",
                "knows the machine from 3 earlier visits",
                "has 1 visit that day with this plan",
            ),
        ),
    ]


@pytest.mark.parametrize(
    ("region", "workers", "reason"),
    [
        ("Madurai", [], "There is no active worker."),
        ("Madurai", [worker(1, "Theni")], "No active worker works in Madurai."),
        ("Madurai", [worker(1, absent=True)], "Absent that day: all who work in Madurai (1 worker)."),
        ("", [worker(1, absent=True)], "Absent that day: all who work in any region (1 worker)."),
        (
            "Madurai",
            [worker(1, free=0), worker(2, "", free=0)],
            "Fully booked that day: all who are there (2 workers in Madurai).",
        ),
        (
            "Madurai",
            [worker(1, free=0), worker(2, absent=True), worker(3, "Theni")],
            "Fully booked that day: all who are there (1 worker in Madurai; 1 more absent).",
        ),
        (
            "Madurai",
            [worker(1, free=1)],
            "No place left that day: more urgent visits take the last places (1 worker in Madurai).",
        ),
    ],
)
def test_a_skipped_visit_is_told_why(region: str, workers: list[Worker], reason: str) -> None:
    urgent = job(1, region, day=date(2025, 12, 1))
    plan = plan_day([urgent, job(2, region)], workers, on=DAY)
    assert plan.skipped[-1].visit_id == 2
    assert plan.skipped[-1].reason == reason


def fits(one: Worker, what: Job) -> bool:
    return not one.is_absent and (not one.region or not what.region or one.region == what.region)


def value(chosen: Sequence[Worker | None], jobs: list[Job], workers: list[Worker]) -> tuple[object, ...]:
    """What the contract wants most, in its order; greater is better."""
    loads = Counter({w.id: w.booked_today for w in workers}) + Counter(w.id for w in chosen if w)
    return (
        sum(w is not None for w in chosen),
        [w is not None for w in chosen],  # the most urgent first
        sum(w is not None and w.id in what.known_by for w, what in zip(chosen, jobs, strict=True)),
        -sum(load**2 for load in loads.values()),
    )


def is_possible(chosen: Sequence[Worker | None], jobs: list[Job]) -> bool:
    taken = Counter(w.id for w in chosen if w)
    return all(
        w is None or (fits(w, what) and taken[w.id] <= w.free_slots) for w, what in zip(chosen, jobs, strict=True)
    )


regions = st.sampled_from(["Madurai", "Theni", "Theni", ""])
crews = st.lists(
    st.builds(
        Worker,
        id=st.integers(1, 99),
        name=st.just("somebody"),
        region=regions,
        free_slots=st.integers(0, 3),
        booked_today=st.integers(0, 3),
        is_absent=st.sampled_from([False, False, False, True]),
    ),
    max_size=3,
    unique_by=lambda one: one.id,
)


@st.composite
def days_of_work(draw: st.DrawFn) -> tuple[list[Job], list[Worker]]:
    crew = draw(crews)
    known_by = st.dictionaries(st.sampled_from([w.id for w in crew]), st.integers(1, 3)) if crew else st.just({})
    jobs = st.builds(
        Job,
        visit_id=st.integers(1, 99),
        region=regions,
        day=st.integers(0, 2).map(lambda days: DAY - timedelta(days=days)),
        waiting_since=st.integers(0, 2).map(lambda days: NOON - timedelta(days=days)),
        known_by=known_by,
    )
    return draw(st.lists(jobs, max_size=5, unique_by=lambda one: one.visit_id)), crew


@settings(deadline=None, max_examples=300)
@given(days_of_work())
def test_no_other_plan_is_better(work: tuple[list[Job], list[Worker]]) -> None:
    jobs, crew = work
    jobs = sorted(jobs, key=lambda one: (one.day, one.waiting_since, one.visit_id))
    found = pairs(plan_day(jobs, crew, on=DAY))
    by_id = {one.id: one for one in crew}
    planned = [by_id[found[one.visit_id]] if one.visit_id in found else None for one in jobs]
    assert is_possible(planned, jobs)
    plans = (plan for plan in product([None, *crew], repeat=len(jobs)) if is_possible(plan, jobs))
    assert value(planned, jobs, crew) == max(value(plan, jobs, crew) for plan in plans)


@settings(deadline=None)
@given(days_of_work(), st.randoms())
def test_the_order_of_the_rows_changes_nothing(work: tuple[list[Job], list[Worker]], random: Random) -> None:
    jobs, crew = work
    plan = plan_day(jobs, crew, on=DAY)
    random.shuffle(jobs)
    random.shuffle(crew)
    assert plan_day(jobs, crew, on=DAY) == plan


def test_a_large_day_keeps_every_hard_rule() -> None:
    random = Random(7)
    places = [f"Region {number}" for number in range(8)]
    crew = [worker(n, random.choice([*places, ""]), random.randint(0, 8), random.randint(0, 4)) for n in range(60)]
    jobs = [job(n, random.choice(places), known_by=random.sample(range(60), 3)) for n in range(500)]
    plan = plan_day(jobs, crew, on=DAY)
    found = pairs(plan)
    assert len(found) + len(plan.skipped) == len(jobs)
    # All slots are in use: there are more visits than slots in each region.
    assert Counter(found.values()) == Counter({one.id: one.free_slots for one in crew if one.free_slots})
    assert all(fits(crew[found[one.visit_id]], one) for one in jobs if one.visit_id in found)
