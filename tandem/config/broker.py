"""Hints to workers through Celery, where TANDEM_BROKER_URL names a RabbitMQ or a Redis.

Without a broker a worker looks for work twice a second. With one, whoever commits work sends the task `tandem.drain`,
and the worker that gets it looks at once; the others need to look by themselves every few seconds only. Losing the
broker, or a message, costs that delay and nothing else.

`tandem worker` listens to the queue itself. A fleet of Celery workers that is there already can serve it as well:

    celery -A tandem.config.broker worker --beat
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from celery import Celery
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.config.settings")

log = logging.getLogger(__name__)

QUEUE = "tandem"
DRAIN = "tandem.drain"
LOOK_EVERY_SECONDS = 30.0  # what beat sends: jobs by the clock, and work whose hint was lost
STALE_SECONDS = 10.0  # a hint of before is worth nothing: workers look at the rows when they start
CONNECT_SECONDS = 3.0
LEAST_SECONDS_APART = 0.02  # one hint serves all that was committed meanwhile
AGAIN_AFTER_SECONDS = 5.0  # between tries while the broker is away


@cache
def application(url: str) -> Celery:
    """The Celery application. Nothing is sent or connected yet."""
    made = Celery("tandem", broker=url)
    made.conf.update(
        task_ignore_result=True,
        task_default_queue=QUEUE,
        # Two kinds of brokers, one wish: what lies there when no worker comes must not pile up.
        task_queues=[Queue(QUEUE, message_ttl=STALE_SECONDS, max_length=1000)],
        broker_connection_timeout=CONNECT_SECONDS,
        # RabbitMQ's driver takes no such options, and needs none.
        broker_transport_options={"socket_connect_timeout": CONNECT_SECONDS} if url.startswith("redis") else {},
        broker_connection_retry_on_startup=True,
        worker_hijack_root_logger=False,
        beat_schedule={"look": {"task": DRAIN, "schedule": LOOK_EVERY_SECONDS}},
    )
    made.task(name=DRAIN)(_drain)
    return made


def silence(url: str) -> str:
    """Why a broker does not answer: the kind of error; "" when it does. Takes a few seconds at most."""
    said: list[str] = []

    def ask() -> None:
        try:
            with application(url).connection_for_write() as connection:
                connection.connect()
            said.append("")
        except Exception as away:
            said.append(type(away).__name__)

    # In a thread, for Redis' driver waits without end for a server that takes the connection and says nothing.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(2 * CONNECT_SECONDS)
    return said[0] if said else "it says nothing"


def _drain() -> None:
    """Do all that is due now: what a stock Celery worker does with a hint."""
    import django

    django.setup()
    from tandem.config import secret_key, worker

    secret_key.demand_one()

    worker.drain()


class Crier:
    """Sends hints, from a thread of its own: a commit never waits for the broker, nor fails with it.

    Hints that come while one is being sent become one. The thread begins with the first hint, so after any fork.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted = threading.Event()
        self._pid = 0
        self._lock = threading.Lock()
        self.sent = 0

    def __call__(self) -> None:
        self._wanted.set()
        if self._pid != os.getpid():
            self._begin()

    def _begin(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="hints", daemon=True).start()

    def _run(self) -> None:
        rest = threading.Event()
        while True:
            try:
                with application(self._url).connection_for_write() as connection:
                    connection.connect()
                    while True:
                        self._wanted.wait()
                        self._wanted.clear()
                        self._send(connection)
                        rest.wait(LEAST_SECONDS_APART)
            except Exception as away:
                log.warning("hints cannot be sent", extra={"error": type(away).__name__})
                rest.wait(AGAIN_AFTER_SECONDS)

    def _send(self, connection: Any) -> None:
        application(self._url).send_task(DRAIN, connection=connection, retry=False, expires=STALE_SECONDS)
        self.sent += 1


class Listener:
    """Calls `heard` for every hint, from a thread of its own, until `close`. is_connected: hints can arrive now."""

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        self._url, self._heard = url, heard
        self._closed = threading.Event()
        self.is_connected = False
        self._is_away = False  # and that was told
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(CONNECT_SECONDS)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except Exception as away:
                if not self._is_away:
                    self._is_away = True
                    log.warning("the broker is away; looking for work twice a second", extra=_named(away))
            finally:
                self.is_connected = False
            self._closed.wait(AGAIN_AFTER_SECONDS)

    def _listen(self) -> None:
        made = application(self._url)
        with made.connection_for_read() as connection:
            connection.connect()
            queue = made.amqp.queues[QUEUE](connection.default_channel)
            queue.declare()
            queue.purge()
            with connection.Consumer(queue, callbacks=[self._receive], no_ack=True, accept=["json"]):
                self.is_connected, self._is_away = True, False
                self._heard()  # what was committed while nobody listened
                while not self._closed.is_set():
                    try:
                        connection.drain_events(timeout=1)
                    except TimeoutError:
                        connection.heartbeat_check()

    def _receive(self, body: Any, message: Any) -> None:
        self._heard()


def _named(error: BaseException) -> dict[str, str]:
    return {"error": type(error).__name__}


def __getattr__(name: str) -> Any:
    """`app` for Celery's own commands, made when they ask."""
    if name in ("app", "celery"):
        from django.conf import settings

        return application(settings.BROKER_URL)
    raise AttributeError(name)
