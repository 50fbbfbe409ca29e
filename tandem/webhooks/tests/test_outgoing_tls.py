"""Secure connections: the certificate has to be good, and to be the receiver's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trustme

from tandem.webhooks.outgoing import Client, NotSent
from tandem.webhooks.tests.receivers import OK, receiving, says

LOOPBACK = [ip_network("127.0.0.0/8")]
AUTHORITY = trustme.CA()


def run(running: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(running, 30))


def server_tls(*names: str, authority: trustme.CA = AUTHORITY, not_after: datetime | None = None) -> ssl.SSLContext:
    """What a receiver with a certificate for these names uses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=not_after).configure_cert(context)
    return context


def client_tls() -> ssl.SSLContext:
    """Trusts the throw-away authority, and is as strict as the real one."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def loopback(host: str) -> list[str]:
    return ["127.0.0.1"]


def client() -> Client:
    return Client(allowed=LOOPBACK, resolve=loopback, tls=client_tls(), deadline_seconds=5)


async def refusal(sender: Client, url: str) -> NotSent:
    with pytest.raises(NotSent) as refused:
        await sender.send("POST", url, {}, b"{}")
    return refused.value


def test_the_name_of_the_address_is_the_name_that_is_asked_for_and_checked() -> None:
    asked: list[str] = []
    context = server_tls("hooks.example.com")
    context.sni_callback = lambda _, name, __: asked.append(name)

    async def sending() -> None:
        async with receiving(says(OK), tls=context) as receiver, client() as sender:
            url = receiver.url(scheme="https", host="Hooks.Example.com")
            assert (await sender.send("POST", url, {}, b"{}")).status == 200
            assert asked == ["hooks.example.com"]
            assert f"\r\nHost: hooks.example.com:{receiver.port}\r\n".encode() in receiver.requests[0]

    run(sending())


def test_a_certificate_for_an_address_is_accepted_for_that_address() -> None:
    async def sending() -> None:
        async with receiving(says(OK), tls=server_tls("127.0.0.1")) as receiver, client() as sender:
            assert (await sender.send("POST", receiver.url(scheme="https"), {}, b"{}")).status == 200

    run(sending())


@pytest.mark.parametrize(
    ("certified", "asked", "reason"),
    [
        ("other.example.com", "hooks.example.com", "another name"),
        ("hooks.example.com", "127.0.0.1", "the address instead of the name"),
        ("127.0.0.1", "hooks.example.com", "the dialled address is not the name"),
        ("*.example.com", "a.hooks.example.com", "a star covers one label"),
        ("*.example.com", "example.com", "a star is not nothing"),
    ],
)
def test_a_certificate_for_something_else_is_refused(certified: str, asked: str, reason: str) -> None:
    async def sending() -> None:
        async with receiving(says(OK), tls=server_tls(certified)) as receiver, client() as sender:
            refused = await refusal(sender, receiver.url(scheme="https", host=asked))
            assert refused.code == "tls", reason
            assert str(refused).startswith("The certificate of the receiver is not accepted: "), reason
            assert receiver.requests == [], "nothing was said to it"

    run(sending())


def test_a_certificate_of_an_unknown_authority_is_refused() -> None:
    async def sending() -> None:
        context = server_tls("hooks.example.com", authority=trustme.CA())
        async with receiving(says(OK), tls=context) as receiver, client() as sender:
            refused = await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))
            assert (refused.code, receiver.requests) == ("tls", [])

    run(sending())


def test_a_certificate_that_ran_out_is_refused() -> None:
    async def sending() -> None:
        context = server_tls("hooks.example.com", not_after=datetime(2020, 1, 1, tzinfo=UTC))
        async with receiving(says(OK), tls=context) as receiver, client() as sender:
            refused = await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))
            assert (refused.code, receiver.requests) == ("tls", [])
            assert "expired" in str(refused)

    run(sending())


def test_a_receiver_that_speaks_plain_http_is_no_secure_one() -> None:
    async def sending() -> None:
        plain = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

        async def answers_at_once(_: object, __: object, writer: asyncio.StreamWriter) -> None:
            writer.write(plain)
            await writer.drain()

        async with receiving(answers_at_once) as receiver, client() as sender:
            assert (await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))).code == "tls"

    run(sending())


def test_a_receiver_that_wants_to_know_our_certificate_gets_no_further() -> None:
    async def sending() -> None:
        context = server_tls("hooks.example.com")
        context.verify_mode = ssl.CERT_REQUIRED
        AUTHORITY.configure_trust(context)
        async with receiving(says(OK), tls=context) as receiver, client() as sender:
            refused = await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))
            assert refused.code in ("tls", "connection"), refused
            assert receiver.requests == []

    run(sending())


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_protocols_are_refused(version: str) -> None:
    async def sending() -> None:
        context = server_tls("hooks.example.com")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        async with receiving(says(OK), tls=context) as receiver, client() as sender:
            refused = await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))
            assert (refused.code, receiver.requests) == ("tls", [])

    run(sending())


def test_a_connection_that_was_opened_for_one_name_is_not_used_for_another() -> None:
    async def sending() -> None:
        async with receiving(says(OK), tls=server_tls("one.example.com")) as receiver, client() as sender:
            one, two = (receiver.url(scheme="https", host=f"{name}.example.com") for name in ("one", "two"))
            assert (await sender.send("POST", one, {}, b"{}")).status == 200
            assert (await sender.send("POST", one, {}, b"{}")).status == 200
            assert receiver.connections == 1
            assert (await refusal(sender, two)).code == "tls"
            assert len(receiver.requests) == 2

    run(sending())


def test_only_public_authorities_are_trusted_and_the_environment_cannot_add_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(ours))
    monkeypatch.setenv("SSL_CERT_FILE", str(ours))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))

    async def sending() -> None:
        async with (
            receiving(says(OK), tls=server_tls("hooks.example.com")) as receiver,
            Client(allowed=LOOPBACK, resolve=loopback, deadline_seconds=5) as sender,
        ):
            refused = await refusal(sender, receiver.url(scheme="https", host="hooks.example.com"))
            assert (refused.code, receiver.requests) == ("tls", [])

    run(sending())
