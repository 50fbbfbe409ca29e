"""How requests come in: bodies are taken in and answers handed out beside each other, requests are worked on in turn.

Granian's own WSGI interface works on a request from its first byte on. One client that sends half a body then holds the
process, and two of them held all of Tandem; a slow reader of a large table did the same. Here an event loop receives
bodies and sends answers, for any number of clients at a time, and calls the WSGI application with what is complete.
The application runs in the loop's own thread, which costs nothing to get to: Python works on one request at a time
anyhow, and the loop has nothing better to do meanwhile. What may take long, as exports, uploads and the hashing of
passwords, runs aside in a few threads.

A request that waited too long for its turn is refused: whoever sent it is about to give up, and work for nobody is what
an overload grows from.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, cast

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # the library exports it without saying so

from tandem.common.metrics import observe_request

log = logging.getLogger("tandem.requests")

LARGEST_BODY: Final = 32 * 1024 * 1024  # bytes; what an endpoint takes is less, and its own business
IN_MEMORY: Final = 16 * 1024  # bytes of a body; more goes to a file
MOST_HELD: Final = 512 * 1024 * 1024  # bytes of all bodies in one process that are not answered yet
MOST_WAITING: Final = 500  # requests that wait for their turn in one process
SLOW_AT_A_TIME: Final = 4  # slow requests, each with a connection to the database of its own
LONGEST_WAIT_SECONDS: Final = 5.0
NEXT_PIECE_SECONDS: Final = 20.0  # that a client may take for the next piece of its body, or of an answer
WHOLE_BODY_SECONDS: Final = 300.0
RETRY_AFTER_SECONDS: Final = 2

_CLOSE: Final = ("Connection", "close")
_LATER: Final = ("Retry-After", str(RETRY_AFTER_SECONDS))
_NAMES: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Headers = list[tuple[str, str]]


class Refused(Exception):
    """An answer that the application is not asked for."""

    def __init__(self, status: int, code: str, detail: str, *more: tuple[str, str]) -> None:
        super().__init__(detail)
        self.status, self.code = status, code
        self.body = f'{{"detail":"{detail}","code":"{code}"}}'.encode()
        self.headers = [("Content-Type", "application/json"), *more]


class Gone(Exception):
    """Nobody is there any more to be answered."""


# Made anew for each refusal: an exception that is raised again keeps the frames of every time before.
_no_length = partial(Refused, 411, "length_required", "Send the length of the body: Content-Length.", _CLOSE)
_too_large = partial(Refused, 413, "too_large", "This request is too large.", _CLOSE)
_too_slow = partial(Refused, 408, "too_slow", "The rest of this request did not arrive in time.", _CLOSE)
_busy = partial(Refused, 503, "busy", "The server is busy. Try again in a moment.", _LATER)
_full = partial(_busy, _CLOSE)


class Door:
    """An RSGI application around a WSGI application. One object for each server process."""

    def __init__(
        self,
        application: Application,
        *,
        slow: Callable[[dict[str, Any]], bool] = lambda environ: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application, self._slow, self._clock = application, slow, clock
        self._aside = ThreadPoolExecutor(SLOW_AT_A_TIME, thread_name_prefix="slow")
        self._waiting, self._held, self._turn = 0, 0, asyncio.Lock()
        # One for all requests, as one thread would have: Django keeps its connections to the database in it, and would
        # open new ones in the context of each task.
        self._context = copy_context()

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        try:
            if scope.proto != "http":
                return
            length = _length(scope)
            if length:
                with self._room() as take, await _body(protocol, length, take) as body:
                    status, shown, pieces = await self._in_turn(scope, body)
            else:
                status, shown, pieces = await self._in_turn(scope, BytesIO())
        except Refused as refused:
            protocol.response_bytes(refused.status, refused.headers, refused.body)
            _tell(scope, refused)
            return
        except Gone:
            return
        if isinstance(pieces, bytes):
            protocol.response_bytes(status, shown, pieces)
        else:
            await self._stream(protocol, status, shown, pieces)

    async def _in_turn(self, scope: Any, body: IO[bytes]) -> tuple[int, Headers, bytes | Iterable[bytes]]:
        """What the application answers. Raises Refused."""
        with self._waits():
            arrived, environ = self._clock(), _environ(scope, body)
            if self._slow(environ):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._aside, self._answer, environ, arrived)
            # One after the other, in the order of arrival. Before each the loop looks at what has come meanwhile, which
            # then waits from now on, or is refused at once; else it would be seen, and its clock begin, only when all
            # before it are done.
            async with self._turn:
                await asyncio.sleep(0)
                return self._context.run(self._answer, environ, arrived)

    @contextmanager
    def _room(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a body, by what it yields, until the request is answered. That raises Refused."""
        taken = 0

        def take(more: int) -> None:
            nonlocal taken
            taken += more
            self._held += more
            if self._held > MOST_HELD:
                raise _full()

        try:
            yield take
        finally:
            self._held -= taken

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Count a request that waits for its turn, or is worked on. Raises Refused."""
        if self._waiting >= MOST_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _answer(self, environ: dict[str, Any], arrived: float) -> tuple[int, Headers, bytes | Iterable[bytes]]:
        """Raises Refused for one that arrived too long ago."""
        if self._clock() - arrived > LONGEST_WAIT_SECONDS:
            raise _busy()
        told: list[Any] = []
        pieces = self._application(environ, lambda status, headers, *_: told.extend((status, headers)))
        status, headers = told
        return int(status[:3]), headers, pieces[0] if isinstance(pieces, list) else pieces

    async def _stream(self, protocol: Any, status: int, headers: Headers, pieces: Iterable[bytes]) -> None:
        """Hand out piece after piece, as fast as the client takes them; one that takes none for too long is left."""
        rest = iter(pieces)
        try:
            transport = protocol.response_stream(status, headers)
            while (piece := self._context.run(next, rest, None)) is not None:
                if piece:
                    async with asyncio.timeout(NEXT_PIECE_SECONDS):
                        await transport.send_bytes(piece)
        except (TimeoutError, ProtocolClosed):
            log.info("a client did not take its whole answer")
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                self._context.run(close)


def _tell(scope: Any, refused: Refused) -> None:
    """Count and log a request that the application never saw, as it would have done."""
    observe_request(route="", method=scope.method, status=refused.status, seconds=0.0, queries=0)
    shown = {"method": scope.method, "path": scope.path, "status": refused.status, "refused": refused.code}
    log.info("request", extra=shown)


def _length(scope: Any) -> int:
    """How long the body will be. Raises Refused."""
    given = scope.headers.get("content-length")
    if given is None:
        # Of a body in chunks that breaks off, the server does not tell that it is not the whole one.
        if "transfer-encoding" in scope.headers:
            raise _no_length()
        return 0
    if not given.isascii() or not given.isdigit() or len(given) > 15 or int(given) > LARGEST_BODY:
        raise _too_large()
    return int(given)


async def _body(protocol: Any, length: int, take: Callable[[int], None]) -> IO[bytes]:
    """The whole body, at its beginning. Raises Refused, and Gone when the client went away in the middle.

    take: is told how much came, and raises what is to be raised when that is too much.
    """
    # Whoever asked closes it; where that does not come about, it is closed with its last reference.
    body: Any = BytesIO() if length <= IN_MEMORY else SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    received, pieces = 0, aiter(protocol)
    try:
        async with asyncio.timeout(WHOLE_BODY_SECONDS):
            while received < length:
                async with asyncio.timeout(NEXT_PIECE_SECONDS):
                    piece = await pieces.__anext__()
                received += len(piece)
                take(len(piece))
                body.write(piece)
    except TimeoutError:
        raise _too_slow() from None
    except StopAsyncIteration:
        raise Gone from None
    body.seek(0)
    return cast(IO[bytes], body)


def _environ(scope: Any, body: IO[bytes]) -> dict[str, Any]:
    """What PEP 3333 wants to be told. Texts are Latin-1 for bytes, as it says."""
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    if scope.authority:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        # "x_forwarded_for" would become the same name as "x-forwarded-for", which proxies clean and this not.
        if "_" in name:
            continue
        key = _NAMES.get(name) or "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}" if key in environ else value
    return environ
