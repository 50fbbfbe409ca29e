"""Transfers between cohorts: where a wish leads, and which seats close and open. CONTRACT §4 "Transfers"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Seat:
    """Where a student is taught now."""

    id: UUID
    cohort: UUID
    pathway: str


@dataclass(frozen=True)
class Offer:
    """An enrollment of the cohort that a student moves to."""

    id: UUID
    pathway: str


@dataclass(frozen=True)
class Move:
    """closes: ids of seats. opens: ids of enrollments."""

    closes: list[UUID]
    opens: list[UUID]


def move_to(cohort: UUID, *, seats: Sequence[Seat], offers: Sequence[Offer]) -> Move:
    """Plan a student's move.

    Every seat outside the cohort closes. Each pathway that closes goes on in the first offer of that pathway, unless
    the student has it in the cohort already; a pathway that the cohort does not teach ends.
    Names of pathways are compared without regard to case and outer spaces.
    """
    closing = [seat for seat in seats if seat.cohort != cohort]
    settled = {spelt(seat.pathway) for seat in seats if seat.cohort == cohort}
    opens = []
    for seat in closing:
        pathway = spelt(seat.pathway)
        offer = next((offer for offer in offers if spelt(offer.pathway) == pathway), None)
        if offer is not None and pathway not in settled:
            settled.add(pathway)
            opens.append(offer.id)
    return Move([seat.id for seat in closing], opens)


def only_cohort_called(name: str, cohorts: Iterable[tuple[UUID, str]]) -> UUID | None:
    """The cohort that a wish in words means; None when no cohort or several have that name.

    cohorts: ids and names. Compared without regard to case and outer spaces; no name means no cohort.
    """
    wanted = spelt(name)
    found = [pk for pk, called in cohorts if spelt(called) == wanted] if wanted else []
    return found[0] if len(found) == 1 else None


def spelt(name: str) -> str:
    return name.strip().casefold()
