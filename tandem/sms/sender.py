"""Sends what waits in the outbox; run by the worker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from cryptography.fernet import InvalidToken

from tandem.common import metrics, moments, queue
from tandem.common.sealing import unseal
from tandem.sms.backends import Backend, NotSent
from tandem.sms.models import Message

log = logging.getLogger(__name__)

# The ten of a group are sent at the same time, so a group takes as long as its slowest message: 20 s at most.
LEASE = timedelta(seconds=90)

# Pauses after the first, second, … failed attempt. Most messages are one-time codes, good for ten minutes: so the
# first tries come quickly, for a gateway that hiccups, and the later ones are for messages that do not expire.
SCHEDULE = (
    timedelta(seconds=3),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=3),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
)


def send_group(backend: Backend, *, clock: Callable[[], datetime] = moments.now) -> int:
    """Send one group of due messages; the answer is how many were claimed, 0 when nothing is due."""
    claimed = queue.claim(Message.objects.all(), now=clock(), lease=LEASE)
    if not claimed:
        return 0
    with ThreadPoolExecutor(max_workers=len(claimed)) as pool:
        # The threads only talk to the gateway; the database stays with this one.
        outcomes = list(pool.map(lambda message: _send(backend, message, now=clock()), claimed))
    for message, outcome in zip(claimed, outcomes, strict=True):
        _record(message, outcome, now=clock())
    return len(claimed)


class _Expired(Exception):
    pass


def _send(backend: Backend, message: Message, *, now: datetime) -> Exception | None:
    """Try to send; None when it worked, else why not."""
    if message.expires_at is not None and message.expires_at <= now:
        return _Expired()
    try:
        text = unseal(message.sealed_text).decode()
    except InvalidToken:
        return NotSent("sealed with another secret key than the present one", permanent=True)
    try:
        backend.send(to=message.to, text=text, key=f"sms-{message.pk}")
    except NotSent as refused:
        return refused
    except Exception as failed:  # a bug in a backend must not stop the others; its words may quote the message
        return NotSent(f"the backend failed: {type(failed).__name__}")
    return None


def _record(message: Message, outcome: Exception | None, *, now: datetime) -> None:
    if outcome is None:
        done = queue.record(message, status=Message.Status.SENT, sent_at=now, sealed_text=b"", last_error="")
        result = "sent"
    elif isinstance(outcome, NotSent):
        again_at = _again_at(message, outcome, now=now)
        if again_at is not None:
            done = queue.record(message, next_attempt_at=again_at, last_error=outcome.reason[:200])
            result = "postponed"
        else:
            done = queue.record(message, status=Message.Status.FAILED, sealed_text=b"", last_error=outcome.reason[:200])
            result = "failed"
    else:
        done = queue.record(message, status=Message.Status.EXPIRED, sealed_text=b"")
        result = "expired"
    if not done:
        result = "lease_lost"
    metrics.count_message(result)
    log.log(
        logging.INFO if result == "sent" else logging.WARNING,
        "sms %s",
        result,
        extra={
            "sms": message.pk,
            "purpose": message.purpose,
            "attempt": message.attempts,
            "reason": outcome.reason if isinstance(outcome, NotSent) else "",
        },
    )


def _again_at(message: Message, outcome: NotSent, *, now: datetime) -> datetime | None:
    """When to try again; None when it is over."""
    if outcome.permanent:
        return None
    planned = queue.next_attempt(SCHEDULE, after_attempts=message.attempts, key=message.pk, now=now)
    if planned is None:
        return None
    if outcome.retry_after_seconds is not None:
        planned = max(planned, now + timedelta(seconds=outcome.retry_after_seconds))
    # The attempt at the moment of expiry sends nothing: it is there to wipe the text when it has become useless.
    return min(planned, message.expires_at) if message.expires_at else planned
