"""The worker's loop."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from django.db import OperationalError

from tandem.config import worker
from tandem.config.worker import Stop


class Script:
    """Turns that do what a list says, and the rests that the loop took between them; it ends with the list."""

    def __init__(self, *results: int | Exception) -> None:
        self.results = list(results)
        self.rests: list[float] = []
        self.stop = Stop()
        self.stop.wait = self.rests.append

    def turn(self) -> int:
        result = self.results.pop(0)
        if not self.results:
            self.stop.set()
        if isinstance(result, Exception):
            raise result
        return result


def rests_of(*results: int | Exception) -> list[float]:
    script = Script(*results)
    worker.work([script.turn], stop=script.stop)
    assert script.results == []
    return script.rests


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    closed: list[None] = []
    monkeypatch.setattr(worker.connections, "close_all", lambda: closed.append(None))
    return closed


def test_it_goes_on_at_once_while_there_is_work() -> None:
    assert rests_of(10, 10, 3, 0) == [0.5]


def test_it_rests_when_there_is_none() -> None:
    assert rests_of(0, 0) == [0.5, 0.5]


def test_it_outlives_an_outage_of_the_database_with_growing_pauses(closed: list[None]) -> None:
    away = OperationalError("the server is gone")
    assert rests_of(*[away] * 7, 5, away) == [0.5, 1, 2, 4, 8, 10, 10, 0.5]
    assert len(closed) == 8


def test_a_bug_in_one_kind_of_work_does_not_stop_the_others() -> None:
    script, others = Script(ValueError("a bug"), 0), []
    worker.work([script.turn, lambda: others.append(1) or 0], stop=script.stop)
    assert others == [1, 1]


def test_an_import_that_takes_minutes_keeps_no_message_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    importing, sent, seen = threading.Event(), threading.Event(), []

    def do_import() -> int:
        importing.set()
        seen.append(sent.wait(20))
        return 0

    def send() -> int:
        if importing.wait(20) and not sent.is_set():
            sent.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    monkeypatch.setattr(worker, "do_import", do_import)
    monkeypatch.setattr(worker, "turns", lambda: [send])
    monkeypatch.setattr(worker, "send_webhooks", lambda stop, idle: None)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        worker.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen[0], "the message was sent while the import was at work"


def test_a_signal_ends_a_rest_at_once() -> None:
    stop = Stop()
    before = signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        stop.wait(60)  # the test's time limit would end it otherwise
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert stop.is_set
