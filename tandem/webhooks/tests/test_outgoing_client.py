"""The client against receivers that lie, stall, flood and send it elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from ipaddress import ip_network
from typing import Any, TypeVar

import httpcore
import pytest

from tandem.webhooks.outgoing import ANSWER_BYTES, Answered, Client, NotSent
from tandem.webhooks.outgoing.resolving import Lookups
from tandem.webhooks.rules.headers import RESERVED
from tandem.webhooks.tests.receivers import (
    OK,
    Receiver,
    drips,
    floods,
    read_request,
    reads_and_keeps_silent,
    receiving,
    says,
    says_and_closes,
)

Result = TypeVar("Result")
LOOPBACK = [ip_network("127.0.0.0/8")]
TLS = ssl.create_default_context()
GIGABYTE = 1024**3


def run(running: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end; nothing here may take longer than half a minute, whatever a receiver does."""
    return asyncio.run(asyncio.wait_for(running, 30))


def client(*, resolve: Callable[[str], Awaitable[list[str]]] | None = None, deadline_seconds: float = 5) -> Client:
    return Client(allowed=LOOPBACK, resolve=resolve, tls=TLS, deadline_seconds=deadline_seconds)


def send(behave: Any, *, deadline_seconds: float = 5) -> tuple[Answered | NotSent, Receiver]:
    """Send one POST to a receiver that behaves so; what came of it, and the receiver."""

    async def sending() -> tuple[Answered | NotSent, Receiver]:
        async with receiving(behave) as receiver, client(deadline_seconds=deadline_seconds) as sender:
            try:
                return await sender.send("POST", receiver.url(), {}, b"{}"), receiver
            except NotSent as failed:
                return failed, receiver

    return run(sending())


def has_ipv6_loopback() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as trying:
        trying.bind(("::1", 0))
        return True
    return False


