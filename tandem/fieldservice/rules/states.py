"""The states of a visit and the moves between them, in one table.

Source: contract F §3, "Status", with `assign/`, `reschedule/`, `cancel/`, `PATCH` and "OTP".
"""

from __future__ import annotations

from typing import Final

from tandem.common.errors import Conflict

PENDING: Final = "pending"  # asked for; nobody and no day is fixed
SCHEDULED: Final = "scheduled"  # a day is fixed; the worker, if there is one, was found by auto-assign
ASSIGNED: Final = "assigned"  # an admin put a named worker on it
IN_PROGRESS: Final = "in_progress"
AWAITING_OTP: Final = "awaiting_otp"  # the customer was sent a code
COMPLETED: Final = "completed"
CANCELLED: Final = "cancelled"

# from → to → why this may happen. What is not here is refused.
MOVES: Final[dict[str, dict[str, str]]] = {
    PENDING: {
        SCHEDULED: "a day is fixed by a reschedule, an admin or auto-assign",
        ASSIGNED: "an admin puts a worker on it",
        CANCELLED: "the customer or an admin calls it off",
    },
    SCHEDULED: {
        PENDING: "an admin takes the fixed day back, and no worker was found yet",
        SCHEDULED: "another day is fixed, or the worker whom auto-assign found is taken off",
        ASSIGNED: "an admin puts a worker on it",
        IN_PROGRESS: "the worker whom auto-assign found begins",
        AWAITING_OTP: "a short job: the code is asked for without `in_progress` first",
        COMPLETED: "an admin completes it without a code (the customer has no phone)",
        CANCELLED: "the customer or an admin calls it off",
    },
    ASSIGNED: {
        PENDING: "an admin takes the worker off and no day is fixed",
        SCHEDULED: "an admin takes the worker off and a day is fixed",
        ASSIGNED: "another worker, or another day with the same one",
        IN_PROGRESS: "the worker begins",
        AWAITING_OTP: "a short job: the code is asked for without `in_progress` first",
        COMPLETED: "an admin completes it without a code (the customer has no phone)",
        CANCELLED: "the customer or an admin calls it off",
    },
    IN_PROGRESS: {
        ASSIGNED: "an admin sends another worker, or fixes another day to finish the job",
        AWAITING_OTP: "the work is done and the customer is sent a code",
        COMPLETED: "an admin completes it without a code (the customer has no phone)",
        CANCELLED: "an admin calls it off",
    },
    AWAITING_OTP: {
        SCHEDULED: "another day is fixed and nobody had been put on it; the code is void then",
        ASSIGNED: "an admin sends another worker or fixes another day; the code is void then",
        AWAITING_OTP: "the code is sent again",
        COMPLETED: "the code was right, or an admin completes it without one",
        CANCELLED: "an admin calls it off",
    },
    COMPLETED: {},
    CANCELLED: {},
}

STATES: Final = tuple(MOVES)
CLOSED: Final = tuple(state for state, moves in MOVES.items() if not moves)
OPEN: Final = tuple(state for state, moves in MOVES.items() if moves)

# Owners may reschedule and cancel until the work has begun.
OWNER_MAY_CHANGE: Final = (PENDING, SCHEDULED, ASSIGNED)

HAS_BEGUN: Final = (IN_PROGRESS, AWAITING_OTP)

# The moves that nothing but a written `status` stands for. The others are the effect of an action that does more: a
# written `completed` would go round the code, a written `assigned` or `awaiting_otp` would have no worker, no code.
MOVES_BY_HAND: Final = frozenset(
    [(PENDING, SCHEDULED), (SCHEDULED, IN_PROGRESS), (ASSIGNED, IN_PROGRESS)] + [(state, CANCELLED) for state in OPEN]
)


class InvalidTransition(Conflict):
    """facts: `from` and `to`, the two states."""

    code = "invalid_transition"

    def __init__(self, frm: str, to: str, hint: str) -> None:
        super().__init__(f"A visit that is {frm} cannot become {to}. {hint}")
        self.facts = {"from": frm, "to": to}


def may_move(frm: str, to: str) -> bool:
    return to in MOVES.get(frm, {})


def move(frm: str, to: str) -> str:
    """The new state, for `visit.status = move(visit.status, …)`. Raises InvalidTransition."""
    if not may_move(frm, to):
        raise InvalidTransition(frm, to, _way_out(frm, tuple(MOVES.get(frm, {}))))
    return to


def move_by_hand(frm: str, to: str, *, has_worker: bool) -> str:
    """The new state when somebody writes `status` itself; the same state again changes nothing.

    A written `scheduled` fixes the preferred day. Raises InvalidTransition, also for moves that only an action may
    make and for a start without a worker.
    """
    if frm == to:
        return to
    if (frm, to) not in MOVES_BY_HAND:
        raise InvalidTransition(frm, to, _way_out(frm, tuple(end for start, end in MOVES_BY_HAND if start == frm)))
    if to == IN_PROGRESS and not has_worker:
        raise InvalidTransition(frm, to, "Assign a worker first.")
    return to


def after_reschedule(frm: str, *, has_worker: bool) -> str:
    """The state of a visit for which another day is fixed: a worker stays, work that had begun has not any more.

    A visit that auto-assign gave to a worker stays `scheduled`: `assigned` is for what an admin decided.
    Raises InvalidTransition when the visit is closed.
    """
    if frm in (PENDING, SCHEDULED) or not has_worker:
        return move(frm, SCHEDULED)
    return move(frm, ASSIGNED)


def after_worker_left(frm: str, *, has_day: bool) -> str:
    """The state of a visit whose worker an admin takes off without naming another one.

    Raises InvalidTransition once the work has begun; then only another worker can take over.
    """
    to = SCHEDULED if has_day or frm == SCHEDULED else PENDING
    if frm in HAS_BEGUN:
        raise InvalidTransition(frm, to, "Send another worker instead.")
    return move(frm, to)


def _way_out(frm: str, possible: tuple[str, ...]) -> str:
    if frm in CLOSED:
        return "It is final."
    return f"It can become: {', '.join(sorted(possible))}."
