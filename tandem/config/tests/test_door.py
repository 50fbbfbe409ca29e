"""How requests come in: complete, in turn, and refused when that is better."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.local import Local
from granian.rsgi import ProtocolClosed

from tandem.config import door
from tandem.config.door import Door


class Headers:
    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = list(pairs)

    def items(self) -> list[tuple[str, str]]:
        return self.pairs

    def get(self, name: str) -> str | None:
        return dict(self.pairs).get(name)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None


class Scope:
    proto, http_version, scheme, authority = "http", "1.1", "http", None
    server, client = "127.0.0.1:8000", "203.0.113.9:50123"

    def __init__(self, method: str, path: str = "/", query: str = "", *headers: tuple[str, str]) -> None:
        self.method, self.path, self.query_string, self.headers = method, path, query, Headers(*headers)


class Protocol:
    """A client that sends pieces of a body (a number: seconds of silence) and takes the answer."""

    def __init__(self, *pieces: bytes | float, takes: float = 0) -> None:
        self.pieces, self.takes = list(pieces), takes
        self.answer: tuple[int, dict[str, str], bytes] | None = None

    async def __aiter__(self) -> Any:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                await asyncio.sleep(piece)

    def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
        self.answer = status, dict(headers), body

    def response_stream(self, status: int, headers: Any) -> Protocol:
        self.answer = status, dict(headers), b""
        return self

    async def send_bytes(self, piece: bytes) -> None:
        await asyncio.sleep(self.takes)
        assert self.answer is not None
        status, headers, body = self.answer
        self.answer = status, headers, body + piece


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """A WSGI application that tells what it was told."""
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told | {"body": environ["wsgi.input"].read().decode()}).encode()]


def asked(scope: Scope, protocol: Protocol, application: Any = echo) -> tuple[int, dict[str, str], bytes] | None:
    asyncio.run(Door(application).__rsgi__(scope, protocol))
    return protocol.answer


def told(scope: Scope, *pieces: bytes) -> dict[str, str]:
    answer = asked(scope, Protocol(*pieces))
    assert answer is not None
    assert answer[0] == 200
    shown: dict[str, str] = json.loads(answer[2])
    return shown


def test_the_application_is_told_what_pep_3333_says() -> None:
    scope = Scope(
        "POST",
        "/a b/ü",
        "x=%20",
        ("host", "crm.example:8443"),
        ("content-type", "application/json"),
        ("content-length", "4"),
        ("x-two", "a"),
        ("x-two", "b"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
    )
    found = told(scope, b"ab", b"cd")
    assert found == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/Ã¼",
        "QUERY_STRING": "x=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.9",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "crm.example:8443",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "4",
        "HTTP_X_TWO": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
        "body": "abcd",
    }


def test_a_header_that_poses_as_another_is_dropped() -> None:
    found = told(Scope("GET", "/", "", ("x_forwarded_for", "198.51.100.1")))
    assert "HTTP_X_FORWARDED_FOR" not in found


@pytest.mark.parametrize(
    ("headers", "pieces", "status", "code"),
    [
        ([("content-length", str(door.LARGEST_BODY + 1))], [], 413, "too_large"),
        ([("content-length", "9" * 400)], [], 413, "too_large"),
        ([("content-length", "-1")], [], 413, "too_large"),
        ([("transfer-encoding", "chunked")], [b"{}"], 411, "length_required"),
        ([("content-length", "4")], [b"ab", 60.0, b"cd"], 408, "too_slow"),
    ],
)
def test_what_is_not_taken_in(
    headers: Any,
    pieces: Any,
    status: int,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(door, "NEXT_PIECE_SECONDS", 0.01)
    with caplog.at_level("INFO", "tandem.requests"):
        answer = asked(Scope("POST", "/there/", "", *headers), Protocol(*pieces))
    assert answer is not None
    assert (answer[0], json.loads(answer[2])["code"]) == (status, code)
    told = [(line.path, line.status, line.refused) for line in caplog.records]  # type: ignore[attr-defined]
    assert told == [("/there/", status, code)]


@pytest.mark.parametrize(
    ("limits", "headers", "pieces", "status"),
    [
        ({"MOST_WAITING": 0}, [], [], 503),
        ({"LONGEST_WAIT_SECONDS": -1.0}, [], [], 503),
        ({}, [("content-length", "9" * 400)], [], 413),
        ({}, [("transfer-encoding", "chunked")], [], 411),
        ({"NEXT_PIECE_SECONDS": 0.01}, [("content-length", "4")], [60.0], 408),
    ],
)
def test_nothing_is_left_of_a_refused_request(
    limits: Any, headers: Any, pieces: Any, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an overload costs as much memory as it has requests, and collecting garbage takes longer with each."""
    for name, value in limits.items():
        monkeypatch.setattr(door, name, value)
    protocol = Protocol(*pieces)
    left = weakref.ref(protocol)
    answer = asked(Scope("GET", "/", "", *headers), protocol)
    assert answer is not None
    assert answer[0] == status
    del protocol
    gc.collect()
    assert left() is None


