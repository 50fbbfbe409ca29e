"""What is sent to a receiver, and what comes back: one attempt, whoever makes it. CONTRACT §6.

Address and headers are made for every attempt anew, from the webhook as it is then: a retry goes where the company
meanwhile found that it should go, and no header value lies anywhere but sealed on the webhook. Id and body are the
delivery's, the same in all attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from cryptography.fernet import InvalidToken

from tandem.common import moments
from tandem.webhooks.models import Webhook
from tandem.webhooks.outgoing import Client, NotSent, retry_after_seconds
from tandem.webhooks.rules.echoes import without_values
from tandem.webhooks.rules.placeholders import filled_header, filled_url
from tandem.webhooks.rules.retries import is_success
from tandem.webhooks.signing import signature

ANSWER_KEPT = 2048  # bytes of the receiver's answer
LONGEST_ERROR = 300


@dataclass(frozen=True)
class Letter:
    """One request. unfit: why it cannot be sent at all, empty when it can. secrets: values of headers, which no answer
    that is kept may repeat."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    unfit: str = ""
    secrets: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. status_code: None when there was no answer; then error says why. duration_ms: None when
    nothing was sent.

    retry_after: seconds that the receiver asks for; None when it asks for nothing.
    """

    at: datetime
    status_code: int | None
    error: str
    duration_ms: int | None
    answer: str = ""
    retry_after: int | None = None

    @property
    def is_success(self) -> bool:
        return self.status_code is not None and is_success(self.status_code)

    def told(self) -> dict[str, Any]:
        """As deliveries keep and show it."""
        return {
            "at": moments.iso(self.at),
            "status_code": self.status_code,
            "error": self.error,
            "duration_ms": self.duration_ms,
            "answer": self.answer,
        }


def letter(webhook: Webhook, id: UUID, body: str, *, now: datetime) -> Letter:
    """The request of an attempt that begins now."""
    record = orjson.loads(body)["data"]
    sent = body.encode() if webhook.has_body else None
    url = filled_url(webhook.url, record)
    try:
        own = {name: filled_header(value, record) for name, value in webhook.headers().items()}
        headers = own | _signed(webhook, id, sent or b"", now=now)
    except InvalidToken:
        return Letter(webhook.method, url, {}, sent, _unreadable(webhook, now=now))
    if sent is not None and not any(name.lower() == "content-type" for name in own):
        headers["Content-Type"] = "application/json"
    return Letter(webhook.method, url, headers, sent, secrets=[value.strip() for value in own.values()])


async def attempt(client: Client, letter: Letter, *, at: datetime) -> Outcome:
    """Send a letter. Never raises because of the receiver; at most 15 s."""
    if letter.unfit:
        return Outcome(at, None, letter.unfit, None)
    began = time.monotonic()
    try:
        answered = await client.send(letter.method, letter.url, letter.headers, letter.body)
    except NotSent as failed:
        took = round((time.monotonic() - began) * 1000)
        return Outcome(at, None, f"{failed.code}: {failed}"[:LONGEST_ERROR], took)
    return Outcome(
        at,
        answered.status,
        "" if is_success(answered.status) else f"The receiver answered {answered.status}.",
        answered.duration_ms,
        _text(without_values(answered.body, letter.secrets, most=ANSWER_KEPT)),
        retry_after_seconds(answered.retry_after, now=at),
    )


def _signed(webhook: Webhook, id: UUID, body: bytes, *, now: datetime) -> dict[str, str]:
    timestamp = int(now.timestamp())
    return {
        "webhook-id": str(id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(webhook.secrets(now=now), message_id=str(id), timestamp=timestamp, body=body),
    }


def _unreadable(webhook: Webhook, *, now: datetime) -> str:
    """What of a webhook was sealed with another secret key, and what helps."""
    parts: list[tuple[Callable[[], object], str]] = [
        (webhook.headers, "Its headers were stored under another secret key; give them anew."),
        (
            lambda: webhook.secrets(now=now),
            "Its signing secret was stored under another secret key; get a new one by rotate-secret/.",
        ),
    ]
    told = []
    for read, cure in parts:
        try:
            read()
        except InvalidToken:
            told.append(cure)
    return " ".join(told)


def _text(said: bytes) -> str:
    # PostgreSQL's JSON holds no NUL.
    return said.decode("utf-8", "replace").replace("\x00", "\ufffd")
