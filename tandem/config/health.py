"""`/livez`, `/readyz` and `/metrics`: for whatever watches an installation."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tandem.accounts.authentication import AccessTokens, KeyTokens
from tandem.common import metrics, moments, queue
from tandem.common.addresses import client_address
from tandem.common.models import Installation, PeriodicJob
from tandem.common.rendering import tell_of_outage
from tandem.config import database, jobs
from tandem.config.safety import is_loopback
from tandem.jobs.models import Job
from tandem.sms.models import Message
from tandem.webhooks import queries as webhook_figures

LATE = timedelta(minutes=5)  # a due message that waits so long means that no worker sends, or that no gateway answers
WRITTEN_LATELY_SECONDS = 1.0  # so long a write that went well counts
PROXY_HEADERS = ("HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED")


def livez(request: HttpRequest) -> HttpResponse:
    """This process answers. It asks nobody else: a database that is away is no reason to start the process anew."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served; else 503 with the reasons, by check.

    Late messages are a reason too: an installation whose codes do not arrive does not work, whoever answers requests.
    Of webhooks those count whose receivers answer: that somebody else's server is down is no reason to stop ours.
    """
    try:
        reasons = _reasons_not_to_serve()
    except DatabaseError as away:
        tell_of_outage(away)
        reasons = {"database": _in_one_line(away)}
    if reasons:
        return JsonResponse({"status": "unavailable", "reasons": reasons}, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"status": "ok"})


def _reasons_not_to_serve() -> dict[str, str]:
    """Raises DatabaseError when the database cannot be read or written."""
    reasons: dict[str, str] = {}
    if trouble := _schema_trouble():
        reasons["migrations"] = trouble
        return reasons
    _check_writable_now_and_then()
    oldest = queue.oldest_due(Message.objects.all(), now=moments.now())
    if oldest is not None and moments.now() - oldest > LATE:
        reasons["messages"] = f"the oldest text message has been due since {moments.iso(oldest)}"
    oldest = webhook_figures.oldest_due(now=moments.now())
    if oldest is not None and moments.now() - oldest > LATE:
        reasons["webhooks"] = f"the oldest delivery to a receiver that answers has been due since {moments.iso(oldest)}"
    return reasons


_right_schemas: set[str] = set()


def _schema_trouble() -> str:
    """As `SchemaState.trouble`. A schema that was right stays so while this process lives: migrations want it gone."""
    name = str(connection.settings_dict["NAME"])
    if name in _right_schemas:
        return ""
    trouble = database.schema_state().trouble
    if not trouble:
        _right_schemas.add(name)
    return trouble


_written: dict[str, float] = {}  # by database; when this process last wrote into it


def _check_writable_now_and_then() -> None:
    """As `check_writable`, at most once a second: anybody may ask, and each write waits for the disk."""
    name = str(connection.settings_dict["NAME"])
    if time.monotonic() - _written.get(name, -WRITTEN_LATELY_SECONDS) < WRITTEN_LATELY_SECONDS:
        return
    check_writable()
    _written[name] = time.monotonic()


def check_writable() -> None:
    """Write a row of our own. Raises DatabaseError (read-only, disk full, locked, away).

    It is committed: what is taken back never gets to the disk, so a full one would not be noticed.
    """
    Installation.objects.bulk_create(
        [Installation(pk=Installation.THE_ONE, written_at=moments.now())],
        update_conflicts=True,
        unique_fields=["pk"],
        update_fields=["written_at"],
    )


def metrics_page(request: HttpRequest) -> HttpResponse:
    """Prometheus's text format; for this machine itself, and for admins."""
    if not (_is_local(request) or _is_admin(request)):
        answer = {"detail": "Only for admins, and for this machine itself.", "code": "permission_denied"}
        return JsonResponse(answer, status=403)
    return HttpResponse(metrics.exposition() + _gauges().encode(), content_type=CONTENT_TYPE_LATEST)


def _gauges() -> str:
    """What is known by asking the database at this moment; it is the same for all processes."""
    now = moments.now()
    beat = PeriodicJob.objects.filter(name=jobs.HEARTBEAT).values_list("last_finished_at", flat=True).first()
    lines = [
        *_queue("tandem_sms", "text message", Message.objects.all(), now=now),
        *_queue("tandem_jobs", "job", Job.objects.all(), now=now),
    ]
    for name, (meaning, value) in webhook_figures.waiting(now=now).items():
        lines += _gauge(f"tandem_webhook_{name}", meaning, value)
    if beat is not None:
        lines += _gauge("tandem_worker_seen_seconds", "Since when no worker was seen.", (now - beat).total_seconds())
    return "\n".join(lines) + "\n"


def _queue(name: str, of: str, rows: QuerySet[Any], *, now: datetime) -> list[str]:
    """How much waits, and for how long it could have been done. Two queries."""
    oldest = queue.oldest_due(rows, now=now)
    age = (now - oldest).total_seconds() if oldest else 0
    return [
        *_gauge(f"{name}_waiting", f"How many {of}s are not done yet.", queue.waiting(rows)),
        *_gauge(f"{name}_oldest_due_seconds", f"For how long the oldest due {of} has been due.", age),
    ]


def _gauge(name: str, meaning: str, value: float) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", f"{name} {value:g}"]


def _is_local(request: HttpRequest) -> bool:
    """Asked from this machine: not through a proxy, for with one in front everything comes from this machine."""
    if settings.TRUSTED_PROXIES or any(name in request.META for name in PROXY_HEADERS):
        return False
    return is_loopback(client_address(request))


def _is_admin(request: HttpRequest) -> bool:
    asked = Request(request, authenticators=[AccessTokens(), KeyTokens()])
    try:
        user = asked.user
    except AuthenticationFailed:
        return False
    return bool(user is not None and user.is_authenticated and user.is_admin)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
