"""The worker: sends what waits in outboxes and does what is due by the clock, until it is told to stop.

Any number of workers may run, on any number of machines: rows and jobs are claimed, never divided beforehand.
"""

from __future__ import annotations

import logging
import os
import select
import signal
from collections.abc import Callable, Sequence

from django.db import InterfaceError, OperationalError, connections

from tandem.academy.api import imports
from tandem.config import jobs
from tandem.jobs import runner
from tandem.sms import backends as sms_backends
from tandem.sms import sender as sms_sender

log = logging.getLogger(__name__)

IDLE_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0  # between tries while the database is away

# One turn of one kind of work: does a bounded piece and tells how many rows it took, 0 when there was nothing.
Turn = Callable[[], int]


class Stop:
    """Tells a loop to end, and wakes it when it rests.

    A pipe, for a signal handler may run at any instant: threading.Event takes a lock in `set`, and when the signal
    interrupts the same thread inside of `wait`, which holds it, nothing moves any more.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self.is_set = False

    def set(self) -> None:
        self.is_set = True
        os.write(self._write, b"x")

    def wait(self, seconds: float) -> None:
        select.select([self._read], [], [], seconds)


def run() -> None:
    """Work until SIGTERM or SIGINT; what is in hand is finished and recorded first."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("worker started")
    work(turns(), stop=stop)
    log.info("worker stopped")


def turns() -> list[Turn]:
    sms = sms_backends.configured()
    due = jobs.configured()
    kinds = {"import": imports.run_job}
    return [lambda: sms_sender.send_group(sms), lambda: jobs.run_due(due), lambda: runner.run_next(kinds)]


def work(turns: Sequence[Turn], *, stop: Stop) -> None:
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
            stop.wait(IDLE_SECONDS)
