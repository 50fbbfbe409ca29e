"""Does Tandem stay as fast when there are ten and a hundred times as many leads? PostgreSQL only.

One client on one kept-alive connection asks servers of three databases in turn, so that whatever else the machine does
meets all sizes. What is printed are medians and 95th percentiles of all requests, and medians of the ratios of medians
within a round.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import median, quantiles
from typing import Any

from bench import company, leads
from bench.leads import Leads

COUNTS = (10_000, 100_000, 1_000_000)
FLAT = 1.3  # a ratio up to here counts as "as fast"
REQUESTS, SECONDS = 15, 0.6  # of one size in one round: no more than this, though two at least
WARMING = 12  # requests; PostgreSQL settles for a plan after seven


@dataclass(frozen=True)
class Case:
    """One kind of request. path: of request n to a company; its answer must satisfy is_right.

    key: whose; the busy seller's, if nothing else is said.
    """

    name: str
    path: Callable[[Leads, int], str]
    is_right: Callable[[Leads, Any], bool]
    key: str = company.KEY


@dataclass(frozen=True)
class Result:
    """milliseconds: rounds of requests, by size in the order of COUNTS."""

    case: Case
    milliseconds: Sequence[Sequence[Sequence[float]]]

    def median_of(self, size: int) -> float:
        return median(chain(*self.milliseconds[size]))

    def percentile_of(self, size: int, percent: int) -> float:
        return quantiles(chain(*self.milliseconds[size]), n=100)[percent - 1]

    def ratio(self, size: int) -> float:
        """To the smallest size."""
        pairs = zip(self.milliseconds[size], self.milliseconds[0], strict=True)
        return median(median(larger) / median(smallest) for larger, smallest in pairs)

    @property
    def is_flat(self) -> bool:
        return all(self.ratio(size) <= FLAT for size in range(1, len(COUNTS)))


@dataclass
class Client:
    """A connection to the server of one size."""

    of: Leads
    port: int
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def asked(self, path: str, key: str) -> tuple[bytes, float]:
        """The answer and how many milliseconds it took. Raises SystemExit when it is anything else than 200."""
        began = time.perf_counter()
        self.connection.request("GET", path, headers={"Authorization": f"Token {key}"})
        answer = self.connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise SystemExit(f"bench: {path} answers {answer.status}: {body[:500]!r}")
        return body, 1000 * took


def measured(ports: Sequence[int], *, rounds: int) -> Iterator[Result]:
    """The cases one after the other. ports: of the servers of all sizes, in the order of COUNTS.

    Raises SystemExit at the first wrong answer.
    """
    clients = [
        Client(Leads(count, busy=company.CALLER_ID, first_seller=company.LEADS.first_seller), port)
        for count, port in zip(COUNTS, ports, strict=True)
    ]
    for case in CASES:
        for client in clients:
            _checked(client, case)
        milliseconds: list[list[list[float]]] = [[] for _ in clients]
        for nth in range(rounds):
            for client, kept in zip(clients, milliseconds, strict=True):
                kept.append(_round(client, case, nth))
        yield Result(case, milliseconds)


def _checked(client: Client, case: Case) -> None:
    until = time.monotonic() + 10 * SECONDS
    for n in range(WARMING):
        path = case.path(client.of, n)
        body, _ = client.asked(path, case.key)
        if not case.is_right(client.of, json.loads(body)):
            raise SystemExit(f"bench: {case.name}: a wrong answer to {path}: {body[:1000].decode()}")
        if time.monotonic() > until:
            return


def _round(client: Client, case: Case, nth: int) -> list[float]:
    until = time.monotonic() + SECONDS
    took: list[float] = []
    while len(took) < REQUESTS and (time.monotonic() < until or len(took) < 2):
        path = case.path(client.of, WARMING + nth * REQUESTS + len(took))
        took.append(client.asked(path, case.key)[1])
    return took


def _list(**query: str) -> str:
    return "/api/leads/?" + "".join(f"{name}={value}&" for name, value in query.items()) + "limit=50"


def _deep(of: Leads, **query: str) -> str:
    """The page behind nine tenths of all leads. A cursor is the keys of the last row before it (reading/listing.py)."""
    n = of.count // 10
    keys = ["", leads.moment_of(n).isoformat(), leads.LEAD_ID.format(of.number_of(n))]
    return _list(cursor=base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("="), **query)


def _full(of: Leads, rows: Any) -> bool:
    return len(rows) == 50


def _starts_deep(of: Leads, rows: Any) -> bool:
    return len(rows) == 50 and bool(rows[0]["name"] == leads.name_of(of.count // 10 - 1))


def _some(of: Leads, rows: Any) -> bool:
    return 0 < len(rows) <= 50


def _is_a_lead(of: Leads, lead: Any) -> bool:
    return "list_of_tasks" in lead


def _only_one(of: Leads, rows: Any) -> bool:
    return len(rows) == 1


def _none(of: Leads, rows: Any) -> bool:
    return rows == []


def _stage(n: int) -> str:
    return leads.STAGES[n % len(leads.STAGES)]


def _any_lead(of: Leads, n: int) -> int:
    return n * 7907 % of.count


def _demo_on(n: int) -> str:
    return f"2025-{1 + n % 12:02d}-{1 + n % 28:02d}"


CASES = [
    Case("detail", lambda of, n: f"/api/leads/{leads.LEAD_ID.format(of.number_of(_any_lead(of, n)))}/", _is_a_lead),
    Case("first page", lambda of, n: _list(), _full),
    Case("page at nine tenths", lambda of, n: _deep(of), _starts_deep),
    Case("by stage", lambda of, n: _list(stage=_stage(n)), _full),
    Case("by stage, at nine tenths", lambda of, n: _deep(of, stage=_stage(n)), _full),
    Case(
        "by pipeline and stage",
        lambda of, n: _list(pipeline=leads.pipeline_id(n % leads.PIPELINES), stage=_stage(n)),
        _full,
    ),
    Case("of a seller (500 leads)", lambda of, n: _list(responsible=str(of.first_seller + 1 + n % 20)), _full),
    Case("of the busy seller (1 in 40)", lambda of, n: _list(responsible=str(of.busy)), _full),
    Case(
        "by attribute, 1 in 8", lambda of, n: _list(**{"attributes.city": leads.CITIES[n % len(leads.CITIES)]}), _full
    ),
    Case("by attribute, 1 in 365", lambda of, n: _list(**{"attributes.demo_on": _demo_on(n)}), _some),
    Case(
        "by attribute, 1 in all",
        lambda of, n: _list(**{"attributes.budget": str(leads.budget_of(_any_lead(of, n)))}),
        _only_one,
    ),
    Case(
        "by stage and attribute",
        lambda of, n: _list(stage=_stage(n), **{"attributes.city": leads.CITIES[n % len(leads.CITIES)]}),
        _full,
    ),
    Case("search, 1 in 10", lambda of, n: _list(search=("Menon", "Rajan", "Reddy", "Sharma")[n % 4]), _full),
    Case("search, 1 in all", lambda of, n: _list(search=leads.name_of(_any_lead(of, n))[-7:]), _only_one),
    Case("search, none", lambda of, n: _list(search=f"Zacharias{n}"), _none),
    Case("my tasks (500 leads)", lambda of, n: "/api/my-tasks/?limit=50", _full, company.SELLER_KEY),
    Case("my tasks (1 lead in 40)", lambda of, n: "/api/my-tasks/?limit=50", _full),
    Case(
        "page of 50, counted",
        lambda of, n: "/api/leads/?page_size=50",
        lambda of, page: bool(page["count"] == of.count),
    ),
]
