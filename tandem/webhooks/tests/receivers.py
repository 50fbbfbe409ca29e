"""Receivers of webhooks on this machine: obedient, slow and hostile ones, scripted byte by byte."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

# What a receiver does with one connection.
Behave = Callable[["Receiver", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)  # head and body, as they came
    closed_by_sender: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def receiving(
    behave: Behave, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    """A receiver that listens while the block runs; its open connections are cut when it ends."""
    receiver = Receiver()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver.connections += 1
        try:
            await behave(receiver, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            receiver.closed_by_sender.set()
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def read_request(receiver: Receiver, reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    request = head + (await reader.readexactly(int(length[1])) if length else b"")
    receiver.requests.append(request)
    return request


def says(*answers: bytes) -> Behave:
    """Answers the requests of a connection one after the other, the last answer for ever after."""

    async def behave(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        given = 0
        while True:
            await read_request(receiver, reader)
            writer.write(answers[min(given, len(answers) - 1)])
            await writer.drain()
            given += 1

    return behave


def says_and_closes(answer: bytes) -> Behave:
    async def behave(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(receiver, reader)
        writer.write(answer)
        await writer.drain()

    return behave


def floods(head: bytes, chunk: bytes, *, times: int, sent: list[int]) -> Behave:
    """Writes the chunk over and over; `sent` gets the number of bytes after each one that went out."""

    async def behave(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(receiver, reader)
        writer.write(head)
        for number in range(times):
            writer.write(chunk)
            await writer.drain()
            sent.append((number + 1) * len(chunk))

    return behave


def drips(head: bytes, drop: bytes, *, pause_seconds: float) -> Behave:
    async def behave(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(receiver, reader)
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(pause_seconds)

    return behave


async def reads_and_keeps_silent(
    receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Never says a word, and notes when the sender goes."""
    await reader.read()
    receiver.closed_by_sender.set()
