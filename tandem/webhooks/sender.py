"""Sends what is due; run by the worker in a thread of its own.

The thread that calls `turn` is the only one that knows the database. Attempts are made side by side in an event loop in
another thread, which knows nothing but letters: so an attempt's 15 seconds are never spent waiting for the database,
and hundreds of receivers that hang cost no thread each. A result is recorded as soon as it is there, together with
those that arrived meanwhile.

A kill at any instant loses nothing. Before the claim is committed nothing was sent; after it, and until the result is
committed, the lease brings the delivery back, with the same id and body. What is sent twice is what was in the air: at
most `AT_ONE_RECEIVER` for each receiver.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from queue import Empty, SimpleQueue
from uuid import UUID

from django.db import InterfaceError, OperationalError

from tandem.common import metrics, moments
from tandem.webhooks.actions.claims import AT_ONE_RECEIVER, claim
from tandem.webhooks.actions.deliveries import record_outcomes
from tandem.webhooks.actions.fan_out import fan_out
from tandem.webhooks.letters import Letter, Outcome, attempt, letter
from tandem.webhooks.models import Delivery
from tandem.webhooks.outgoing import Client

log = logging.getLogger(__name__)

# Attempts at a time of one worker. Receivers that failed last may fill only a part, so that however many are dead,
# there is room for the others.
IN_FLIGHT = 400
FAILING_IN_FLIGHT = 200
# From here on a receiver gets one attempt at a time: else 40 that begin to hang in the same 15 s would take all.
AMPLE_IN_FLIGHT = 100
RECORDED_TOGETHER = 40
LAND_SECONDS = 17.0  # an attempt's 15 s and its recording; less than a supervisor's patience


class Sender:
    """Call `turn` again and again, from one thread; `close` at the end, from the same.

    woken: called, in another thread, when a turn would find something to do before its caller expects it.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = moments.now,
        woken: Callable[[], None] = lambda: None,
        client: Callable[[], AbstractAsyncContextManager[Client]] = Client,
    ) -> None:
        self._clock, self._woken, self._client = clock, woken, client
        self._in_flight: dict[UUID, Delivery] = {}
        self._landed: SimpleQueue[tuple[Delivery, Outcome]] = SimpleQueue()
        self._to_record: list[tuple[Delivery, Outcome]] = []
        self._air: _Air | None = None

    def turn(self) -> int:
        """Do what can be done now; the answer is 0 when there was nothing: then it took two queries."""
        return self._spread() + self._record() + self._start()

    def close(self) -> None:
        """Start nothing more, wait for what is in the air, record it. What takes too long comes back by its lease."""
        deadline = time.monotonic() + LAND_SECONDS
        while self._in_flight and (left := deadline - time.monotonic()) > 0:
            self.await_landing(left)
            self._record()
        if self._air is not None:
            self._air.close()
            self._air = None

    @property
    def is_busy(self) -> bool:
        """Whether anything is in the air."""
        return bool(self._in_flight)

    def await_landing(self, seconds: float) -> None:
        """Wait until a result is there, if anything is in the air."""
        if self._in_flight and self._landed.empty():
            with suppress(Empty):
                self._land(*self._landed.get(timeout=seconds))

    def _spread(self) -> int:
        return fan_out(now=self._clock())

    def _record(self) -> int:
        """Record results, some at a time. What could not be recorded, for the database was away, is kept for later."""
        recorded = 0
        while self._take_landed():
            some = self._to_record[:RECORDED_TOGETHER]
            self._record_together(some)
            del self._to_record[: len(some)]
            recorded += len(some)
        return recorded

    def _record_together(self, some: Sequence[tuple[Delivery, Outcome]]) -> None:
        try:
            results = record_outcomes(some, now=self._clock())
        except (OperationalError, InterfaceError):
            raise  # the database is away: the loop around waits for it
        except Exception:
            log.exception("results could not be recorded")
            # One of them may be why, and must not take the others along. It comes back by its lease.
            if len(some) > 1:
                for one in some:
                    self._record_together([one])
            return
        for (delivery, outcome), result in zip(some, results, strict=True):
            _tell(delivery, outcome, result)

    def _take_landed(self) -> bool:
        while True:
            try:
                self._land(*self._landed.get_nowait())
            except Empty:
                return bool(self._to_record)

    def _land(self, delivery: Delivery, outcome: Outcome) -> None:
        self._in_flight.pop(delivery.pk, None)
        self._to_record.append((delivery, outcome))

    def _start(self) -> int:
        room = IN_FLIGHT - len(self._in_flight)
        if room <= 0:
            return 0
        failing = sum(1 for one in self._in_flight.values() if one.webhook.failing_since is not None)
        now = self._clock()
        at_one = AT_ONE_RECEIVER if len(self._in_flight) < AMPLE_IN_FLIGHT else 1
        claimed = claim(now=now, most=room, most_failing=FAILING_IN_FLIGHT - failing, at_one=at_one)
        for delivery in claimed:
            self._in_flight[delivery.pk] = delivery
            self._fly(delivery, _letter(delivery, now=now), at=now)
        return len(claimed)

    def _fly(self, delivery: Delivery, sent: Letter, *, at: datetime) -> None:
        if self._air is None:
            self._air = _Air(self._client)

        def land(outcome: Outcome) -> None:
            self._landed.put((delivery, outcome))
            self._woken()

        self._air.fly(sent, at=at, land=land)


class _Air:
    """An event loop in a thread of its own, in which letters are on their way."""

    def __init__(self, client: Callable[[], AbstractAsyncContextManager[Client]]) -> None:
        self._make_client = client
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="webhooks-air", daemon=True)
        self._thread.start()
        self._ready.wait()

    def fly(self, sent: Letter, *, at: datetime, land: Callable[[Outcome], None]) -> None:
        asyncio.run_coroutine_threadsafe(self._fly(sent, at, land), self._loop)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(timeout=5)

    async def _live(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with self._make_client() as self._mail:
            self._ready.set()
            await self._over.wait()

    async def _fly(self, sent: Letter, at: datetime, land: Callable[[Outcome], None]) -> None:
        try:
            outcome = await attempt(self._mail, sent, at=at)
        except Exception as bug:  # it must land all the same, or its place would be taken for ever
            log.exception("an attempt failed")
            outcome = Outcome(at, None, f"internal: {type(bug).__name__}", None)
        land(outcome)


def _letter(delivery: Delivery, *, now: datetime) -> Letter:
    try:
        return letter(delivery.webhook, delivery.pk, delivery.body, now=now)
    except Exception as bug:  # this delivery must not take the others along
        log.exception("a letter could not be written", extra=delivery.tell())
        return Letter("", "", {}, None, unfit=f"internal: {type(bug).__name__}")


def _tell(delivery: Delivery, outcome: Outcome, result: str) -> None:
    metrics.count_delivery(result)
    log.log(
        logging.INFO if result == "delivered" else logging.WARNING,
        "webhook %s",
        result,
        extra={
            **delivery.tell(),
            "attempt": delivery.attempts,
            "status": outcome.status_code,
            "error": outcome.error,
            "duration_ms": outcome.duration_ms,
        },
    )
