"""Sends one request to a receiver that a company chose, and nowhere else."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Self

import httpcore
from django.conf import settings

from tandem.webhooks.outgoing.resolving import Lookups, Resolve
from tandem.webhooks.outgoing.targets import (
    AddressRefused,
    BadUrl,
    Network,
    Target,
    check_address,
    read_target,
)
from tandem.webhooks.outgoing.wire import CONNECT_SECONDS, KEEP_SECONDS, Connection, Key
from tandem.webhooks.rules.headers import RESERVED

ANSWER_BYTES = 64 * 1024
DEADLINE_SECONDS = 15.0  # looking up, connecting, sending and reading together; contract §6: "2xx within 15 s"
MOST_KEPT = 100  # idle connections

_DEFAULTS = {"Accept": "*/*", "User-Agent": "Tandem"}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNFIT_IN_HEADERS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")

# What a kept connection says when the receiver has closed it meanwhile.
_GONE = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError, httpcore.ConnectionNotAvailable)
_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout)


@dataclass(frozen=True)
class Answered:
    """What the receiver said, whatever its status.

    body: the first 64 kB as they came, never inflated. retry_after: the header as it came, "" when there was none.
    """

    status: int
    body: bytes
    retry_after: str
    duration_ms: int


class NotSent(Exception):
    """There is no answer; the receiver may have got the request all the same. Its words are for an integrator.

    code: bad_url, no_such_host, address_refused, timeout, tls, connection, bad_answer, bad_headers.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Client:
    """Sends requests, any number at a time; one per sender, used as `async with Client() as client:`.

    No redirects, no proxies, no cookies, nothing from the environment. Every send looks its host up anew, refuses when
    any address is not public, and dials one of those very addresses, or goes over a connection kept to one of them
    under the same scheme, name and port.
    allowed: networks that may be dialled although they are not public; None: those of the setting. resolve, tls,
    deadline_seconds: for tests; None: the system's resolver, the public certificate authorities.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] | None = None,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._allowed = settings.WEBHOOK_ALLOWED_NETWORKS if allowed is None else allowed
        self._lookups = Lookups()
        self._resolve = resolve or self._lookups
        self._tls = tls or _authorities()
        self._deadline_seconds = deadline_seconds
        self._kept: list[Connection] = []  # idle, the one used last at the end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lookups.close()
        kept, self._kept = self._kept, []
        for connection in kept:
            await connection.close()

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answered:
        """Send one request; the answer is what the receiver said within 15 s, else NotSent.

        headers: none of RESERVED; values may hold any letters, they go out as UTF-8. body: None: no body at all.
        """
        began = time.monotonic()
        try:
            target = read_target(url)
            request = _request(method, target, headers, body)
            async with asyncio.timeout(self._deadline_seconds):
                addresses = await self._addresses(target)
                status, retry_after, said = await self._exchange(target, addresses, request)
        except BadUrl as refused:
            raise NotSent("bad_url", str(refused)) from None
        except AddressRefused as refused:
            raise NotSent("address_refused", str(refused)) from None
        except (TimeoutError, httpcore.TimeoutException):
            raise NotSent("timeout", f"There was no complete answer within {self._deadline_seconds:g} s.") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as failed:
            raise _not_sent(failed) from None
        return Answered(status, said, retry_after, round((time.monotonic() - began) * 1000))

    async def _addresses(self, target: Target) -> list[str]:
        """The addresses of the host, all of them checked."""
        if target.literal is not None:
            check_address(target.literal, allowed=self._allowed)
            return [str(target.literal)]
        try:
            found = await self._resolve(target.host)
        except OSError as failed:
            reason = f"The host {target.host} cannot be found: {failed.strerror or 'no such name'}."
            raise NotSent("no_such_host", reason) from None
        if not found:
            raise NotSent("no_such_host", f"The host {target.host} has no address.")
        for address in found:
            try:
                check_address(ip_address(address), allowed=self._allowed)
            except AddressRefused as refused:
                raise AddressRefused(f"{target.host} leads to an address that is refused: {refused}") from None
        return found

    async def _exchange(
        self, target: Target, addresses: Sequence[str], request: httpcore.Request
    ) -> tuple[int, str, bytes]:
        """Status, Retry-After, body: over a kept connection, else over a new one to the first address that takes it."""
        kept = await self._take_kept(target, addresses)
        if kept is not None:
            try:
                answer = await self._ask(kept, request)
            except _GONE:
                pass  # closed while it lay idle. Should the receiver have got it, it knows the same webhook-id again.
            else:
                return await self._read(kept, answer)
        for address in addresses[:-1]:
            connection = Connection(target, address, self._tls, connect_seconds=CONNECT_SECONDS)
            try:
                answer = await self._ask(connection, request)
            except _NOT_CONNECTED:
                continue
            return await self._read(connection, answer)
        # The last one may take all the time that is left.
        connection = Connection(target, addresses[-1], self._tls, connect_seconds=None)
        return await self._read(connection, await self._ask(connection, request))

    async def _ask(self, connection: Connection, request: httpcore.Request) -> httpcore.Response:
        try:
            return await connection.ask(request)
        except BaseException:
            await connection.close()
            raise

    async def _read(self, connection: Connection, answer: httpcore.Response) -> tuple[int, str, bytes]:
        """Read the answer up to 64 kB; a connection with more to say is closed, the others are kept."""
        said = bytearray()
        try:
            async for part in answer.aiter_stream():
                said += part
                if len(said) > ANSWER_BYTES:
                    break
            await answer.aclose()
        finally:
            await self._keep_or_close(connection)
        return answer.status, _header(answer, b"retry-after"), bytes(said[:ANSWER_BYTES])

    async def _keep_or_close(self, connection: Connection) -> None:
        if not connection.is_reusable():
            await connection.close()
            return
        connection.idle_since = time.monotonic()
        self._kept.append(connection)
        if len(self._kept) > MOST_KEPT:
            await self._kept.pop(0).close()

    async def _take_kept(self, target: Target, addresses: Sequence[str]) -> Connection | None:
        """A connection of the same scheme, name and port to one of these addresses; None if there is none."""
        while self._kept and time.monotonic() - self._kept[0].idle_since > KEEP_SECONDS:
            await self._kept.pop(0).close()
        wanted = {(target.scheme, target.host, target.port, address) for address in addresses}
        while (kept := self._newest_kept(wanted)) is not None:
            if kept.is_reusable():
                return kept
            await kept.close()
        return None

    def _newest_kept(self, wanted: set[Key]) -> Connection | None:
        for place in range(len(self._kept) - 1, -1, -1):
            if self._kept[place].key in wanted:
                return self._kept.pop(place)
        return None


def _request(method: str, target: Target, headers: Mapping[str, str], body: bytes | None) -> httpcore.Request:
    given = {name.lower() for name in headers}
    sent = {"Host": target.authority} | {name: ours for name, ours in _DEFAULTS.items() if name.lower() not in given}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in RESERVED or _UNFIT_IN_HEADERS.search(value):
            raise NotSent("bad_headers", f"The header {name!r} cannot be sent with this value.")
        sent[name] = value.strip()
    if body is not None:
        sent["Content-Length"] = str(len(body))
    return httpcore.Request(
        method,
        httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        ),
        headers=[(name.encode(), value.encode()) for name, value in sent.items()],
        content=body,
    )


def _header(answer: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")


def _not_sent(failed: Exception) -> NotSent:
    """What happened, in words that quote nothing the receiver said: it may be a stranger's service."""
    cause = failed if isinstance(failed, ssl.SSLError) else failed.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return NotSent("tls", f"The certificate of the receiver is not accepted: {cause.verify_message.rstrip('.')}.")
    if isinstance(cause, ssl.SSLError):
        return NotSent("tls", f"No secure connection came about: {cause.reason or 'the handshake failed'}.")
    if isinstance(failed, httpcore.ConnectError) and not isinstance(cause, OSError):  # anyio's: it broke in between
        return NotSent("tls", "No secure connection came about: the receiver ended the handshake.")
    if isinstance(failed, httpcore.ConnectError):
        return NotSent("connection", f"The receiver cannot be reached: {_system_reason(failed)}.")
    if isinstance(failed, httpcore.NetworkError) or "disconnected" in str(failed):
        return NotSent("connection", "The receiver closed the connection without an answer.")
    if "closed connection" in str(failed):
        return NotSent("bad_answer", "The answer broke off before its end.")
    return NotSent("bad_answer", "What came back is not an HTTP/1.1 answer.")


def _system_reason(failed: BaseException | None) -> str:
    """What the system says, from the depths of the libraries' errors."""
    while failed is not None:
        if isinstance(failed, OSError) and failed.errno:
            return os.strerror(failed.errno)
        failed = failed.__cause__
    return "the connection failed"


def _authorities() -> ssl.SSLContext:
    import httpx  # by workers only: web processes start without it

    return httpx.create_ssl_context(trust_env=False)
