"""Receivers of webhooks on this machine, in a thread: some answer at once, some never."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Receivers:
    """urls: of the receivers. arrivals: when each request was complete, on the monotonic clock."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.arrivals: list[float] = []

    def wait_for(self, count: int, *, seconds: float) -> None:
        """Until so many requests have arrived. Raises SystemExit when they do not."""
        until = time.monotonic() + seconds
        while len(self.arrivals) < count:
            if time.monotonic() > until:
                raise SystemExit(f"bench: {len(self.arrivals)} of {count} deliveries arrived in {seconds:g} s")
            time.sleep(0.01)


@contextmanager
def receiving(count: int, *, hang: bool = False) -> Iterator[Receivers]:
    """So many receivers, each on a port of its own. hang: take every request and never answer."""
    receivers, loop = Receivers(), asyncio.new_event_loop()

    async def open_doors() -> None:
        for _ in range(count):
            server = await loop.create_server(lambda: _Door(receivers, hang), "127.0.0.1", 0, backlog=512)
            receivers.urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    loop.run_until_complete(open_doors())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield receivers
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


class _Door(asyncio.Protocol):
    """One connection, one request after the other."""

    def __init__(self, receivers: Receivers, hang: bool) -> None:
        self._receivers, self._hang, self._read = receivers, hang, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._read = rest[length:]
        self._receivers.arrivals.append(time.monotonic())
        if not self._hang:
            self._transport.write(_OK)  # type: ignore[attr-defined]