class Names:
    """Stands in for the resolver: each lookup of a name gives the next of its answers, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        answers = self.answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def test_it_sends_what_was_asked_and_says_what_came_back() -> None:
    async def sending() -> None:
        answer = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nbusy"
        async with receiving(says(answer)) as receiver, client() as sender:
            headers = {"Content-Type": "application/json", "X-Name": "Çelik उदा", "webhook-id": "msg_1"}
            answered = await sender.send("POST", receiver.url("/hook?a=é b"), headers, b'{"a":1}')
            assert (answered.status, answered.body, answered.retry_after) == (503, b"busy", "120")
            assert 0 <= answered.duration_ms < 5000
            assert receiver.requests == [
                (
                    "POST /hook?a=%C3%A9%20b HTTP/1.1\r\n"
                    f"Host: 127.0.0.1:{receiver.port}\r\nAccept: */*\r\nUser-Agent: Tandem\r\n"
                    "Content-Type: application/json\r\nX-Name: Çelik उदा\r\nwebhook-id: msg_1\r\n"
                    'Content-Length: 7\r\n\r\n{"a":1}'
                ).encode()
            ]

    run(sending())


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_method_without_a_body_announces_none(method: str) -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver, client() as sender:
            assert (await sender.send(method, receiver.url(), {}, None)).status == 200
            assert b"content-length" not in receiver.requests[0].lower()
            assert b"transfer-encoding" not in receiver.requests[0].lower()

    run(sending())


def test_headers_of_the_webhook_take_the_place_of_ours() -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver, client() as sender:
            await sender.send("POST", receiver.url(), {"user-agent": "Acme", "ACCEPT": "text/plain"}, b"")
            head = receiver.requests[0]
            assert b"user-agent: Acme\r\nACCEPT: text/plain\r\n" in head
            assert (head.lower().count(b"user-agent"), head.lower().count(b"accept")) == (1, 1)

    run(sending())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in sorted(RESERVED)),
        ("HOST", "127.0.0.1"),
        ("X-Name", "a\r\nX-Injected: 1"),
        ("X-Name", "a\nb"),
        ("X-Name", "a\x00b"),
        ("X-Name", "\ud800"),
        ("X Name", "a"),
        ("X-Name:", "a"),
        ("X-Name\r\nX-Injected", "a"),
        ("", "a"),
        ("Ü", "a"),
    ],
)
def test_a_header_that_would_change_the_request_is_refused(name: str, value: str) -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver, client() as sender:
            with pytest.raises(NotSent) as refused:
                await sender.send("POST", receiver.url(), {name: value}, b"")
            assert refused.value.code == "bad_headers"
            assert receiver.connections == 0

    run(sending())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://169.254.169.254/latest/meta-data/", "/elsewhere", "//10.0.0.1/"])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int, location: str) -> None:
    answer = f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    answered, receiver = send(says(answer))
    assert isinstance(answered, Answered)
    assert answered.status == status
    assert len(receiver.requests) == 1


def test_a_dripping_body_ends_at_the_deadline() -> None:
    drip = drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", pause_seconds=0.01)
    failed, _ = send(drip, deadline_seconds=0.3)
    assert isinstance(failed, NotSent)
    assert failed.code == "timeout"


def test_dripping_headers_end_at_the_deadline() -> None:
    failed, _ = send(drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", pause_seconds=0.01), deadline_seconds=0.3)
    assert isinstance(failed, NotSent)
    assert failed.code == "timeout"


def test_answers_that_are_none_yet_end_at_the_deadline() -> None:
    drip = drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause_seconds=0.001)
    failed, _ = send(drip, deadline_seconds=0.3)
    assert isinstance(failed, NotSent)
    assert failed.code == "timeout"


def test_a_silent_receiver_is_left_at_the_deadline_and_the_connection_closed() -> None:
    async def sending() -> None:
        async with receiving(reads_and_keeps_silent) as receiver, client(deadline_seconds=0.2) as sender:
            with pytest.raises(NotSent, match=r"within 0\.2 s"):
                await sender.send("POST", receiver.url(), {}, b"{}")
            await receiver.closed_by_sender.wait()

    run(sending())


def test_a_handshake_that_never_ends_is_left_at_the_deadline_and_the_connection_closed() -> None:
    async def sending() -> None:
        async with receiving(reads_and_keeps_silent) as receiver, client(deadline_seconds=0.2) as sender:
            with pytest.raises(NotSent) as failed:
                await sender.send("POST", receiver.url(scheme="https"), {}, b"{}")
            assert failed.value.code == "timeout"
            await receiver.closed_by_sender.wait()

    run(sending())


def test_a_sender_that_is_told_to_stop_leaves_no_connection() -> None:
    async def sending() -> None:
        async with receiving(reads_and_keeps_silent) as receiver, client() as sender:
            task = asyncio.ensure_future(sender.send("POST", receiver.url(scheme="https"), {}, b"{}"))
            while not receiver.connections:
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await receiver.closed_by_sender.wait()

    run(sending())


def test_a_receiver_that_does_not_read_ends_at_the_deadline() -> None:
    async def never_reads(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    async def sending() -> None:
        async with receiving(never_reads) as receiver, client(deadline_seconds=0.3) as sender:
            with pytest.raises(NotSent) as failed:
                await sender.send("POST", receiver.url(), {}, b"x" * 50_000_000)
            assert failed.value.code == "timeout"

    run(sending())


def test_of_a_gigabyte_only_the_beginning_is_read() -> None:
    sent: list[int] = []
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {GIGABYTE}\r\n\r\n".encode()

    async def sending() -> None:
        flood = floods(head, b"x" * 65536, times=GIGABYTE // 65536, sent=sent)
        async with receiving(flood) as receiver, client() as sender:
            answered = await sender.send("POST", receiver.url(), {}, b"{}")
            assert (answered.status, answered.body) == (200, b"x" * ANSWER_BYTES)
            await receiver.closed_by_sender.wait()

    run(sending())
    assert sent[-1] < 20_000_000, f"{sent[-1]} bytes went out"  # what the system's buffers took


def test_of_endless_chunks_only_the_beginning_is_read() -> None:
    sent: list[int] = []
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    answered, _ = send(
        floods(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, times=250_000, sent=sent)
    )
    assert isinstance(answered, Answered)
    assert len(answered.body) == ANSWER_BYTES


def test_endless_headers_are_no_answer() -> None:
    sent: list[int] = []
    failed, _ = send(floods(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"x" * 4096, times=250_000, sent=sent))
    assert isinstance(failed, NotSent)
    assert failed.code == "bad_answer"
    assert sent[-1] < 20_000_000


def test_an_answer_of_just_the_limit_is_whole() -> None:
    body = b"y" * ANSWER_BYTES
    answered, _ = send(says(b"HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + body))
    assert isinstance(answered, Answered)
    assert answered.body == body


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip"])
def test_a_compressed_answer_is_never_inflated(coding: bytes) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (coding, len(bomb))
    answered, receiver = send(says(head + bomb))
    assert isinstance(answered, Answered)
    assert answered.body == bomb[:ANSWER_BYTES]
    assert b"accept-encoding" not in receiver.requests[0].lower()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "connection"),
        (b"HTTP/1.1 200", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "bad_answer"),
        (b"HTTP/1.1 9999 Over\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "bad_answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad_answer"),
        (b"220 mail.example.com ESMTP\r\n\r\n", "bad_answer"),
        (b"\x15\x03\x01\x00\x02\x02\x50" * 9, "bad_answer"),
        (b"\x00" * 300_000, "bad_answer"),
        (b"<html>hello</html>\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nraw", "bad_answer"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "bad_answer"),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", "bad_answer"),
    ],
)
def test_a_broken_answer_is_no_success(answer: bytes, code: str) -> None:
    failed, _ = send(says_and_closes(answer))
    assert isinstance(failed, NotSent), failed
    assert failed.code == code, failed
    assert str(failed).endswith("."), "a sentence"


def test_an_old_server_that_ends_its_answer_by_closing_is_understood() -> None:
    answered, _ = send(says_and_closes(b"HTTP/1.0 200 OK\r\n\r\nfine"))
    assert isinstance(answered, Answered)
    assert (answered.status, answered.body) == (200, b"fine")


def test_whatever_a_receiver_says_it_is_an_answer_or_not_sent() -> None:
    chance = random.Random(7)
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 3\r\n\r\nhello",
        b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.0 204 None\r\nConnection: keep-alive\r\n\r\n",
    ]

    def garbled() -> bytes:
        answer = bytearray(chance.choice(answers))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(answer))
            answer[place : place + chance.randint(0, 3)] = chance.choice(
                [b"", b"\0", b"\r\n", b"9" * 30, b"\xff", b":"]
            )
        return bytes(answer)

    async def garbles(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says_and_closes(garbled())(receiver, reader, writer)

    async def sending() -> None:
        async with receiving(garbles) as receiver, client(deadline_seconds=1) as sender:
            answered = 0
            for _ in range(400):
                with contextlib.suppress(NotSent):
                    await sender.send("POST", receiver.url(), {}, b"{}")
                    answered += 1
            assert 20 < answered < 380, f"{answered} of 400 were understood"

    run(sending())


def test_what_a_strange_service_says_is_not_quoted() -> None:
    failed, _ = send(says_and_closes(b"220 secret-host.internal ESMTP\r\n\r\n"))
    assert str(failed) == "What came back is not an HTTP/1.1 answer."


def test_a_port_where_nobody_listens_is_named_so() -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver:
            closed = receiver.url()
        async with client() as sender:
            with pytest.raises(NotSent, match=r"cannot be reached: Connection refused\.") as failed:
                await sender.send("POST", closed, {}, b"{}")
        assert failed.value.code == "connection"

    run(sending())


def test_a_name_without_addresses_is_named_so() -> None:
    async def sending() -> None:
        async with client(resolve=Names(gone=[[]])) as sender:
            with pytest.raises(NotSent) as failed:
                await sender.send("POST", "http://gone/", {}, b"{}")
        assert failed.value.code == "no_such_host"

    run(sending())


def test_a_name_that_the_system_does_not_know_is_named_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def sending() -> None:
        async with client() as sender:
            with pytest.raises(NotSent, match="gone cannot be found: Name or service not known") as failed:
                await sender.send("POST", "http://gone/", {}, b"{}")
        assert failed.value.code == "no_such_host"

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    run(sending())


def test_a_name_server_that_does_not_answer_ends_at_the_deadline() -> None:
    async def resolve(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    async def sending() -> None:
        async with client(resolve=resolve, deadline_seconds=0.2) as sender:
            with pytest.raises(NotSent) as failed:
                await sender.send("POST", "http://hooks/", {}, b"{}")
        assert failed.value.code == "timeout"

    run(sending())


def test_it_dials_the_address_that_it_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: a second look-up between the check and the dialling would dial the second answer."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("looked up behind the back of the check")

    async def sending() -> None:
        names = Names(hooks=[["127.0.0.2"], ["10.0.0.1"]])
        async with receiving(says(OK), host="127.0.0.2") as receiver, client(resolve=names) as sender:
            monkeypatch.setattr(socket, "getaddrinfo", never)
            assert (await sender.send("POST", receiver.url(host="hooks"), {}, b"{}")).status == 200
            assert names.asked == ["hooks"]
            assert f"Host: hooks:{receiver.port}".encode() in receiver.requests[0]

    run(sending())


def test_every_send_looks_the_name_up_anew_also_when_a_connection_is_kept() -> None:
    async def sending() -> None:
        names = Names(hooks=[["127.0.0.2"], ["127.0.0.2"], ["10.0.0.1"], ["127.0.0.3"]])
        async with (
            receiving(says(OK), host="127.0.0.2") as second,
            receiving(says(OK), host="127.0.0.3", port=second.port) as third,
            client(resolve=names) as sender,
        ):
            url = second.url(host="hooks")
            await sender.send("POST", url, {}, b"1")
            await sender.send("POST", url, {}, b"2")
            assert (second.connections, len(second.requests)) == (1, 2), "the connection is kept"
            with pytest.raises(NotSent) as refused:
                await sender.send("POST", url, {}, b"3")
            assert refused.value.code == "address_refused"
            await sender.send("POST", url, {}, b"4")
            assert (len(second.requests), len(third.requests)) == (2, 1), "the name moved, and so did we"

    run(sending())


def test_when_one_address_does_not_answer_the_next_one_is_tried() -> None:
    async def sending() -> None:
        names = Names(hooks=[["127.0.0.9", "127.0.0.2"]])
        async with receiving(says(OK), host="127.0.0.2") as receiver, client(resolve=names) as sender:
            assert (await sender.send("POST", receiver.url(host="hooks"), {}, b"{}")).status == 200

    run(sending())


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
def test_an_ipv6_address_is_dialled_and_named_in_brackets() -> None:
    async def sending() -> None:
        async with receiving(says(OK), host="::1") as receiver, Client(allowed=[ip_network("::1")], tls=TLS) as sender:
            assert (await sender.send("POST", receiver.url(host="[0::1]"), {}, b"{}")).status == 200
            assert f"\r\nHost: [::1]:{receiver.port}\r\n".encode() in receiver.requests[0]

    run(sending())


def test_two_names_never_share_a_connection() -> None:
    async def sending() -> None:
        names = Names(one=[["127.0.0.1"]], two=[["127.0.0.1"]])
        async with receiving(says(OK)) as receiver, client(resolve=names) as sender:
            await sender.send("POST", receiver.url(host="one"), {}, b"")
            await sender.send("POST", receiver.url(host="two"), {}, b"")
            assert receiver.connections == 2

    run(sending())


def test_a_kept_connection_that_the_receiver_closed_costs_no_failure() -> None:
    async def once_each(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers the first request of a connection and hangs up on the second."""
        await read_request(receiver, reader)
        writer.write(OK)
        await read_request(receiver, reader)

    async def sending() -> None:
        async with receiving(once_each) as receiver, client() as sender:
            for number in range(3):
                assert (await sender.send("POST", receiver.url(), {}, b"%d" % number)).status == 200
            assert [request[-1:] for request in receiver.requests] == [b"0", b"1", b"1", b"2", b"2"]

    run(sending())


