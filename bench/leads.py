"""The leads that are served: any number of them, the same in every run; rows of tables, as SQLite keeps them.

Lead n is the nth that was made. Its id tells nothing of that: ids lie as far apart as random ones would, so a page of
fifty leads touches fifty places of every index by id.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Row = dict[str, Any]

STAGES = ("New", "Contacted", "Demo", "Negotiation", "Won", "Lost")
CITIES = ("Chennai", "Coimbatore", "Madurai", "Mysuru", "Salem", "Theni", "Tirupur", "Vellore")
PIPELINES = 4
PER_SELLER = 500  # how many leads one seller is responsible for; a larger company has more sellers
PER_BUSY_SELLER = 40  # one lead in so many is that of the busy seller, who has more in a larger company

FIRST_NUMBER = 100_000_000_000  # what the ids of leads end in, from here on, is 12 digits long
LEAD_ID = "00000000-0000-4000-8000-{}"
_FIRST_MOMENT, _STEP = datetime(2025, 1, 1, 4, 30, tzinfo=UTC), timedelta(seconds=25)
_STRIDE = 7919  # a prime: between the numbers of two leads that were made one after the other
_GIVEN = ("Anita", "Arun", "Asha", "Deepa", "Farah", "Gopal", "Kavya", "Manoj", "Meena", "Priya", "Ravi", "Suresh")
_FAMILY = ("Iyer", "Kumar", "Menon", "Nair", "Pillai", "Rajan", "Rao", "Reddy", "Sharma", "Subramaniam")


@dataclass(frozen=True)
class Leads:
    """count: no multiple of the stride. busy: the id of the busy seller. first_seller: that of the first of the others,
    who are numbered through."""

    count: int
    busy: int
    first_seller: int

    @property
    def sellers(self) -> int:
        """How many there are beside the busy one."""
        return self.count // PER_SELLER + 1

    def number_of(self, n: int) -> int:
        return FIRST_NUMBER + n * _STRIDE % self.count

    def seller_of(self, n: int) -> int:
        return self.busy if n % PER_BUSY_SELLER == 0 else self.first_seller + n % self.sellers

    def rows(self) -> Iterator[Row]:
        chance = random.Random(11)
        for n in range(self.count):
            seller, at = self.seller_of(n), _at(n)
            yield {
                "id": _hex(LEAD_ID.format(self.number_of(n))),
                "name": name_of(n),
                "responsible_id": seller,
                "pipeline_id": _hex(pipeline_id(n % PIPELINES)),
                "stage": STAGES[int(chance.random() * len(STAGES))],
                "attributes": json.dumps(_attributes(n, chance)),
                "created_by_id": seller,
                "created_at": at,
                "updated_at": at,
            }

    def tasks(self) -> Iterator[Row]:
        """Two tasks of every third lead, one of them done; both were written by its seller."""
        for n in range(self.count):
            number = self.number_of(n)
            for place in range(2) if number % 3 == 2 else ():
                yield {
                    **self._item(n, 2 * number + place),
                    "position": place,
                    "task": "Call again",
                    "date": _at(n)[:10],
                    "completed": place == 0,
                }

    def notes(self) -> Iterator[Row]:
        """A note on every fourth lead."""
        for n in range(self.count):
            number = self.number_of(n)
            if number % 4 == 3:
                note = {"position": 0, "note": "Wants an offer for twelve people", "date": _at(n)}
                yield {**self._item(n, number), **note}

    def _item(self, n: int, pk: int) -> Row:
        return {
            "id": f"{pk:032x}",
            "entity": "lead",
            "record": _hex(LEAD_ID.format(self.number_of(n))),
            "user_id": self.seller_of(n),
            "date_created": _at(n),
        }


def moment_of(n: int) -> datetime:
    """When lead n was made."""
    return _FIRST_MOMENT + n * _STEP


def name_of(n: int) -> str:
    """One in ten has the same family name; the figures at the end are nobody else's."""
    return f"{_GIVEN[n % len(_GIVEN)]} {_FAMILY[n // len(_GIVEN) % len(_FAMILY)]} {7_000_000 + n}"


def budget_of(n: int) -> int:
    """The attribute `budget`; no two leads have the same."""
    return 10_000 + n


def _attributes(n: int, chance: random.Random) -> dict[str, Any]:
    return {
        "source": f"Fair in hall {int(chance.random() * 40)}",
        "budget": budget_of(n),
        "demo_on": (_FIRST_MOMENT.date() + timedelta(days=int(chance.random() * 365))).isoformat(),
        "is_hot": chance.random() < 0.2,
        "city": CITIES[int(chance.random() * len(CITIES))],
    }


def pipeline_id(nth: int) -> str:
    return f"00000000-0000-4000-8001-{nth:012d}"


def pipelines(*, made_by: int) -> Iterator[Row]:
    for nth in range(PIPELINES):
        made = {"created_by_id": made_by, "created_at": _at(0), "updated_at": _at(0)}
        yield {"id": _hex(pipeline_id(nth)), "name": f"Sales {nth}", **made}


def stages() -> Iterator[Row]:
    for nth in range(PIPELINES):
        for place, name in enumerate(STAGES, 1):
            pk = f"00000000-0000-4000-8002-{nth * 100 + place:012d}"
            yield {"id": _hex(pk), "pipeline_id": _hex(pipeline_id(nth)), "name": name, "position": place}


def definitions() -> Iterator[Row]:
    """The attributes of leads, one of each type."""
    types = {"source": "text", "budget": "number", "demo_on": "date", "is_hot": "boolean", "city": "list"}
    for order, (name, kind) in enumerate(types.items()):
        yield {
            "id": _hex(f"00000000-0000-4000-8003-{order:012d}"),
            "entity": "lead",
            "name": name,
            "label": name,
            "type": kind,
            "list_values": json.dumps(CITIES if kind == "list" else []),
            "order": order,
            "created_at": _at(0),
            "updated_at": _at(0),
        }


def _at(n: int) -> str:
    """The moment as SQLite keeps it: UTC without saying so."""
    return moment_of(n).isoformat(" ")[:19]


def _hex(pk: str) -> str:
    return pk.replace("-", "")
