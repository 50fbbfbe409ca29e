"""What holds when many processes write one record at once. CONTRACT §4 "Tasks and notes": N calls leave N effects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.academy.rules.items import MOST_ITEMS
from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.academy.tests.races"
TIMES = 64


def test_tasks_that_are_updated_together_are_all_updated(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:updated_tasks", tmp_path, times=TIMES)
    assert outcome == {"answers": [200], "completed": TIMES, "events": TIMES, "tasks_told": TIMES}


def test_notes_that_are_added_together_are_all_there(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:added_notes", tmp_path, times=TIMES)
    assert outcome == {"answers": [200], "texts": TIMES, "positions": True, "events": TIMES}


def test_no_list_grows_beyond_its_bound(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:notes_beside_the_bound", tmp_path, times=16)
    assert outcome == {"added": 8, "refused": 8, "stored": MOST_ITEMS}


def test_whole_lists_drop_what_they_say_and_the_history_keeps_it(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:added_notes_and_whole_lists", tmp_path, times=TIMES)
    assert outcome == {
        "answers": [200],
        "notes_told": TIMES,
        "events": TIMES,
        "history_leads_to_what_is_stored": True,
    }


def test_no_student_appears_at_a_client_that_is_being_deleted(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:deleted_client_and_new_students", tmp_path, times=16)
    assert outcome == {"deleted": [204, 0], "others": [], "created": True, "live": 0}


def test_of_attributes_of_one_name_one_is_made(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:one_attribute", tmp_path, times=16)
    assert outcome == {"created": 1, "refused": 15, "stored": 1}
