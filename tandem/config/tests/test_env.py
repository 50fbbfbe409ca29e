"""Settings that cannot be used stop the start with one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tandem.config import env


@pytest.fixture(autouse=True)
def _read_for_the_test_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is remembered, for the test of docs/settings.md."""
    monkeypatch.setattr(env, "DECLARED", {})


@pytest.mark.parametrize(
    ("read", "raw", "reason"),
    [
        (env.zone, "Mars/X", "'Mars/X' is no time zone; use a name such as Asia/Kolkata"),
        (env.zone, "../etc/passwd", "'../etc/passwd' is no time zone; use a name such as Asia/Kolkata"),
        (env.region, "XX", "'XX' is no country; use two letters such as IN"),
        (env.region, "India", "'India' is no country; use two letters such as IN"),
    ],
)
def test_one_that_cannot_be_used_is_named(
    read: Callable[[str, str], str], raw: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_ANY", raw)
    with pytest.raises(SystemExit) as refused:
        read("TANDEM_ANY", "")
    assert str(refused.value) == f"tandem: the setting TANDEM_ANY is not usable: {reason}"


@pytest.mark.parametrize(
    ("read", "raw", "expected"), [(env.zone, "Asia/Kolkata", "Asia/Kolkata"), (env.region, "de", "DE")]
)
def test_others_are_taken(
    read: Callable[[str, str], str], raw: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TANDEM_ANY", raw)
    assert read("TANDEM_ANY", "") == expected
