"""What tests of the API share: a clock that stands still, a place for files, the messages that wait to be sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from tandem.common import moments
from tandem.common.sealing import unseal
from tandem.sms.models import Message
from tests.cast import Api, person


class Clock:
    """Noon in Kolkata on a Thursday, until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2025, 12, 18, 6, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> datetime:
        self.time += timedelta(**by)
        return self.time


def as_(name: str) -> Api:
    """The API as one of the cast sees it, however the clock stands: access tokens live by a clock of their own."""
    return Api(person(name), scheme="Token")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopped = Clock()
    monkeypatch.setattr(moments, "now", stopped)
    return stopped


@pytest.fixture
def files(tmp_path: Path, settings: Any) -> Callable[[], list[str]]:
    """Files are kept in a directory of the test's own; call it for the keys of those that are there."""
    kept = tmp_path / "files"
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": kept}
    settings.STORAGES = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}
    assert storages["files"].location == str(kept)
    return lambda: sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())


@pytest.fixture
def messages() -> Callable[[], list[tuple[str, str]]]:
    """(number, text) of every message in the outbox, oldest first."""
    return lambda: [(one.to, unseal(one.sealed_text).decode()) for one in Message.objects.order_by("pk")]


@pytest.fixture
def latest_code(messages: Callable[[], list[tuple[str, str]]]) -> Callable[[], str]:
    def read() -> str:
        found = re.match(r"\d+", messages()[-1][1])
        assert found
        return found[0]

    return read
