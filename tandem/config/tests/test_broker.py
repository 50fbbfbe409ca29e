"""Hints through the real brokers: they arrive, they may be lost, and nobody waits for them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import transaction

from tandem.common import hints, moments
from tandem.config import broker, worker
from tandem.sms.outbox import queue_message
from tests.installation import PATIENCE_SECONDS, prepared
from tests.ports import free_port

BROKERS = {"rabbitmq": "amqp://guest:guest@127.0.0.1:5672//", "redis": "redis://127.0.0.1:6379/9"}


def wait_until(condition: Callable[[], Any], what: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.01)


@pytest.fixture(params=BROKERS)
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A broker with a queue of the test's own."""
    url = BROKERS[request.param]
    place = urlsplit(url)
    with socket.socket() as probe:
        if probe.connect_ex((place.hostname or "", place.port or 0)):
            pytest.skip(f"there is no {request.param} on {place.hostname}:{place.port}")  # since 2026-11
    monkeypatch.setattr(broker, "QUEUE", f"tandem-test-{uuid.uuid4().hex[:8]}")
    monkeypatch.setattr(broker, "AGAIN_AFTER_SECONDS", 0.1)
    yield url
    with broker.application(url).connection_for_write() as connection:
        broker.application(url).amqp.queues[broker.QUEUE](connection.default_channel).delete()


@pytest.fixture(autouse=True)
def _fresh_applications(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(hints, "carriers", [])
    broker.application.cache_clear()
    yield
    broker.application.cache_clear()


@contextlib.contextmanager
def listening(url: str) -> Iterator[tuple[broker.Listener, list[None]]]:
    heard: list[None] = []
    listener = broker.Listener(url, lambda: heard.append(None))
    try:
        yield listener, heard
    finally:
        listener.close()


@pytest.mark.django_db(transaction=True)
def test_a_committed_row_wakes_a_worker_and_one_that_was_rolled_back_does_not(url: str) -> None:
    crier = broker.Crier(url)
    hints.carriers.append(crier)
    with listening(url) as (listener, heard):
        wait_until(lambda: listener.is_connected, "the worker listens")
        at_first = len(heard)
        with transaction.atomic():
            queue_message(to="+919000000001", text="x", purpose="test", now=moments.now())
            transaction.set_rollback(True)
        assert not crier._wanted.is_set()
        assert crier.sent == 0
        queue_message(to="+919000000001", text="x", purpose="test", now=moments.now())
        wait_until(lambda: len(heard) > at_first and crier.sent == 1, "the one hint arrives")


def test_hints_of_many_commits_become_few(url: str) -> None:
    crier = broker.Crier(url)
    with listening(url) as (listener, heard):
        wait_until(lambda: listener.is_connected, "the worker listens")
        for _ in range(1000):
            crier()
        wait_until(lambda: len(heard) >= 2, "a hint arrives")
    assert crier.sent < 100


def test_who_begins_to_listen_looks_at_the_rows_first(url: str) -> None:
    with listening(url) as (_, heard):
        wait_until(lambda: heard, "it was woken although nobody sent a hint")
        assert len(heard) == 1


def test_a_broker_that_comes_back_is_listened_to_again(url: str) -> None:
    with Road(url) as road, listening(road.url) as (listener, heard):
        rest = lambda: worker.IDLE_WITH_HINTS_SECONDS if listener.is_connected else worker.IDLE_SECONDS  # noqa: E731
        wait_until(lambda: rest() == 5.0, "it rests long while hints can come")
        road.cut()
        wait_until(lambda: rest() == 0.5, "it looks often while they cannot")
        road.mend()
        wait_until(lambda: listener.is_connected, "it listens again")
        crier, before = broker.Crier(road.url), len(heard)
        crier()
        wait_until(lambda: len(heard) > before, "it hears again")


def test_a_broker_that_does_not_answer_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broker, "AGAIN_AFTER_SECONDS", 0.01)
    tried = threading.Semaphore(0)

    def away(*_: object) -> None:
        tried.release()
        raise ConnectionRefusedError

    monkeypatch.setattr(broker.Listener, "_listen", away)
    with listening("redis://127.0.0.1:1/0"):
        assert all(tried.acquire(timeout=PATIENCE_SECONDS) for _ in range(3))
    assert [one.getMessage() for one in caplog.records] == ["the broker is away; looking for work twice a second"]


@pytest.mark.parametrize("port", [free_port, lambda: _SILENT.getsockname()[1]], ids=["nobody there", "says nothing"])
def test_who_asks_whether_a_broker_answers_need_not_wait_long(
    port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "CONNECT_SECONDS", 0.2)
    assert broker.silence(f"redis://127.0.0.1:{port()}/0")


def test_a_broker_that_answers_is_not_silent(url: str) -> None:
    assert broker.silence(url) == ""


# Takes connections and never says a word. It stays for as long as the thread that waits for it: to the end.
_SILENT = socket.create_server(("127.0.0.1", 0))


def test_nobody_waits_for_a_broker_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "AGAIN_AFTER_SECONDS", 3600)  # its thread is not to go on behind the test
    crier = broker.Crier(f"redis://127.0.0.1:{_SILENT.getsockname()[1]}/0")
    callers = [threading.Thread(target=crier) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(1)
        assert not caller.is_alive()


@pytest.mark.processes
@pytest.mark.django_db
@pytest.mark.parametrize("url", ["rabbitmq"], indirect=True)
def test_a_fleet_of_celery_workers_does_the_same_work(url: str, tmp_path: Path) -> None:
    sent = tmp_path / "sms.jsonl"
    with prepared(tmp_path / "data") as installation:
        installation.settings = {
            "TANDEM_BROKER_URL": url,
            "TANDEM_SMS_BACKEND": "file",
            "TANDEM_SMS_FILE": str(sent),
        }
        left = installation.python(
            "from tandem.config import broker, worker\n"
            f"broker.QUEUE = {broker.QUEUE!r}\n"
            "from django.conf import settings\n"
            "from tandem.common import moments\n"
            "from tandem.sms.outbox import queue_message\n"
            "queue_message(to='+919000000001', text='Hello', purpose='test', now=moments.now())\n"
            "broker.application(settings.BROKER_URL).send_task(broker.DRAIN)\n"
        )
        assert left.returncode == 0, left.stderr
        fleet = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from tandem.config import broker; broker.QUEUE = {broker.QUEUE!r}\n"
                "broker.app.worker_main(['worker', '--pool', 'solo', '--loglevel', 'warning', '--without-mingle'])",
            ],
            env=installation.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            wait_until(sent.exists, "the message was sent")
            assert '"Hello"' in sent.read_text()
        finally:
            fleet.terminate()
            fleet.communicate(timeout=30)


class Road:
    """A road to a broker that can be cut: a port that passes everything on."""

    def __init__(self, url: str) -> None:
        self._place = urlsplit(url)
        port = free_port()
        self.url = urlunsplit(self._place._replace(netloc=f"{self._place.netloc.rpartition(':')[0]}:{port}"))
        self._open: list[socket.socket] = []
        self._whole = True
        self._listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> Road:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        self._whole = False
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def mend(self) -> None:
        self._whole = True

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if not self._whole:
                    near.close()
                    continue
                far = socket.create_connection((self._place.hostname, self._place.port))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(65536):
            other.sendall(piece)
    with contextlib.suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
