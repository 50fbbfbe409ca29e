"""What leaves through each backend, and what it says when it fails."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.parse
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tandem.sms import backends
from tandem.sms.backends import Console, File, Http, NotSent, Twilio

TO, TEXT = "+910000000001", "Ihr Code: 123456 – नमस्ते"


def answering(status: int, seen: list[httpx.Request] | None = None, **answer: object) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(status, **answer)

    return httpx.MockTransport(handle)


def refusal(backend: backends.Backend) -> NotSent:
    with pytest.raises(NotSent) as refused:
        backend.send(to=TO, text=TEXT, key="sms-1")
    assert TO not in refused.value.reason
    assert "123456" not in refused.value.reason
    return refused.value


def test_the_console_shows_number_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    Console().send(to=TO, text=TEXT, key="sms-1")
    assert capsys.readouterr().out == f"SMS to {TO}: {TEXT}\n"


def test_the_file_gets_one_json_line_per_message_and_is_private(tmp_path: Path) -> None:
    backend = File(tmp_path / "sms.jsonl", clock=lambda: datetime(2025, 12, 18, 10, 0, tzinfo=UTC))
    backend.send(to=TO, text=TEXT, key="sms-1")
    backend.send(to=TO, text="second\nline", key="sms-2")
    lines = (tmp_path / "sms.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"to": TO, "text": TEXT, "at": "2025-12-18T10:00:00Z"},
        {"to": TO, "text": "second\nline", "at": "2025-12-18T10:00:00Z"},
    ]
    assert (tmp_path / "sms.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_worth_another_try(tmp_path: Path) -> None:
    refused = refusal(File(tmp_path / "missing" / "sms.jsonl"))
    assert not refused.permanent
    assert "No such file" in refused.reason


def test_the_gateway_gets_json_with_the_token_and_a_stable_key() -> None:
    seen: list[httpx.Request] = []
    Http("https://sms.example/send", "s3cret", transport=answering(202, seen)).send(to=TO, text=TEXT, key="sms-7")
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://sms.example/send")
    assert json.loads(request.content) == {"to": TO, "text": TEXT}
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert request.headers["Idempotency-Key"] == "sms-7"
    assert request.extensions["timeout"] == {"connect": 5.0, "read": 15.0, "write": 15.0, "pool": 15.0}


def test_twilio_gets_its_form_with_basic_auth() -> None:
    seen: list[httpx.Request] = []
    Twilio("AC1", "tok", "+15550000000", transport=answering(201, seen)).send(to=TO, text=TEXT, key="sms-7")
    (request,) = seen
    assert str(request.url) == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json"
    assert dict(urllib.parse.parse_qsl(request.content.decode())) == {"To": TO, "From": "+15550000000", "Body": TEXT}
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"AC1:tok").decode()


def test_twilio_takes_a_messaging_service_as_sender() -> None:
    seen: list[httpx.Request] = []
    Twilio("AC1", "tok", "MG42", transport=answering(201, seen)).send(to=TO, text=TEXT, key="sms-7")
    assert b"MessagingServiceSid=MG42" in seen[0].content


@pytest.mark.parametrize(
    ("status", "permanent", "why"),
    [
        (400, True, "the number or the text is refused"),
        (422, True, "the same, in another dialect"),
        (301, False, "redirects are not followed; the address in the settings is wrong"),
        (401, False, "the token in the settings is wrong"),
        (404, False, "the address in the settings is wrong"),
        (429, False, "too many at once"),
        (500, False, "the gateway is broken"),
        (503, False, "the gateway is down"),
    ],
)
def test_what_a_status_means(status: int, permanent: bool, why: str) -> None:
    backend = Http("https://sms.example/send", "", transport=answering(status, text=f"{TO} {TEXT}"))
    refused = refusal(backend)
    assert (refused.permanent, refused.reason) == (permanent, f"the gateway answered {status}"), why


@pytest.mark.parametrize(
    ("status", "code", "permanent", "why"),
    [
        (400, 21211, True, "the number is not valid"),
        (400, 21610, True, "the person has unsubscribed"),
        (400, 21212, False, "our own sending number is wrong; the settings can be mended"),
        (401, 20003, False, "the token in the settings is wrong"),
        (429, 20429, False, "too many at once"),
    ],
)
def test_what_twilios_errors_mean(status: int, code: int, permanent: bool, why: str) -> None:
    transport = answering(status, json={"code": code, "message": f"{TO} {TEXT}"})
    refused = refusal(Twilio("AC1", "tok", "+15550000000", transport=transport))
    assert refused.permanent is permanent, why
    assert refused.reason == f"the gateway answered {status}, Twilio's error {code}"


@pytest.mark.parametrize(
    ("header", "seconds"), [("30", 30), ("86400", 3600), ("soon", None), ("-1", None), ("99999999999999", None)]
)
def test_a_gateway_may_ask_for_a_pause(header: str, seconds: int | None) -> None:
    transport = answering(429, headers={"Retry-After": header})
    assert refusal(Http("https://sms.example/send", "", transport=transport)).retry_after_seconds == seconds


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_no_answer_is_worth_another_try(error: type[httpx.TransportError]) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error(f"while sending {TO} {TEXT}")

    refused = refusal(Http("https://sms.example/send", "", transport=httpx.MockTransport(handle)))
    assert not refused.permanent
    assert error.__name__ in refused.reason


def test_an_address_that_is_none_is_no_crash() -> None:
    assert not refusal(Http("not an address", "")).permanent


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        ("console", []),
        ("file", []),
        ("http", ["TANDEM_SMS_HTTP_URL"]),
        ("twilio", ["TANDEM_SMS_TWILIO_ACCOUNT", "TANDEM_SMS_TWILIO_TOKEN", "TANDEM_SMS_TWILIO_FROM"]),
    ],
)
def test_it_names_the_settings_that_are_missing(settings, backend: str, expected: list[str]) -> None:
    settings.SMS_BACKEND = backend
    for name in ("HTTP_URL", "TWILIO_ACCOUNT", "TWILIO_TOKEN", "TWILIO_FROM"):
        setattr(settings, f"SMS_{name}", "")
    assert backends.missing_settings() == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("console", Console), ("file", File), ("http", Http), ("twilio", Twilio)]
)
def test_the_setting_chooses_the_backend(settings, name: str, expected: type) -> None:
    settings.SMS_BACKEND = name
    assert isinstance(backends.configured(), expected)


def test_a_gateway_that_drips_is_left_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.05)  # each piece comes well within httpx's own limits
            yield b" "

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=drip()))
    monkeypatch.setattr(backends, "DEADLINE_SECONDS", 0.3)
    refused = refusal(Http("https://sms.example/send", "", transport=transport))
    assert (refused.reason, refused.permanent) == ("the gateway did not answer within 0.3 s", False)
