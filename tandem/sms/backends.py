"""The ways out for text messages: console, file, a gateway over HTTP, Twilio.

A backend takes a number and a text and either returns or raises `NotSent`. What `NotSent` says is stored and logged,
so it never holds the number, the text, or anything a gateway answered in its own words, which may quote both.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx
from django.conf import settings

from tandem.common import moments

# Generous enough for a slow gateway, short enough that a group of ten sends well within its lease. httpx counts for
# each piece that comes; the deadline is for all of it, for gateways that drip.
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
DEADLINE_SECONDS = 20.0
LONGEST_WAIT_SECONDS = 3600  # however long a gateway asks us to wait

# Answers that say "never this message": the number or the text is refused. Everything else that is no success (5xx,
# 429, and 401, 403, 404, a redirect: somebody mistyped a token or an address and will mend it) is worth another try.
REFUSES_THE_MESSAGE = frozenset({400, 406, 410, 413, 422})

# Twilio answers 400 to these too, but it is our sending number that is wrong, and that can be mended.
TWILIO_SENDER_IS_WRONG = frozenset({21212, 21603, 21606, 21659, 21660})


class NotSent(Exception):
    """The message did not leave. permanent: trying again is of no use. retry_after_seconds: as the gateway asked."""

    def __init__(self, reason: str, *, permanent: bool = False, retry_after_seconds: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after_seconds = retry_after_seconds


class Backend(Protocol):
    def send(self, *, to: str, text: str, key: str) -> None:
        """Send one message, or raise NotSent. key: the same for every try of one message. Called from any thread."""
        ...


class Console:
    """For trying things out: whoever runs the worker reads the messages."""

    def send(self, *, to: str, text: str, key: str) -> None:
        sys.stdout.write(f"SMS to {to}: {text}\n")
        sys.stdout.flush()


class File:
    """One JSON line per message, `{"to", "text", "at"}`, for tests and for programs that watch a file."""

    def __init__(self, file: Path, *, clock: Callable[[], datetime] = moments.now) -> None:
        self._file = file
        self._clock = clock

    def send(self, *, to: str, text: str, key: str) -> None:
        line = json.dumps({"to": to, "text": text, "at": moments.iso(self._clock())}, ensure_ascii=False) + "\n"
        try:
            fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                # One write with O_APPEND: lines of several workers follow one another and never mix.
                os.write(fd, line.encode())
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as failed:
            raise NotSent(f"the file cannot be written: {failed.strerror}") from None


class Gateway:
    """Asks a gateway over HTTP. transport: for tests."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._transport = transport
        self._tls = httpx.create_ssl_context()

    def ask(self, url: str, *, auth: httpx.Auth | None = None, **content: Any) -> httpx.Response:
        """POST; gives whatever the gateway answers within 20 s. Raises NotSent when it does not."""
        try:
            return asyncio.run(self._ask(url, auth, content))
        except TimeoutError:
            raise NotSent(f"the gateway did not answer within {DEADLINE_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as failed:
            # The name of the error only: its text may hold the address with whatever stands in it.
            raise NotSent(f"the gateway did not answer: {type(failed).__name__}") from None

    async def _ask(self, url: str, auth: httpx.Auth | None, content: dict[str, Any]) -> httpx.Response:
        client = httpx.AsyncClient(
            timeout=TIMEOUT, follow_redirects=False, transport=self._transport, verify=self._tls, auth=auth
        )
        async with asyncio.timeout(DEADLINE_SECONDS), client:
            return await client.post(url, **content)


class Http:
    """A gateway that takes `POST {"to", "text"}` as JSON, with a bearer token when one is set."""

    def __init__(self, url: str, token: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._gateway = Gateway(transport)

    def send(self, *, to: str, text: str, key: str) -> None:
        headers = self._headers | {"Idempotency-Key": key}
        answer = self._gateway.ask(self._url, json={"to": to, "text": text}, headers=headers)
        _check(answer, permanent=answer.status_code in REFUSES_THE_MESSAGE)


class Twilio:
    """Twilio's Messages resource. sender: a number in E.164, or the id of a messaging service (`MG…`)."""

    def __init__(
        self, account: str, token: str, sender: str, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._url = f"https://api.twilio.com/2010-04-01/Accounts/{account}/Messages.json"
        self._sender = {"MessagingServiceSid" if sender.startswith("MG") else "From": sender}
        self._auth = httpx.BasicAuth(account, token)
        self._gateway = Gateway(transport)

    def send(self, *, to: str, text: str, key: str) -> None:
        answer = self._gateway.ask(self._url, data={"To": to, "Body": text, **self._sender}, auth=self._auth)
        if answer.is_success:
            return
        code = _twilio_code(answer)
        refused = answer.status_code in REFUSES_THE_MESSAGE and code not in TWILIO_SENDER_IS_WRONG
        _check(answer, permanent=refused, detail=f", Twilio's error {code}" if code else "")


def configured() -> Backend:
    """The backend of TANDEM_SMS_BACKEND. Look at `missing_settings` first."""
    match settings.SMS_BACKEND:
        case "file":
            return File(settings.SMS_FILE)
        case "http":
            return Http(settings.SMS_HTTP_URL, settings.SMS_HTTP_TOKEN)
        case "twilio":
            return Twilio(settings.SMS_TWILIO_ACCOUNT, settings.SMS_TWILIO_TOKEN, settings.SMS_TWILIO_FROM)
        case _:
            return Console()


def missing_settings() -> list[str]:
    """The variables that the chosen backend needs and that are empty."""
    needed = {
        "http": ["SMS_HTTP_URL"],
        "twilio": ["SMS_TWILIO_ACCOUNT", "SMS_TWILIO_TOKEN", "SMS_TWILIO_FROM"],
    }
    return [f"TANDEM_{name}" for name in needed.get(settings.SMS_BACKEND, []) if not getattr(settings, name)]


def _check(answer: httpx.Response, *, permanent: bool, detail: str = "") -> None:
    if not answer.is_success:
        raise NotSent(
            f"the gateway answered {answer.status_code}{detail}",
            permanent=permanent,
            retry_after_seconds=_retry_after(answer),
        )


def _retry_after(answer: httpx.Response) -> int | None:
    asked = answer.headers.get("Retry-After", "")
    return min(int(asked), LONGEST_WAIT_SECONDS) if re.fullmatch(r"\d{1,9}", asked) else None


def _twilio_code(answer: httpx.Response) -> int | None:
    try:
        code = answer.json().get("code")
    except (ValueError, AttributeError):
        return None
    return code if isinstance(code, int) else None
