"""What is measured, and the measuring: contestants take turns, round by round."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import ClassVar

from bench import company, load
from bench.databases import Stage
from bench.load import Plan
from bench.servers import Server


@dataclass(frozen=True)
class Case:
    """One kind of request. least_share: of the limit's rate that Tandem should reach; None: only looked at."""

    name: str
    resource: str
    plan: Plan
    least_share: float | None

    LEAST_MULTIPLE: ClassVar = 2.5  # of idiomatic DRF's rate


@dataclass(frozen=True)
class Result:
    """rates: contestant → requests per second, by round."""

    case: Case
    rates: Mapping[str, list[float]]

    def ratio(self, yardstick: str) -> float:
        """Tandem's rate over the yardstick's, within each round, in the middle; 0 when it was not measured."""
        beside = self.rates.get(yardstick)
        return median(ours / theirs for ours, theirs in zip(self.rates["tandem"], beside, strict=True)) if beside else 0

    @property
    def is_met(self) -> bool:
        if self.case.least_share is None:
            return True
        return self.ratio("limit") >= self.case.least_share and self.ratio("idiomatic") >= Case.LEAST_MULTIPLE


def _days() -> tuple[str, ...]:
    """The days for which may be booked now, without the outermost: midnight may pass meanwhile."""
    today = datetime.now(UTC).date()
    return tuple((today + timedelta(days=ahead)).isoformat() for ahead in range(2, 29))


def _cases() -> list[Case]:
    visits, cards = "/api/crm/services/", "/api/crm/cards/"
    first_booked, last_booked = company.BOOKED_CARDS
    booking = {"card": "{id}", "preferred_date": "{day}", "description": "Not dispensing water"}
    card = {
        "model": "AquaPure X1",
        "customer": "{id}",
        "region": "Madurai",
        "address": "12 MG Road",
        "city": "Madurai",
        "postal_code": "625001",
        "date_of_installation": "2025-09-15",
        "warranty_start_date": "2025-09-15",
        "warranty_end_date": "2031-09-14",
    }

    def reads(resource: str, path: str, ids: int) -> list[Case]:
        return [
            Case(f"{resource}: detail", resource, Plan("GET", path + "{id}/", 1, ids), 0.45),
            Case(f"{resource}: list of 50", resource, Plan("GET", path + "?limit=50"), 0.6),
            Case(f"{resource}: page of 50, counted", resource, Plan("GET", path + "?page_size=50"), None),
        ]

    def created(body: Mapping[str, str]) -> str:
        return json.dumps(body).replace('"{id}"', "{id}")

    bookable = last_booked - first_booked + 1
    return [
        *reads("visits", visits, company.READ_VISITS[1]),
        Case("visits: create", "visits", Plan("POST", visits, first_booked, bookable, created(booking), _days()), 0.35),
        *reads("cards", cards, company.READ_CARDS[1]),
        Case(
            "cards: create",
            "cards",
            Plan("POST", cards, company.FIRST_CUSTOMER, company.CUSTOMERS, created(card)),
            0.35,
        ),
    ]


CASES = _cases()


def measured(
    stage: Stage, servers: Mapping[str, Server], cases: Sequence[Case], *, rounds: int, bearer: bool
) -> Iterator[Result]:
    """The cases one after the other. Raises SystemExit when a contestant answers anything else than 2xx."""
    for case in cases:
        runners = {name: (server.port, f"Token {company.KEY}") for name, server in servers.items()}
        if case.least_share is None:
            del runners["limit"]  # it counts nothing
        elif bearer:
            runners["bearer"] = (servers["tandem"].port, f"Bearer {stage.bearer}")
        rates: dict[str, list[float]] = {name: [] for name in runners}
        start = 0
        for nth in range(rounds + 1):
            for name, (port, authorization) in runners.items():
                if nth == 0 and name == "bearer":
                    continue  # warm by now
                done = load.run(port, authorization, case.plan, start=start, seconds=1)
                if done.failed:
                    raise SystemExit(f"bench: {stage.name}, {case.name}: {name} refused {done.failed} requests")
                start += done.sent
                if nth > 0:  # the first round warms up
                    rates[name].append(done.requests_per_second)
        yield Result(case, rates)
