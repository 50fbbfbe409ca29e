"""The pages for whatever watches an installation."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.test import Client

from tandem.common import metrics, moments, rendering
from tandem.common.models import Installation
from tandem.config import health
from tandem.sms.outbox import queue_message
from tandem.webhooks.models import Delivery, Notice
from tandem.webhooks.tests.hooks import hook
from tests.cast import Api, as_, person
from tests.installation import prepared

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_was_written_or_told_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_written", {})
    monkeypatch.setattr(rendering, "_told_at", -rendering.TELL_EVERY_SECONDS)


def test_livez_answers_without_asking_the_database(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        answer = Client().get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readyz_is_content_with_a_prepared_database() -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_readyz_names_the_database_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("attempt to write a\n readonly database")

    monkeypatch.setattr(health, "check_writable", refuse)
    answer = Client().get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json() == {
        "status": "unavailable",
        "reasons": {"database": "attempt to write a readonly database"},
    }


def test_readyz_names_a_schema_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_schema_trouble", lambda: "the database is not prepared")
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, {"migrations": "the database is not prepared"})


@pytest.mark.parametrize(("minutes", "status"), [(4, 200), (6, 503)])
def test_readyz_complains_when_messages_are_not_sent(minutes: int, status: int) -> None:
    queue_message(to="+910000000001", text="x", purpose="otp", now=moments.now() - timedelta(minutes=minutes))
    answer = Client().get("/readyz")
    assert answer.status_code == status
    assert ("messages" in answer.json().get("reasons", {})) == (status == 503)


@pytest.mark.parametrize(
    ("minutes", "failing", "status", "why"),
    [
        (4, False, 200, "not late yet"),
        (6, False, 503, "nobody sends"),
        (600, True, 200, "the receiver does not answer: its own affair"),
    ],
)
def test_readyz_complains_when_receivers_that_answer_are_not_told(
    minutes: int, failing: bool, status: int, why: str
) -> None:
    _delivery(minutes=minutes, failing=failing)
    answer = Client().get("/readyz")
    assert answer.status_code == status, why
    assert ("webhooks" in answer.json().get("reasons", {})) == (status == 503)


def test_readyz_complains_when_no_deliveries_are_made_of_changes() -> None:
    at = moments.now() - timedelta(minutes=6)
    Notice.objects.create(sequence=1, model="Lead", type="lead.updated", kind="updated", record="r", at=at, data="{}")
    assert "webhooks" in Client().get("/readyz").json()["reasons"]


def test_metrics_tell_how_many_deliveries_wait_and_for_how_long() -> None:
    _delivery(minutes=1, failing=True)
    _delivery(minutes=2, failing=False, sequence=2)
    metrics.count_delivery("delivered")
    lines = Client().get("/metrics").content.decode().splitlines()
    read = {name: float(value) for name, _, value in (line.partition(" ") for line in lines if line[0] != "#")}
    assert (read["tandem_webhook_notices_waiting"], read["tandem_webhook_waiting"]) == (0, 2)
    assert 120 <= read["tandem_webhook_oldest_due_seconds"] < 180
    assert 120 <= read["tandem_webhook_oldest_due_well_seconds"] < 180
    assert read['tandem_webhook_attempts_total{result="delivered"}'] >= 1


def _delivery(*, minutes: int, failing: bool, sequence: int = 1) -> None:
    due = moments.now() - timedelta(minutes=minutes)
    webhook = hook()
    if failing:
        webhook.failing_since = due
        webhook.save()
    told = {"type": "lead.updated", "record": "r", "body": "{}"}
    Delivery.objects.create(webhook=webhook, sequence=sequence, next_attempt_at=due, created_at=due, **told)


def test_asking_whether_one_can_write_changes_one_row_of_its_own() -> None:
    for _ in range(2):
        before = moments.now()
        health.check_writable()
        assert Installation.objects.get().written_at >= before


def test_whoever_asks_it_is_written_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    monkeypatch.setattr(health, "check_writable", lambda: written.append(1))
    for _ in range(5):
        Client().get("/readyz")
    assert len(written) == 1
    monkeypatch.setattr(health, "WRITTEN_LATELY_SECONDS", 0.0)
    Client().get("/readyz")
    assert len(written) == 2


WITHOUT_ROOM = """
import os, resource
from django.db import connection
from django.test import Client
from tandem.config import health
ask = Client(headers={"host": "localhost"}).get
print(ask("/readyz").status_code)
written = os.path.getsize(f"{connection.settings_dict['NAME']}-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (written, written))  # as on a full disk, no file can grow
health.WRITTEN_LATELY_SECONDS = 0
print(ask("/readyz").status_code, ask("/readyz").json())
"""


@pytest.mark.processes
@pytest.mark.skipif(connection.vendor != "sqlite", reason="of PostgreSQL it is the server's disk")
def test_readyz_notices_a_disk_on_which_nothing_can_be_written(tmp_path: Path) -> None:
    with prepared(tmp_path) as installation:
        asked = installation.python(WITHOUT_ROOM)
    assert asked.stdout.splitlines() == [
        "200",
        "503 {'status': 'unavailable', 'reasons': {'database': 'disk I/O error'}}",
    ], asked.stderr
    lines = [line for line in asked.stderr.splitlines() if "the database cannot be used" in line]
    assert len(lines) == 1
    assert '"level":"error"' in lines[0]
    assert '"error":"OperationalError (SQLITE_IOERR_WRITE)"' in lines[0]


def test_a_write_that_fails_for_the_database_is_told_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection to 10.0.0.7 failed, password=hunter2") from sqlite3.OperationalError("x")

    monkeypatch.setattr("tandem.fieldservice.api.cards.create_card", away)
    with caplog.at_level("ERROR"):
        for _ in range(3):
            answer = as_("asha").post("/api/crm/cards/", {"model": "X", "customer": person("chitra").pk})
            assert answer.status_code == 503
    (line,) = [record for record in caplog.records if record.name == "tandem.common.rendering"]
    assert (line.getMessage(), line.error) == ("the database cannot be used", "OperationalError")


def test_metrics_count_requests_and_tell_what_waits() -> None:
    queue_message(to="+910000000001", text="x", purpose="otp", now=moments.now() - timedelta(seconds=30))
    metrics.observe_request(route="api/x/<int:pk>/", method="GET", status=200, seconds=0.004, queries=2)
    metrics.observe_request(route="", method="BREW", status=405, seconds=0.004, queries=0)
    page = Client().get("/metrics")
    assert page["Content-Type"].startswith("text/plain")
    lines = page.content.decode().splitlines()
    assert 'tandem_requests_total{method="GET",route="api/x/<int:pk>/",status="200"} 1.0' in lines
    assert 'tandem_requests_total{method="other",route="none",status="405"} 1.0' in lines
    assert "tandem_sms_waiting 1" in lines
    (late,) = [line for line in lines if line.startswith("tandem_sms_oldest_due_seconds ")]
    assert 30 <= float(late.split()[1]) < 60


@pytest.mark.parametrize(
    ("environ", "status", "why"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200, "this machine itself"),
        ({"REMOTE_ADDR": "127.0.0.1:51234"}, 200, "the same, as the server writes it"),
        ({"REMOTE_ADDR": "::1"}, 200, "the same"),
        ({"REMOTE_ADDR": "192.0.2.7"}, 403, "another machine"),
        ({"REMOTE_ADDR": ""}, 403, "nobody knows"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.7"}, 403, "a proxy on this machine"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, 403, "what a proxy's client made up"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_REAL_IP": "192.0.2.7"}, 403, "another kind of proxy"),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.7"}, 403, "another kind of proxy"),
    ],
)
def test_metrics_are_for_this_machine(environ: dict[str, str], status: int, why: str) -> None:
    assert Client().get("/metrics", **environ).status_code == status, why


def test_with_a_trusted_proxy_nobody_counts_as_local(settings) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert Client().get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403


@pytest.mark.parametrize("scheme", ["Bearer", "Token"])
@pytest.mark.parametrize(("who", "status"), [("asha", 200), ("wasim", 403), ("chitra", 403)])
def test_metrics_are_for_admins(who: str, status: int, scheme: str) -> None:
    credential = Api(person(who), scheme=scheme).headers["Authorization"]
    answer = Client().get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION=credential)
    assert answer.status_code == status


def test_metrics_refuse_a_bad_credential() -> None:
    answer = Client().get("/metrics", REMOTE_ADDR="192.0.2.7", HTTP_AUTHORIZATION="Bearer nonsense")
    assert answer.status_code == 403
