"""What a whole list of tasks or notes, as a client sends it, does to the stored rows. Contract A §2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from tandem.common.errors import Invalid

MOST_ITEMS: Final = 1000  # of one kind and record: what is shown can always be sent back


@dataclass(frozen=True)
class Item:
    """A task or a note as far as it matters here. id: None for one that was sent without. on: a task's date."""

    id: UUID | None
    text: str
    on: date | None = None


@dataclass(frozen=True)
class Replacement:
    """takes: for each given item the id of the stored one that it becomes, None for a new one. dropped: the rest."""

    takes: list[UUID | None]
    dropped: list[UUID]


def replaced(stored: Sequence[Item], given: Sequence[Item], *, field: str) -> Replacement:
    """Match a given list with the stored one.

    An item with an id is that item. One without takes over an unused stored item of the same text (and date), for
    clients re-send what they just added without its id; else it is new.
    Raises Invalid on `field` for an id that the record does not have, or that is given twice.
    """
    unused = {item.id: item for item in stored}
    takes: list[UUID | None] = [None] * len(given)
    for place, item in enumerate(given):
        if item.id is None:
            continue
        if unused.pop(item.id, None) is None:
            raise Invalid.on(field, f"This record has no item {item.id}, or it is given twice.")
        takes[place] = item.id
    for place, item in enumerate(given):
        if item.id is None:
            same = next((one.id for one in unused.values() if (one.text, one.on) == (item.text, item.on)), None)
            if same is not None:
                del unused[same]
                takes[place] = same
    return Replacement(takes, [known for known in unused if known is not None])
