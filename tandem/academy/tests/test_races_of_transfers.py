"""Seats and transfers at once: one of each kind wins, and the student is in one place. CONTRACT §4."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.academy.tests.races_of_transfers"


def test_one_student_gets_one_seat(tmp_path: Path) -> None:
    assert race(f"{HERE}:one_seat", tmp_path, times=8) == {
        "answers": [[201, None], *[[409, "already_enrolled"]] * 7],
        "seats": [["Winter 2026", "active"]],
        "events": {"enrollment_detail.created": 1, "service.updated": 1},
    }


def test_students_enter_while_an_enrollment_is_saved(tmp_path: Path) -> None:
    """With FOR UPDATE, which what refers to a row must wait for, the two wait for each other, and answer 503."""
    outcome = race(f"{HERE}:seats_while_it_is_saved", tmp_path, times=8)
    assert outcome == {"statuses": [200, 201], "seats": 32}


def test_the_first_of_many_seats_is_the_origin_and_the_last_is_where_the_student_is(tmp_path: Path) -> None:
    assert race(f"{HERE}:different_seats", tmp_path, times=8) == {
        "statuses": [201] * 8,
        "first_told": True,
        "last_told": True,
        "origins_told": 1,
        "seats": 8,
    }


def test_a_request_is_approved_once(tmp_path: Path) -> None:
    assert race(f"{HERE}:two_approvals", tmp_path, times=8) == {
        "answers": [[200, None], *[[409, "already_decided"]] * 7],
        "seats": [["Summer", "transferred"], ["Winter", "active"]],
        "events": {
            "enrollment_detail.created": 2,
            "enrollment_detail.transferred": 1,
            "service.updated": 2,
            "transfer_request.approved": 1,
            "transfer_request.created": 1,
            "transfer_request.moved": 1,
        },
    }


def test_a_request_is_decided_one_way(tmp_path: Path) -> None:
    assert race(f"{HERE}:approve_or_reject", tmp_path, times=8) == {
        "answers": [[200, None], *[[409, "already_decided"]] * 7],
        "consistent": True,
    }


def test_a_student_has_one_pending_request(tmp_path: Path) -> None:
    assert race(f"{HERE}:two_requests", tmp_path, times=8) == {
        "answers": [[201, None], *[[409, "already_pending"]] * 7],
        "stored": 1,
    }


def test_several_workers_move_each_student_once(tmp_path: Path) -> None:
    assert race(f"{HERE}:several_workers", tmp_path, times=4) == {
        "moved": 5,
        "told": [5, 5],
        "seats": {"Summer transferred": 5, "Winter active": 5},
    }


def test_no_seat_is_left_in_an_enrollment_that_is_gone(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:seat_or_delete", tmp_path, times=2)
    assert outcome in (
        {"answers": [409, 201], "gone": False, "seats": 1},
        {"answers": [204, 400], "gone": True, "seats": 0},
    )


@pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite only one writes at a time")
def test_who_comes_back_while_the_enrollment_goes_is_not_left_in_it(tmp_path: Path) -> None:
    assert race(f"{HERE}:back_or_delete", tmp_path, times=2, rehearsed=False) == {"placed": False, "seats": 0}
