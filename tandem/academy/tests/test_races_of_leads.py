"""Pipelines and leads that change at the same time. CONTRACT §4 "Pipelines", "Leads"; locks: actions/stages.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.academy.tests.races_of_leads"
CONSISTENT: dict[str, Any] = {"lost": [], "torn": [], "untold": []}


def test_a_stage_that_is_renamed_takes_along_whoever_enters_it(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:stage_renamed_while_leads_enter", tmp_path, times=16)
    assert outcome == {"odd_answers": [], "entered": True, **CONSISTENT}


def test_nobody_enters_a_stage_that_is_removed(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:stage_removed_while_leads_enter", tmp_path, times=16)
    assert outcome == {"odd_answers": [], "moved_on": True, "stages": ["New", "Won"], **CONSISTENT}


def test_editors_of_one_pipeline_stand_in_one_order(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:editors_of_one_pipeline", tmp_path, times=16)
    assert outcome == {"answers": [200], "stages": [["New", "Talking"], 3], "ids": True, "events": 16}


def test_nobody_enters_a_pipeline_that_is_deleted(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:pipeline_deleted_while_leads_enter", tmp_path, times=16)
    assert outcome == {"odd_answers": [], "either": True, **CONSISTENT}


def test_of_two_pipelines_that_go_into_each_other_one_stays(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:pipelines_that_go_into_each_other", tmp_path, times=8)
    assert outcome == {"gone": 1, "odd_answers": [], "all_in_one": 16, **CONSISTENT}


def test_no_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:leads_that_move_while_their_pipelines_change", tmp_path, times=32)
    assert outcome == {"odd_answers": [], **CONSISTENT}


def test_a_lead_is_converted_once(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:conversions_of_one_lead", tmp_path, times=16)
    assert outcome == {
        "different_answers": 1,
        "made": [1, 1, 1],
        "events": [
            ["client.created", 1],
            ["enrollment_detail.created", 1],
            ["lead.updated", 1],
            ["service.created", 1],
            ["service.updated", 1],
        ],
    }
