"""rules/transfers.py"""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from tandem.academy.rules.transfers import Move, Offer, Seat, move_to, only_cohort_called

OLD, NEW, THIRD = uuid4(), uuid4(), uuid4()
S1, S2, E1, E2, E3 = (UUID(int=n) for n in range(1, 6))


@pytest.mark.parametrize(
    ("seats", "offers", "due", "reason"),
    [
        ([Seat(S1, OLD, "Web")], [Offer(E1, "Web")], Move([S1], [E1]), "the same pathway goes on"),
        ([Seat(S1, OLD, "Web ")], [Offer(E1, "wEB")], Move([S1], [E1]), "case and spaces do not matter"),
        ([Seat(S1, OLD, "Web")], [Offer(E1, "Data")], Move([S1], []), "a pathway that is not taught there ends"),
        ([Seat(S1, OLD, "Web")], [], Move([S1], []), "a cohort without enrollments"),
        ([], [Offer(E1, "Web")], Move([], []), "no pathway, so none goes on"),
        ([Seat(S1, NEW, "Web")], [Offer(E1, "Web")], Move([], []), "who is there already stays"),
        (
            [Seat(S1, OLD, "Web"), Seat(S2, NEW, "web")],
            [Offer(E1, "Web"), Offer(E2, "Web")],
            Move([S1], []),
            "no second seat of a pathway that the student has there",
        ),
        (
            [Seat(S1, OLD, "Web"), Seat(S2, THIRD, "Data")],
            [Offer(E1, "Data"), Offer(E2, "Web"), Offer(E3, "Art")],
            Move([S1, S2], [E2, E1]),
            "all seats move, each pathway into its own",
        ),
        (
            [Seat(S1, OLD, "Web"), Seat(S2, THIRD, "Web")],
            [Offer(E1, "Web"), Offer(E2, "Web")],
            Move([S1, S2], [E1]),
            "two seats of one pathway become one, in the first offer",
        ),
    ],
)
def test_which_seats_close_and_open(seats: list[Seat], offers: list[Offer], due: Move, reason: str) -> None:
    assert move_to(NEW, seats=seats, offers=offers) == due, reason


@pytest.mark.parametrize(
    ("name", "cohorts", "due", "reason"),
    [
        ("Winter 2026", [(E1, "Winter 2026"), (E2, "Summer")], E1, "exactly one"),
        (" winter 2026", [(E1, "WINTER 2026 ")], E1, "case and outer spaces do not matter"),
        ("ÉTÉ", [(E1, "été")], E1, "in any alphabet"),
        ("Winter", [(E1, "Winter 2026")], None, "part of a name is not the name"),
        ("Winter", [(E1, "Winter"), (E2, "winter")], None, "two of that name: nobody can know which"),
        ("Winter", [], None, "none"),
        ("", [(E1, "")], None, "no name means nothing"),
        ("  ", [(E1, " ")], None, "spaces are no name"),
    ],
)
def test_which_cohort_a_name_means(name: str, cohorts: list[tuple[UUID, str]], due: UUID | None, reason: str) -> None:
    assert only_cohort_called(name, cohorts) == due, reason
