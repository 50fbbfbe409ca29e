"""What belongs to the request at hand, readable from anywhere in it: its id, the address at which it reached us, and
how often it asked the database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")

# `https://crm.example.com`; asked for by few requests, so it is worked out when it is asked for.
origin: ContextVar[Callable[[], str]] = ContextVar("origin", default=lambda: "")


class Tally(threading.local):
    """queries: statements that this thread has sent to a database since it began, counted where they are sent.

    Whoever wants those of one request takes the difference. Plain addition, for it happens around every statement:
    Django's own ways to listen to statements cost as much as a small statement itself.
    """

    queries = 0


tally = Tally()