def test_a_new_connection_that_breaks_is_not_tried_again() -> None:
    failed, receiver = send(says_and_closes(b""))
    assert isinstance(failed, NotSent)
    assert len(receiver.requests) == 1


def test_an_answer_that_came_before_the_request_is_not_taken_for_its_answer() -> None:
    async def sending() -> None:
        broken = b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"
        async with receiving(says(OK + OK, broken)) as receiver, client() as sender:
            assert (await sender.send("POST", receiver.url(), {}, b"1")).status == 200
            answered = await sender.send("POST", receiver.url(), {}, b"2")
            assert [request[-1:] for request in receiver.requests][-1] == b"2", "it was really asked"
            assert receiver.connections == 2, "over a connection without left-overs"
            assert answered.status == 200

    run(sending())


def test_answers_do_not_mix_when_many_are_sent_at_once() -> None:
    async def echoes(receiver: Receiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = (await read_request(receiver, reader)).partition(b"\r\n\r\n")[2]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async def sending() -> None:
        async with receiving(echoes) as receiver, client() as sender:
            for _ in range(5):
                bodies = [b"%d" % number for number in range(40)]
                answers = await asyncio.gather(*(sender.send("POST", receiver.url(), {}, body) for body in bodies))
                assert [answered.body for answered in answers] == bodies
            assert receiver.connections <= 40

    run(sending())


def test_nothing_a_receiver_sets_comes_back_to_it() -> None:
    async def sending() -> None:
        cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
        async with receiving(says(cookie)) as receiver, client() as sender:
            await sender.send("POST", receiver.url(), {}, b"1")
            await sender.send("POST", receiver.url(), {}, b"1")
            assert receiver.requests[0] == receiver.requests[1]

    run(sending())


def test_of_many_connections_only_some_are_kept_and_none_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sending() -> None:
        all_are_there = asyncio.Event()

        async def answers_all_at_once(receiver: Receiver, reader: Any, writer: Any) -> None:
            while True:
                await read_request(receiver, reader)
                if len(receiver.requests) == 5:
                    all_are_there.set()
                await all_are_there.wait()
                writer.write(OK)

        async with receiving(answers_all_at_once) as receiver, client() as sender:
            monkeypatch.setattr("tandem.webhooks.outgoing.client.MOST_KEPT", 2)
            await asyncio.gather(*(sender.send("POST", receiver.url(), {}, b"") for _ in range(5)))
            assert receiver.connections == 5
            await receiver.closed_by_sender.wait()
            await asyncio.gather(*(sender.send("POST", receiver.url(), {}, b"") for _ in range(3)))
            assert receiver.connections == 6, "two were kept"
            monkeypatch.setattr("tandem.webhooks.outgoing.client.KEEP_SECONDS", -1)
            await sender.send("POST", receiver.url(), {}, b"")
            assert receiver.connections == 7, "what lay idle for too long is not used"

    run(sending())


def test_it_closes_what_it_kept_when_it_ends() -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver:
            async with client() as sender:
                await sender.send("POST", receiver.url(), {}, b"")
                assert not receiver.closed_by_sender.is_set()
            await receiver.closed_by_sender.wait()

    run(sending())


def test_proxies_and_passwords_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as proxy, receiving(says(OK)) as receiver:
            for name in ("http_proxy", "https_proxy", "all_proxy"):
                monkeypatch.setenv(name, proxy.url(""))
                monkeypatch.setenv(name.upper(), proxy.url(""))
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password secret\n")
            monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
            async with Client(allowed=LOOPBACK) as sender:
                assert (await sender.send("POST", receiver.url(), {}, b"{}")).status == 200
            assert (proxy.connections, len(receiver.requests)) == (0, 1)
            assert b"authorization" not in receiver.requests[0].lower()

    run(sending())


def test_the_setting_decides_when_nothing_else_is_said(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sending() -> None:
        async with receiving(says(OK)) as receiver:
            settings.WEBHOOK_ALLOWED_NETWORKS = []
            async with Client(tls=TLS) as sender:
                with pytest.raises(NotSent) as refused:
                    await sender.send("POST", receiver.url(), {}, b"{}")
            assert (refused.value.code, receiver.connections) == ("address_refused", 0)
            settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
            async with Client(tls=TLS) as sender:
                assert (await sender.send("POST", receiver.url(), {}, b"{}")).status == 200

    run(sending())


def test_a_failure_that_has_nothing_to_do_with_the_receiver_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    async def sending() -> None:
        async with client() as sender:
            with pytest.raises(RuntimeError, match="a bug"):
                await sender.send("POST", "http://127.0.0.1:9/", {}, b"{}")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", broken)
    run(sending())


def test_one_name_is_looked_up_once_at_a_time_and_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    def answer(host: bytes, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))] * 2

    async def looking_up() -> None:
        lookups = Lookups()
        assert await asyncio.gather(*(lookups("hooks") for _ in range(20))) == [["127.0.0.1"]] * 20
        assert asked == [b"hooks"]
        await lookups("hooks")
        assert asked == [b"hooks", b"hooks"]
        lookups.close()

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    run(looking_up())


def test_who_gives_up_waiting_for_a_lookup_takes_the_answer_from_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def looking_up() -> None:
        lookups = Lookups()
        impatient = asyncio.ensure_future(lookups("127.0.0.1"))
        patient = asyncio.ensure_future(lookups("127.0.0.1"))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == ["127.0.0.1"]
        lookups.close()

    run(looking_up())
