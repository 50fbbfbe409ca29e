"""Looks host names up with the system's resolver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

# A host name in, its addresses out, best first, at least one; OSError when there is none.
Resolve = Callable[[str], Awaitable[list[str]]]

# A name server that does not answer holds a thread for as long as the system waits for it (often 10 s and more): so
# many names may be dead at one time before others wait.
THREADS = 64


class Lookups:
    """Threads of its own for lookups: those of the event loop are few, and dead name servers would take them all.

    A name that is being looked up is not looked up a second time: whoever asks meanwhile gets the same answer. Nothing
    is remembered beyond that.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="lookup")
        self._running: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> list[str]:
        running = self._running.get(host)
        if running is None:
            running = asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)
            self._running[host] = running
            running.add_done_callback(lambda done: self._forget(host, done))
        # Whoever gives up waiting takes the answer from nobody else.
        return await asyncio.shield(running)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _forget(self, host: str, done: asyncio.Future[list[str]]) -> None:
        del self._running[host]
        if not done.cancelled():
            done.exception()  # seen, also when nobody waits for it any more


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host.encode(), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