def test_one_that_drips_is_slow_however_regularly_it_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WHOLE_BODY_SECONDS", 0.05)
    answer = asked(Scope("POST", "/", "", ("content-length", "1000")), Protocol(*[b"x", 0.01] * 500))
    assert answer is not None
    assert answer[0] == 408


def test_bodies_together_take_no_more_than_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced does not count: to say a large number costs a client nothing."""
    monkeypatch.setattr(door, "MOST_HELD", 10)

    async def some_and_then_another() -> list[int]:
        one = Door(echo)

        async def answered(length: int, *pieces: bytes | float) -> int:
            protocol = Protocol(*pieces)
            await one.__rsgi__(Scope("POST", "/", "", ("content-length", str(length))), protocol)
            assert protocol.answer is not None
            if protocol.answer[0] == 503:
                assert protocol.answer[1] == {
                    "Content-Type": "application/json",
                    "Retry-After": "2",
                    "Connection": "close",
                }
            return protocol.answer[0]

        together = await asyncio.gather(
            answered(6, b"abc", 0.05, b"def"), answered(5, b"abcd", 0.02, b"e"), answered(1000, b"a" * 8), answered(0)
        )
        return [*together, await answered(10, b"0123456789"), await answered(11, b"0123456789x")]

    assert asyncio.run(some_and_then_another()) == [200, 200, 503, 200, 200, 503]


def test_half_a_body_is_never_worked_on() -> None:
    called: list[Any] = []
    answer = asked(
        Scope("POST", "/", "", ("content-length", "4")), Protocol(b"ab"), lambda *given: called.append(given)
    )
    assert answer is None
    assert called == []


def test_a_large_body_arrives_whole() -> None:
    length = door.IN_MEMORY + 7
    found = told(
        Scope("POST", "/", "", ("content-length", str(length))), *[b"x" * 4096] * (door.IN_MEMORY // 4096), b"y" * 7
    )
    assert found["body"] == "x" * door.IN_MEMORY + "y" * 7


class Pieces:
    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield from (b"a", b"", b"b", b"c")

    def close(self) -> None:
        self.closed += 1


def _streaming(pieces: Pieces) -> Any:
    def application(environ: Any, start_response: Any) -> Pieces:
        start_response("200 OK", [])
        return pieces

    return application


def test_a_streamed_answer_is_handed_out_and_closed() -> None:
    pieces = Pieces()
    answer = asked(Scope("GET"), Protocol(), _streaming(pieces))
    assert answer is not None
    assert (answer[2], pieces.closed) == (b"abc", 1)


def test_who_does_not_take_an_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "NEXT_PIECE_SECONDS", 0.01)
    pieces = Pieces()
    answer = asked(Scope("GET"), Protocol(takes=60), _streaming(pieces))
    assert answer is not None
    assert (answer[2], pieces.closed) == (b"", 1)


def test_who_goes_away_in_the_middle_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    async def closed(protocol: Protocol, piece: bytes) -> None:
        raise ProtocolClosed

    monkeypatch.setattr(Protocol, "send_bytes", closed)
    pieces = Pieces()
    asked(Scope("GET"), Protocol(), _streaming(pieces))
    assert pieces.closed == 1


class Clock:
    """Each call of the application takes a second."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("slow", [False, True], ids=["in the loop", "aside"])
