"""What stands in a log line, and what must never stand there."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tandem.common.logs import BugsOnly, JsonLines
from tests.cast import Api, card_of, person

SECRET = "Jackfruit-Seed-94"


@pytest.fixture
def lines() -> Iterator[Any]:
    """What the root's and the requests' loggers write, parsed."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    loggers = [logging.getLogger("tandem"), logging.getLogger("django")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.addHandler(handler)
    loggers[0].setLevel(logging.DEBUG)
    try:
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.removeHandler(handler)
            one.setLevel(level)


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_id_its_actor_its_time_and_its_queries(lines: Any) -> None:
    asha = Api(person("asha"))
    card = card_of(person("chitra"))
    with CaptureQueriesContext(connection) as captured:
        asked = Client().get(f"/api/crm/cards/{card.pk}/?page=1", headers=asha.headers)
    (line,) = lines()
    assert 0 <= line.pop("duration_ms") < 60_000
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "tandem.requests",
        "message": "request",
        "request_id": asked["X-Request-Id"],
        "method": "GET",
        "path": f"/api/crm/cards/{card.pk}/",
        "status": 200,
        "queries": len(captured),
        "actor": person("asha").pk,
    }
    assert len(captured) > 0


@pytest.mark.django_db
def test_queries_of_a_change_count_as_django_counts_them(lines: Any) -> None:
    asha, chitra = Api(person("asha")), person("chitra")
    with CaptureQueriesContext(connection) as captured:
        asha.post("/api/crm/cards/", {"model": "X1", "customer": chitra.pk, "region": "Madurai", "city": "Madurai"})
    (line,) = lines()
    assert (line["status"], line["queries"]) == (201, len(captured))


@pytest.mark.django_db
def test_a_bug_is_logged_with_its_place_and_without_what_was_sent(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(login: str, password: str, **_: Any) -> None:
        try:
            int(password)
        except ValueError as wrong:
            raise RuntimeError(f"cannot sign in with {password}") from wrong

    monkeypatch.setattr("tandem.accounts.api.auth.check_login", broken)
    client = Client(raise_request_exception=False)
    sent = {"username": "asha", "password": SECRET}
    answer = client.post(f"/api/auth/login/?x={SECRET}", json.dumps(sent), content_type="application/json")
    assert answer.status_code == 500
    bug, request = lines()
    assert (bug["level"], bug["message"]) == ("error", "Internal Server Error: /api/auth/login/")
    assert bug["request_id"] == request["request_id"] == answer["X-Request-Id"]
    assert "int(password)" in bug["exception"]
    assert "builtins.ValueError\nwhich led to\n" in bug["exception"]
    assert bug["exception"].endswith("builtins.RuntimeError\n")
    assert SECRET not in json.dumps(lines())


def test_a_database_says_what_kind_of_trouble_it_has_and_not_with_which_row() -> None:
    try:
        raise _Refused("duplicate key", f"Key (phone)=({SECRET}) already exists.")
    except _Refused:
        told = _formatted()
    assert told["exception"].endswith("_Refused (23505)\n")
    assert SECRET not in str(told)


class _Refused(Exception):
    sqlstate = "23505"


def test_the_system_says_what_kind_of_trouble_it_has() -> None:
    try:
        raise OSError(28, "No space left on device", f"/files/{SECRET}")
    except OSError:
        told = _formatted()
    assert told["exception"].endswith("builtins.OSError (No space left on device)\n")
    assert SECRET not in str(told)


def test_a_developer_reads_messages(settings: Any) -> None:
    settings.DEBUG = True
    try:
        raise ValueError("what is wrong")
    except ValueError:
        assert _formatted()["exception"].endswith("builtins.ValueError: what is wrong\n")


def test_django_hands_a_request_to_its_lines_and_its_address_is_left_out() -> None:
    record = logging.LogRecord("django.security", logging.ERROR, "", 0, "Invalid HTTP_HOST header", (), None)
    record.request = f"<WSGIRequest: GET '/api/files/x?signature={SECRET}'>"
    assert SECRET not in JsonLines().format(record)


def test_refusals_are_not_told_twice() -> None:
    record = logging.LogRecord("django.request", logging.ERROR, "", 0, "Service Unavailable: /readyz", (), None)
    assert not BugsOnly().filter(record)


def test_libraries_are_not_heard_below_warnings() -> None:
    """httpx tells addresses at INFO, httpcore and botocore tell headers at DEBUG."""
    loggers = configured.LOGGING["loggers"]
    assert configured.LOGGING["root"]["level"] in ("WARNING", "ERROR")
    assert [name for name, one in loggers.items() if one["level"] not in ("WARNING", "ERROR", "CRITICAL")] == ["tandem"]


def _formatted() -> dict[str, Any]:
    import sys

    record = logging.LogRecord("tandem.x", logging.ERROR, "", 0, "a turn failed", (), sys.exc_info())
    read: dict[str, Any] = json.loads(JsonLines().format(record))
    return read
