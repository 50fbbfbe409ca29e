"""What is measured, and the measuring: contestants take turns, round by round."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, ClassVar

from bench import company, leads, load
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


def _reads(resource: str, plan: Plan, listed: str) -> list[Case]:
    """plan: of details. listed: the path of a list, with `?` and its filters."""
    return [
        Case(f"{resource}: detail", resource, plan, 0.45),
        Case(f"{resource}: list of 50", resource, Plan("GET", f"{listed}limit=50"), 0.6),
        Case(f"{resource}: page of 50, counted", resource, Plan("GET", f"{listed}page_size=50"), None),
    ]


def _visits() -> list[Case]:
    path = "/api/crm/services/"
    first, last = company.BOOKED_CARDS
    booking = {"card": "{id}", "preferred_date": "{day}", "description": "Not dispensing water"}
    return [
        *_reads("visits", Plan("GET", path + "{id}/", 1, company.READ_VISITS[1]), f"{path}?"),
        Case("visits: create", "visits", Plan("POST", path, first, last - first + 1, _body(booking), _days()), 0.35),
    ]


def _cards() -> list[Case]:
    path = "/api/crm/cards/"
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
    return [
        *_reads("cards", Plan("GET", path + "{id}/", 1, company.READ_CARDS[1]), f"{path}?"),
        Case(
            "cards: create",
            "cards",
            Plan("POST", path, company.FIRST_CUSTOMER, company.CUSTOMERS, _body(card)),
            0.35,
        ),
    ]


def _leads() -> list[Case]:
    path, stored = "/api/leads/", company.LEADS
    lead = {
        "name": "Anita Rao",
        "pipeline": leads.pipeline_id(1),
        "stage": "New",
        "responsible": "{id}",
        "attributes": {
            "source": "Fair in hall 7",
            "budget": 2500,
            "demo_on": "2026-01-15",
            "is_hot": True,
            "city": "Madurai",
        },
    }
    plan = Plan("GET", f"{path}{leads.LEAD_ID.format('{id}')}/", leads.FIRST_NUMBER, stored.count)
    return [
        *_reads("leads", plan, f"{path}?stage=Negotiation&attributes.city=Madurai&"),
        Case("leads: create", "leads", Plan("POST", path, stored.first_seller, stored.sellers, _body(lead)), 0.35),
    ]


def _body(example: Mapping[str, Any]) -> str:
    return json.dumps(example).replace('"{id}"', "{id}")


CASES = [*_visits(), *_cards(), *_leads()]
RESOURCES = tuple(dict.fromkeys(case.resource for case in CASES))


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
