"""Settings that cannot be used stop the start with one line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tandem.config import env


@pytest.fixture(autouse=True)
def _read_for_the_test_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is remembered, for the test of docs/settings.md."""
    monkeypatch.setattr(env, "DECLARED", {})


NO_HOST = "is no host name; write names alone, without https://, port or path"
NO_ADDRESS = "it is no address that begins with https:// or http:// and a host name"
NOTHING_BEHIND = "it is scheme and name alone, nothing behind them, such as https://crm.example.com"


def _choice(name: str, default: str) -> str:
    return env.choice(name, "INFO", ["INFO", "ERROR"])


def _networks(name: str, default: str) -> object:
    return env.networks(name)


def _whole(name: str, default: str) -> int:
    return env.whole(name, 6, least=4, most=8)


def _database(name: str, default: str) -> dict[str, object] | None:
    return env.database_url(name)


def _address(name: str, default: str) -> str:
    return env.address(name)


def _origins(name: str, default: str) -> list[str]:
    return env.origins(name)


def _url(name: str, default: str) -> str:
    return env.url(name)


def _broker(name: str, default: str) -> str:
    return env.url(name, schemes=("amqp", "redis"))


@pytest.mark.parametrize(
    ("read", "raw", "reason"),
    [
        (env.zone, "Mars/X", "'Mars/X' is no time zone; use a name such as Asia/Kolkata"),
        (env.zone, "../etc/passwd", "'../etc/passwd' is no time zone; use a name such as Asia/Kolkata"),
        (env.region, "XX", "'XX' is no country; use two letters such as IN"),
        (_choice, "loud", "'loud' is none of INFO, ERROR"),
        (_networks, "10.0.0.1/8", "'10.0.0.1/8' is no network; write 10.0.0.0/8 or 10.1.2.3, with zeros behind the /"),
        (_whole, "six", "'six' is no whole number from 4 to 8"),
        (_whole, "9", "'9' is no whole number from 4 to 8"),
        (_whole, "1_0", "'1_0' is no whole number from 4 to 8"),
        (_whole, "9" * 5000, f"'{'9' * 40}' is no whole number from 4 to 8"),
        (_database, "postgresql://a@b/c?bogus=1", 'behind the question mark: invalid connection option "bogus"'),
        (env.hosts, "a.example.com,https://crm.example.com", f"'https://crm.example.com' {NO_HOST}"),
        (env.hosts, "crm.example.com:8000", f"'crm.example.com:8000' {NO_HOST}"),
        (env.hosts, "crm.example.com/", f"'crm.example.com/' {NO_HOST}"),
        (env.hosts, "::1", f"'::1' {NO_HOST}"),
        (_address, "crm.example.com", NO_ADDRESS),
        (_address, "https://", NO_ADDRESS),
        (_address, "https://crm.example.com:port", NO_ADDRESS),
        (_address, "https://[crm", NO_ADDRESS),
        (_address, "ftp://crm.example.com", NO_ADDRESS),
        (_address, "https://crm.example.com/crm", NOTHING_BEHIND),
        (_address, "https://crm.example.com?x=y", NOTHING_BEHIND),
        (_address, "https://user:hunter2@crm.example.com", NOTHING_BEHIND),
        (_origins, "app.example.com", NO_ADDRESS),
        (_origins, "https://a.example.com, https://b.example.com/app", NOTHING_BEHIND),
        (_url, "minio.example.com:9000", NO_ADDRESS),
        (_url, "https://user:hunter2@", NO_ADDRESS),
        (_url, "https://a b", NO_ADDRESS),
        (_broker, "http://host", "it is no address that begins with amqp:// or redis:// and a host name"),
        (env.region, "India", "'India' is no country; use two letters such as IN"),
    ],
)
def test_one_that_cannot_be_used_is_named(
    read: Callable[[str, str], Any], raw: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_ANY", raw)
    with pytest.raises(SystemExit) as refused:
        read("TANDEM_ANY", "")
    assert str(refused.value) == f"tandem: the setting TANDEM_ANY is not usable: {reason}"


@pytest.mark.parametrize(
    ("read", "raw", "expected"),
    [
        (env.zone, "Asia/Kolkata", "Asia/Kolkata"),
        (env.region, "de", "DE"),
        (_choice, "error", "ERROR"),
        (env.hosts, "crm.example.com, .example.org,*,127.0.0.1,[::1]", None),
        (_address, "https://CRM.example.com/", "https://crm.example.com"),
        (_address, "http://localhost:8000", "http://localhost:8000"),
        (_address, "http://[::1]:8000", "http://[::1]:8000"),
        (_origins, "https://a.example.com/,http://localhost:3000", ["https://a.example.com", "http://localhost:3000"]),
        (_url, "http://user:pass@gateway/sms?x=y", "http://user:pass@gateway/sms?x=y"),
        (_broker, "amqp://guest:guest@127.0.0.1:5672//", "amqp://guest:guest@127.0.0.1:5672//"),
    ],
)
def test_others_are_taken(
    read: Callable[[str, str], str], raw: str, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_ANY", raw)
    assert read("TANDEM_ANY", "") == ([word.strip() for word in raw.split(",")] if expected is None else expected)
