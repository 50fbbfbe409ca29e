"""The moves of a visit's status. Contract F §3, "Status"."""

from __future__ import annotations

from itertools import product

import pytest

from tandem.fieldservice.models import VisitStatus
from tandem.fieldservice.rules import states
from tandem.fieldservice.rules.states import InvalidTransition, after_reschedule, after_worker_left, move, move_by_hand

# Written out a second time, as a table to read: rows are from, columns to, in the order of the contract.
ALLOWED = """
              pending scheduled assigned in_progress awaiting_otp completed cancelled
pending             .         x        x           .            .         .         x
scheduled           x         x        x           x            x         x         x
assigned            x         x        x           x            x         x         x
in_progress         .         .        x           .            x         x         x
awaiting_otp        .         x        x           .            x         x         x
completed           .         .        .           .            .         .         .
cancelled           .         .        .           .            .         .         .
"""


def allowed_moves() -> set[tuple[str, str]]:
    head, *rows = ALLOWED.strip().splitlines()
    return {
        (frm, to)
        for frm, *marks in map(str.split, rows)
        for to, mark in zip(head.split(), marks, strict=True)
        if mark == "x"
    }


@pytest.mark.parametrize(("frm", "to"), [*product(states.STATES, repeat=2)])
def test_every_move_is_either_in_the_table_or_refused_by_name(frm: str, to: str) -> None:
    if (frm, to) in allowed_moves():
        assert move(frm, to) == to
        return
    with pytest.raises(InvalidTransition) as refused:
        move(frm, to)
    assert (refused.value.status, refused.value.code) == (409, "invalid_transition")
    assert f"{frm} cannot become {to}" in refused.value.message
    assert refused.value.body().items() >= {"from": frm, "to": to, "code": "invalid_transition"}.items()


def test_every_move_has_a_reason() -> None:
    assert all(why for moves in states.MOVES.values() for why in moves.values())


def test_a_refusal_tells_what_is_possible() -> None:
    with pytest.raises(InvalidTransition) as refused:
        move("pending", "completed")
    assert refused.value.body() == {
        "detail": "A visit that is pending cannot become completed. It can become: assigned, cancelled, scheduled.",
        "code": "invalid_transition",
        "from": "pending",
        "to": "completed",
    }
    with pytest.raises(InvalidTransition, match="It is final"):
        move("completed", "cancelled")


@pytest.mark.parametrize(("frm", "to"), [("pending", "lost"), ("lost", "pending")])
def test_a_state_that_does_not_exist_is_refused(frm: str, to: str) -> None:
    with pytest.raises(InvalidTransition):
        move(frm, to)


def test_the_table_and_the_stored_states_are_the_same() -> None:
    assert set(states.STATES) == set(VisitStatus.values)
    assert set(states.CLOSED) == {"completed", "cancelled"}
    assert {*states.OPEN, *states.CLOSED} == set(states.STATES)


def test_a_code_may_be_asked_for_in_the_states_that_the_contract_names() -> None:
    asked_for = {state for state, moves in states.MOVES.items() if states.AWAITING_OTP in moves}
    assert asked_for == {"assigned", "scheduled", "in_progress", "awaiting_otp"}


def test_owners_may_change_a_visit_until_it_is_in_progress() -> None:
    assert set(states.OWNER_MAY_CHANGE) == {"pending", "scheduled", "assigned"}


@pytest.mark.parametrize(("frm", "to"), [*product(states.STATES, repeat=2)])
def test_what_a_written_status_may_do(frm: str, to: str) -> None:
    by_hand = {("pending", "scheduled"), ("scheduled", "in_progress"), ("assigned", "in_progress")}
    by_hand |= {(state, "cancelled") for state in ("pending", "scheduled", "assigned", "in_progress", "awaiting_otp")}
    if frm == to or (frm, to) in by_hand:
        assert move_by_hand(frm, to, has_worker=True) == to
    else:
        with pytest.raises(InvalidTransition):
            move_by_hand(frm, to, has_worker=True)


def test_nothing_can_be_written_that_the_table_does_not_have() -> None:
    assert set(states.MOVES_BY_HAND) - allowed_moves() == set()


def test_nobody_completes_a_visit_by_writing_its_status() -> None:
    with pytest.raises(InvalidTransition, match="awaiting_otp cannot become completed"):
        move_by_hand("awaiting_otp", "completed", has_worker=True)


def test_work_does_not_begin_without_a_worker() -> None:
    with pytest.raises(InvalidTransition, match="Assign a worker first"):
        move_by_hand("scheduled", "in_progress", has_worker=False)
    assert move_by_hand("scheduled", "cancelled", has_worker=False) == "cancelled"


@pytest.mark.parametrize(
    ("frm", "has_worker", "expected", "because"),
    [
        ("pending", False, "scheduled", "a day is fixed now"),
        ("scheduled", False, "scheduled", "another day"),
        ("scheduled", True, "scheduled", "auto-assign's worker stays and is still nobody's decision"),
        ("assigned", True, "assigned", "the worker stays"),
        ("in_progress", True, "assigned", "the same worker comes once more"),
        ("awaiting_otp", True, "assigned", "the same worker comes once more"),
        ("awaiting_otp", False, "scheduled", "an admin asked for the code, with nobody put on it"),
    ],
)
def test_where_a_reschedule_leads(frm: str, has_worker: bool, expected: str, because: str) -> None:
    assert after_reschedule(frm, has_worker=has_worker) == expected, because


@pytest.mark.parametrize("frm", ["completed", "cancelled"])
@pytest.mark.parametrize("has_worker", [True, False])
def test_a_closed_visit_cannot_be_rescheduled(frm: str, has_worker: bool) -> None:
    with pytest.raises(InvalidTransition):
        after_reschedule(frm, has_worker=has_worker)


@pytest.mark.parametrize(
    ("frm", "has_day", "expected"),
    [
        ("assigned", True, "scheduled"),
        ("assigned", False, "pending"),
        ("scheduled", True, "scheduled"),
        ("scheduled", False, "scheduled"),
    ],
)
def test_where_a_visit_stands_without_its_worker(frm: str, has_day: bool, expected: str) -> None:
    assert after_worker_left(frm, has_day=has_day) == expected


@pytest.mark.parametrize("frm", ["in_progress", "awaiting_otp", "completed", "cancelled"])
def test_nobody_is_taken_off_a_visit_that_has_begun(frm: str) -> None:
    for has_day in (True, False):
        with pytest.raises(InvalidTransition):
            after_worker_left(frm, has_day=has_day)
