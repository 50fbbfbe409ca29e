"""Two runs at once never give one visit twice. Contract F §9; CONTRACT §3 "Auto-assign"."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.fieldservice.tests.races_of_autoassign"


def test_two_runs_that_planned_the_same_visits_give_each_of_them_once(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:same_visits", tmp_path, times=2, rehearsed=False)
    assert outcome == {
        "told_once": True,
        "events": [1] * 12,
        "by_worker": [["Wali", 6], ["Wasim", 6]],
        "status": ["scheduled"],
    }


def test_two_runs_for_different_regions_do_not_overfill_a_worker(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:two_regions_one_worker", tmp_path, times=2, rehearsed=False)
    assert outcome == {"assigned_and_skipped": [[0, 5], [5, 0]], "stored": 5}
