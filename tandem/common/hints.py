"""Tells the workers that something waits, so that they need not look for it again and again.

A hint may be lost and may come twice: the rows are the truth, and workers look at them by themselves now and then. So
whoever carries hints (`carriers`, filled at start-up) may be away without any harm but delay.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

carriers: list[Callable[[], None]] = []


def announce() -> None:
    """Wake the workers once the present transaction is committed; nothing happens when it is rolled back.

    A carrier is called in the request's own thread: it must return at once and raise nothing. No query.
    """
    for carrier in carriers:
        transaction.on_commit(carrier)
