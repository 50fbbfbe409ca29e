"""Periodic jobs: once per interval, by one worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError

from tandem.common.models import PeriodicJob
from tandem.config import jobs
from tandem.config.jobs import Job

NOW = datetime(2025, 12, 18, 10, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


class Work:
    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.runs: list[datetime] = []
        self.during = during
        self.job = Job("test", every=timedelta(minutes=5), run=self.run, lease=timedelta(minutes=1))

    def run(self, now: datetime) -> None:
        self.runs.append(now)
        self.during()

    def worker(self, at: datetime = NOW) -> int:
        return jobs.run_due([self.job], clock=lambda: at)


def test_a_job_that_never_ran_is_due() -> None:
    work = Work()
    assert (work.worker(), work.runs) == (1, [NOW])


@pytest.mark.parametrize(("later", "runs"), [(timedelta(minutes=4, seconds=59), 0), (timedelta(minutes=5), 1)])
def test_it_runs_again_when_the_interval_is_over(later: timedelta, runs: int) -> None:
    work = Work()
    work.worker()
    assert work.worker(NOW + later) == runs


def test_two_workers_that_both_see_a_due_job_run_it_once() -> None:
    work = Work()
    work.worker(NOW - timedelta(hours=1))
    seen_by_the_slower = PeriodicJob.objects.get()
    assert jobs._is_due(seen_by_the_slower, work.job, NOW)
    work.worker()
    assert not jobs._run(work.job, now=NOW, clock=lambda: NOW)
    assert len(work.runs) == 2


def test_nobody_begins_while_another_worker_is_at_it() -> None:
    work = Work()
    inner: list[int] = []
    work.during = lambda: inner.append(work.worker(NOW + timedelta(seconds=59)))
    work.worker()
    assert inner == [0]


def test_the_job_of_a_worker_that_died_is_begun_again_when_its_lease_ends() -> None:
    def killed() -> None:
        raise SystemExit

    work = Work(killed)
    with pytest.raises(SystemExit):
        work.worker()
    work.during = lambda: None
    assert work.worker(NOW + timedelta(seconds=59)) == 0
    assert work.worker(NOW + timedelta(seconds=60)) == 1


def test_a_job_that_fails_says_why_and_waits_for_its_next_time() -> None:
    def fail() -> None:
        raise ValueError("no plan")

    work = Work(fail)
    work.worker()
    assert PeriodicJob.objects.get().last_error == "ValueError", "its words may quote rows"
    assert work.worker(NOW + timedelta(minutes=1)) == 0
    work.during = lambda: None
    work.worker(NOW + timedelta(minutes=5))
    assert PeriodicJob.objects.get().last_error == ""


def test_a_database_that_is_away_is_the_workers_business() -> None:
    def fail() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with pytest.raises(OperationalError):
        Work(fail).worker()


def test_looking_for_due_jobs_is_one_query(django_assert_num_queries) -> None:
    work = Work()
    work.worker()
    with django_assert_num_queries(1):
        work.worker()


def test_automatic_assignment_runs_only_when_an_interval_is_set(settings) -> None:
    settings.CRM_AUTOASSIGN_EVERY_MINUTES = 0
    assert [job.name for job in jobs.configured()] == ["heartbeat", "housekeeping", "transfers"]
    settings.CRM_AUTOASSIGN_EVERY_MINUTES = 15
    assert jobs.configured()[-1].every == timedelta(minutes=15)
