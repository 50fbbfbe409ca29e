"""Connections to one address that was checked, one at a time or kept for the next request."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpcore

from tandem.webhooks.outgoing.targets import Target

# Receivers commonly close an idle connection after 5 s (Node's default); a request that crosses the close is lost.
KEEP_SECONDS = 4.0
Key = tuple[str, str, int, str]  # scheme, name, port, address: what a request must match to use a connection again
CONNECT_SECONDS = 5.0  # for an address while there are others left to try


class Connection:
    """One HTTP/1.1 connection to `address`, which speaks to the receiver as `target.host` (TLS name and Host)."""

    def __init__(self, target: Target, address: str, tls: ssl.SSLContext, *, connect_seconds: float | None) -> None:
        self.key: Key = (target.scheme, target.host, target.port, address)
        self.idle_since = 0.0  # time.monotonic()
        self._wire = _Wire(address, connect_seconds)
        self._http = httpcore.AsyncHTTPConnection(
            origin=httpcore.Origin(target.scheme.encode(), target.host.encode(), target.port),
            ssl_context=tls,
            keepalive_expiry=KEEP_SECONDS,
            network_backend=self._wire,
        )

    async def ask(self, request: httpcore.Request) -> httpcore.Response:
        """Send the request; the answer's body is still to be read. Errors are httpcore's."""
        self._wire.heard_since_asked = False
        answer = await self._http.handle_async_request(request)
        if not self._wire.heard_since_asked:
            # It lay there before we asked: a receiver that says more than it announced. It is no answer to us.
            raise httpcore.RemoteProtocolError("The answer came before the request.")
        return answer

    def is_reusable(self) -> bool:
        return self._http.is_idle() and not self._http.has_expired()

    async def close(self) -> None:
        await self._wire.close()


class _Wire(httpcore.AsyncNetworkBackend):
    """Dials the one address, whatever name it is asked for, and lets go of it however far the connection came.

    httpcore itself leaves the socket open when a TLS handshake is cancelled.
    """

    def __init__(self, address: str, connect_seconds: float | None) -> None:
        self._address = address
        self._connect_seconds = connect_seconds
        self._dialler = httpcore.AnyIOBackend()
        self._stream: httpcore.AsyncNetworkStream | None = None
        self.heard_since_asked = False

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._stream = await self._dialler.connect_tcp(self._address, port, timeout=self._connect_seconds)
        return _Stream(self._stream, self)

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()


class _Stream(httpcore.AsyncNetworkStream):
    """Notes that something was heard."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, wire: _Wire) -> None:
        self._stream = stream
        self._wire = wire

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        heard = await self._stream.read(max_bytes, timeout)
        self._wire.heard_since_asked = True
        return heard

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