def test_who_waited_too_long_is_sent_away(slow: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "SLOW_AT_A_TIME", 1)
    clock, protocols = Clock(), [Protocol() for _ in range(20)]
    arrived, all_there = itertools.count(1), threading.Event()

    def is_slow(environ: Any) -> bool:
        if next(arrived) == len(protocols):
            all_there.set()
        return slow

    def application(environ: Any, start_response: Any) -> list[bytes]:
        assert all_there.wait(20)
        clock.now += 1
        return echo(environ, start_response)

    async def all_at_once() -> None:
        one = Door(application, slow=is_slow, clock=clock)
        await asyncio.gather(*(one.__rsgi__(Scope("GET"), protocol) for protocol in protocols))

    asyncio.run(all_at_once())
    answers = [protocol.answer for protocol in protocols]
    assert [answer[0] for answer in answers if answer] == [200] * 6 + [503] * 14
    assert all(answer[1]["Retry-After"] == "2" for answer in answers if answer and answer[0] == 503)


def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MOST_WAITING", 3)
    protocols = [Protocol() for _ in range(5)]

    async def all_at_once() -> None:
        one = Door(echo)
        await asyncio.gather(*(one.__rsgi__(Scope("GET"), protocol) for protocol in protocols))
        await one.__rsgi__(Scope("GET"), protocols[4])

    asyncio.run(all_at_once())
    assert [protocol.answer[0] for protocol in protocols if protocol.answer] == [200, 200, 200, 503, 200]


def test_who_comes_while_others_are_worked_on_is_refused_before_the_next_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else an overload is told to nobody: each would be seen only when all before it are done."""
    monkeypatch.setattr(door, "MOST_WAITING", 3)
    told: list[tuple[str, int]] = []

    class Told(Protocol):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
            told.append((self.name, status))

    async def some_and_then_another() -> None:
        newcomers: list[asyncio.Task[None]] = []

        def application(environ: Any, start_response: Any) -> list[bytes]:
            if not newcomers:
                newcomers.append(asyncio.ensure_future(one.__rsgi__(Scope("GET"), Told("newcomer"))))
                newcomers.append(asyncio.ensure_future(one.__rsgi__(Scope("GET"), Told("newcomer"))))
            return echo(environ, start_response)

        one = Door(application)
        await asyncio.gather(*(one.__rsgi__(Scope("GET"), Told(name)) for name in "abc"))
        await asyncio.gather(*newcomers)

    asyncio.run(some_and_then_another())
    # The first made room for one.
    assert told == [("a", 200), ("newcomer", 503), ("b", 200), ("c", 200), ("newcomer", 200)]


@pytest.mark.parametrize("slow", [False, True], ids=["in the loop", "aside"])
def test_what_django_keeps_for_a_thread_is_kept_from_request_to_request(
    slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections to the database above all, which would else be opened anew for every request."""
    monkeypatch.setattr(door, "SLOW_AT_A_TIME", 1)
    kept, seen = Local(), []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(getattr(kept, "value", None))
        kept.value = "here"
        return echo(environ, start_response)

    async def one_after_the_other() -> None:
        one = Door(application, slow=lambda environ: slow)
        for _ in range(2):
            await asyncio.create_task(one.__rsgi__(Scope("GET"), Protocol()))

    asyncio.run(one_after_the_other())
    assert seen == [None, "here"]


def test_what_takes_long_keeps_nobody_waiting() -> None:
    """The slow one ends only after another was answered: in the same thread, neither would ever end."""
    answered = threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            assert answered.wait(30)
        else:
            answered.set()
        return echo(environ, start_response)

    slow, quick = Protocol(), Protocol()

    async def both() -> None:
        one = Door(application, slow=lambda environ: environ["PATH_INFO"] == "/slow")
        await asyncio.gather(one.__rsgi__(Scope("GET", "/slow"), slow), one.__rsgi__(Scope("GET"), quick))

    asyncio.run(both())
    assert [one.answer[0] for one in (slow, quick) if one.answer] == [200, 200]
