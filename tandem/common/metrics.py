"""What `/metrics` tells: counters that each process keeps, added up over the processes of one `tandem serve`.

Several processes answer requests and one sends messages, so prometheus-client's multi-process mode is used: with
PROMETHEUS_MULTIPROC_DIR in the environment (`tandem serve` sets it) each process counts in a memory-mapped file there,
and `/metrics` adds the files up; a count costs microseconds and survives the process. Without that variable, as in
tests or under another server, each process counts for itself.
"""

from __future__ import annotations

import os
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

requests = Counter("tandem_requests", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram(
    "tandem_request_seconds",
    "Time to answer a request.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
queries = Counter("tandem_queries", "Statements sent to the database to answer requests.", ["method", "route"])
messages = Counter("tandem_sms", "Attempts to send a text message, by what came of them.", ["result"])
deliveries = Counter("tandem_webhook_attempts", "Attempts to tell a webhook, by what came of them.", ["result"])
refused_logins = Counter("tandem_refused_logins", "Logins that were refused, by reason.", ["reason"])

# A client may send any word as a method; a label per made-up word would grow without end.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(*, route: str, method: str, status: int, seconds: float, queries: int) -> None:
    """Count one answered request. route: the pattern, never the path, for each label is kept for ever; "" if none."""
    answered, took, asked = _counters(method if method in _METHODS else "other", route or "none", status)
    answered.inc()
    took.observe(seconds)
    asked.inc(queries)


@cache
def _counters(method: str, route: str, status: int) -> tuple[Counter, Histogram, Counter]:
    """Of one kind of request, found once: to find them took longer than to count."""
    return (
        requests.labels(method, route, str(status)),
        request_seconds.labels(method, route),
        queries.labels(method, route),
    )


def count_message(result: str) -> None:
    messages.labels(result).inc()


def count_delivery(result: str) -> None:
    deliveries.labels(result).inc()


def count_refused_login(reason: str) -> None:
    refused_logins.labels(reason).inc()


def exposition() -> bytes:
    """All counters in Prometheus's text format."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
