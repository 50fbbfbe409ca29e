"""Bookings and assignments that arrive together. QUALITY "Durability and concurrency"; CONTRACT §3 "Free or normal"."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.fieldservice.tests.races_of_booking"
TIMES = 64


def test_of_bookings_of_one_machine_and_day_one_is_made(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:one_day", tmp_path, times=TIMES)
    assert outcome == {"answers": {"201": 1, "409": TIMES - 1}, "visits": 1, "events": 1}


def test_of_bookings_of_many_days_one_is_free(tmp_path: Path) -> None:
    assert race(f"{HERE}:many_days", tmp_path, times=TIMES) == {"free": 1, "stored": 1}


def test_calls_with_one_key_book_once(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:one_key", tmp_path, times=TIMES)
    (visit,) = outcome["visits"]
    # Who comes while the first is at work is told so, whoever comes later gets its answer.
    assert [201, None, visit] in outcome["answers"]
    expected = {(201, None, visit), (409, "idempotency_in_progress", None)}
    assert {tuple(answer) for answer in outcome["answers"]} <= expected
    assert outcome["events"] == 1
    assert outcome["again"] == [201, visit, "true"]


def test_a_worker_who_is_assigned_often_is_assigned_once(tmp_path: Path) -> None:
    assert race(f"{HERE}:one_worker", tmp_path, times=TIMES) == {"answers": {"200": TIMES}, "events": 1}
