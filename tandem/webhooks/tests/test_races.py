"""What holds when many processes work on webhooks at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.webhooks.tests.races import EDITS
from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.webhooks.tests.races"


def test_edits_of_one_record_that_are_made_together_are_told_in_their_order(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:edits_of_one_record", tmp_path, times=64)
    assert outcome == {
        "answers": [200],
        "told": 64,
        "sequences": 64,
        "each_begins_where_the_one_before_it_ended": True,
    }


def test_workers_that_spread_notices_together_make_each_delivery_once(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:notices_spread_together", tmp_path, times=4, rehearsed=False)
    assert outcome == {"spread": EDITS, "left": 0, "deliveries": EDITS * 3, "twice": []}


def test_several_workers_tell_the_changes_of_one_record_in_their_order(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:one_record_told_by_several", tmp_path, times=4, rehearsed=False)
    assert outcome["in_order"]
    assert outcome["at_work"] > 1


def test_workers_that_claim_together_share_one_receiver_s_room(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:claims_together", tmp_path, times=8, rehearsed=False)
    assert outcome == {"twice": 0, "at_each": [10, 10, 10], "room": 10}
