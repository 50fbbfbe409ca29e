"""What is refused in public, and what counts as public."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.config.safety import dangers, is_loopback, weakness

GOOD_SECRET = "k3Jd92jsKq0-plWmv8Zx_1uYtRbNcE5hGfA7oSiQ"


@pytest.fixture(autouse=True)
def _harmless(settings: Any) -> None:
    settings.DEBUG = settings.CRM_OTP_IN_ANSWER = False
    settings.LOGIN_THROTTLE = True
    settings.SECRET_KEY = GOOD_SECRET
    settings.PUBLIC_URL = ""
    settings.TRUSTED_PROXIES = []
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEBUG", True, "TANDEM_DEBUG is on"),
        ("CRM_OTP_IN_ANSWER", True, "CRM_OTP_IN_ANSWER is on"),
        ("LOGIN_THROTTLE", False, "TANDEM_LOGIN_THROTTLE is off"),
        ("SECRET_KEY", "changeme", "TANDEM_SECRET_KEY is shorter than 32 characters"),
    ],
)
def test_each_danger_is_named_in_public_and_allowed_at_home(settings: Any, name: str, value: Any, said: str) -> None:
    assert dangers("0.0.0.0") == []
    setattr(settings, name, value)
    (danger,) = dangers("0.0.0.0")
    assert danger.startswith(said)
    assert dangers("127.0.0.1") == []


@pytest.mark.parametrize(
    ("name", "value", "public", "why"),
    [
        ("PUBLIC_URL", "https://crm.example.com", True, "it has a public address"),
        ("PUBLIC_URL", "http://localhost:8000", False, "its address is this machine's"),
        ("TRUSTED_PROXIES", ["10.0.0.1"], True, "a proxy stands before it"),
        ("ALLOWED_HOSTS", ["crm.example.com"], True, "it answers to a public name"),
        ("ALLOWED_HOSTS", ["localhost", ".example.com"], True, "and to any below one"),
        ("ALLOWED_HOSTS", ["*"], True, "it answers to any name"),
        ("ALLOWED_HOSTS", ["192.168.1.5"], True, "other machines call it so"),
        ("ALLOWED_HOSTS", ["LOCALHOST", "127.0.0.1"], False, "only this machine does"),
    ],
)
def test_loopback_behind_a_proxy_is_public_too(settings: Any, name: str, value: Any, public: bool, why: str) -> None:
    settings.DEBUG = True
    setattr(settings, name, value)
    assert bool(dangers("127.0.0.1")) is public, why


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("crm.example.com", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (GOOD_SECRET, ""),
        ("x", "is shorter than 32 characters"),
        ("abc" * 20, "repeats a few characters"),
        ("django-insecure-9f8a7s6d5f4g3h2j1k0lqwertyuiop", "looks like one out of an example"),
        ("ChangeMe-ChangeMe-ChangeMe-1234567890", "looks like one out of an example"),
    ],
)
def test_what_is_wrong_with_a_secret(secret: str, said: str) -> None:
    assert weakness(secret) == said
