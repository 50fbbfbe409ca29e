"""The worker: sends what waits in outboxes and does what is due by the clock, until it is told to stop.

Any number of workers may run, on any number of machines: rows and jobs are claimed, never divided beforehand.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from tandem.academy.api import imports
from tandem.config import jobs
from tandem.jobs import runner
from tandem.sms import backends as sms_backends
from tandem.sms import sender as sms_sender
from tandem.webhooks.sender import Sender

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5  # between looks at the rows when nobody tells that there is something
IDLE_WITH_HINTS_SECONDS = 5.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0  # between tries while the database is away

# One turn of one kind of work: does a bounded piece and tells how many rows it took, 0 when there was nothing.
Turn = Callable[[], int]
Idle = Callable[[], float]


class Stop:
    """Tells a loop to end, and wakes it when it rests.

    A pipe, for a signal handler may run at any instant: threading.Event takes a lock in `set`, and when the signal
    interrupts the same thread inside of `wait`, which holds it, nothing moves any more.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        # A pipe that is full of wakings wakes as well as any.
        os.set_blocking(self._write, False)
        self.is_set = False

    def set(self) -> None:
        self.is_set = True
        self.wake()

    def wake(self) -> None:
        """End the present rest, or the next one, from whatever thread."""
        with suppress(BlockingIOError):
            os.write(self._write, b"x")

    def wait(self, seconds: float) -> None:
        if select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 65536)


def run() -> None:
    """Work until SIGTERM or SIGINT; what is in hand is finished and recorded first.

    Webhooks and imports have threads of their own: an import may take minutes, and receivers and gateways may hang,
    but the one-time code that a technician waits for is sent at once.
    """
    stops = {"messages": Stop(), "webhooks": Stop(), "imports": Stop()}

    def end(*_: object) -> None:
        for stop in stops.values():
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    with listening(*(stop.wake for stop in stops.values())) as idle:
        beside = [
            threading.Thread(target=lambda: send_webhooks(stops["webhooks"], idle=idle), name="webhooks"),
            threading.Thread(target=lambda: do_imports(stops["imports"], idle=idle), name="imports"),
        ]
        log.info("worker started")
        for thread in beside:
            thread.start()
        try:
            work(turns(), stop=stops["messages"], idle=idle)
        finally:
            end()
            for thread in beside:
                thread.join()
    log.info("worker stopped")


@contextmanager
def listening(*wakes: Callable[[], None]) -> Iterator[Idle]:
    """Listen to hints, if a broker carries them; gives how long a loop may rest."""
    if not settings.BROKER_URL:
        yield lambda: IDLE_SECONDS
        return
    from tandem.config.broker import Listener

    def wake() -> None:
        for one in wakes:
            one()

    listener = Listener(settings.BROKER_URL, wake)
    try:
        yield lambda: IDLE_WITH_HINTS_SECONDS if listener.is_connected else IDLE_SECONDS
    finally:
        listener.close()


def drain() -> None:
    """Do all that is due now, webhooks included, and return: for whoever is called when there is work."""
    sender = Sender()
    try:
        while sum(turn() for turn in [sender.turn, *turns(), do_import]):
            pass
    finally:
        sender.close()


def send_webhooks(stop: Stop, *, idle: Idle) -> None:
    """Send webhooks until told to stop. Whoever knows that something is due calls `stop.wake`."""
    sender = Sender(woken=stop.wake)
    try:
        work([sender.turn], stop=stop, idle=idle)
        sender.close()
    except (OperationalError, InterfaceError):
        log.warning("results of webhooks could not be recorded, the leases bring them back")
    finally:
        connections.close_all()


def do_imports(stop: Stop, *, idle: Idle) -> None:
    """Do what was put aside, one job after the other, until told to stop."""
    try:
        work([do_import], stop=stop, idle=idle)
    finally:
        connections.close_all()


def do_import() -> int:
    return runner.run_next({"import": imports.run_job})


def turns() -> list[Turn]:
    sms = sms_backends.configured()
    due = jobs.configured()
    return [lambda: sms_sender.send_group(sms), lambda: jobs.run_due(due)]


def work(turns: Sequence[Turn], *, stop: Stop, idle: Idle = lambda: IDLE_SECONDS) -> None:
    """Take turns until told to stop: at once again while there is work, else after a short rest.

    An outage of the database costs pauses that grow, never the process: it is the same worker that goes on. A bug in
    one kind of work slows the others down and does not end them.
    """
    pause = FIRST_PAUSE_SECONDS
    while not stop.is_set:
        busy, trouble = 0, False
        for turn in turns:
            try:
                busy += turn()
            except (OperationalError, InterfaceError) as away:
                log.warning("database is away", extra={"error": type(away).__name__, "pause_seconds": pause})
                trouble = True
                break
            except Exception:
                log.exception("a turn of the worker failed")
                trouble = True
        if trouble:
            connections.close_all()  # a connection that broke stays broken; the next query opens a new one
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            continue
        pause = FIRST_PAUSE_SECONDS
        if not busy:
            stop.wait(idle())
