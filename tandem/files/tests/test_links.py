"""GET /api/files/{key}: who has a link has the file, for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory

from tandem.common import context, moments
from tandem.common.addresses import origin_of
from tandem.files.images import Picture
from tandem.files.links import LASTS, LinkExpired, check_link, link_to
from tandem.files.storage import keep, kept, opened, remove
from tests.cast import ANONYMOUS

NOW = datetime(2025, 12, 18, 6, 30, tzinfo=UTC)
KEY = "visit/1/8f7e.jpg"


@pytest.fixture
def directory(tmp_path, settings):
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}
    return tmp_path / "files"


@pytest.fixture
def clock(monkeypatch):
    now = [NOW]
    monkeypatch.setattr(moments, "now", lambda: now[0])
    return now


def parts(link: str | None) -> dict[str, Any]:
    assert link
    _, _, query = link.partition("?")
    return dict(pair.split("=") for pair in query.split("&"))


def test_a_link_stays_the_same_for_a_while_and_then_changes() -> None:
    links = [link_to(KEY, now=NOW + LASTS * step / 100) for step in range(101)]
    assert len(set(links)) == 2


def test_a_link_is_good_for_at_least_so_long_whenever_it_was_made() -> None:
    for hours in range(24):
        made = NOW + timedelta(hours=hours)
        link = parts(link_to(KEY, now=made))
        until = check_link(KEY, **link, now=made + LASTS)
        assert made + LASTS < until <= made + 2 * LASTS
        with pytest.raises(LinkExpired):
            check_link(KEY, **link, now=until)


def test_there_is_no_link_to_nothing() -> None:
    assert link_to("", now=NOW) is None


def test_a_link_is_absolute_where_the_address_is_known(settings) -> None:
    settings.PUBLIC_URL = "https://crm.example.org/"
    assert str(link_to(KEY, now=NOW)).startswith(f"https://crm.example.org/api/files/{KEY}?expires=")


def test_else_it_is_where_the_request_reached_us(settings) -> None:
    """An application of another origin can show the picture, and a webhook's receiver can fetch it."""
    settings.ALLOWED_HOSTS = ["crm.example.org"]
    token = context.origin.set(lambda: origin_of(RequestFactory().get("/", headers={"host": "crm.example.org:8000"})))
    try:
        assert str(link_to(KEY, now=NOW)).startswith(f"http://crm.example.org:8000/api/files/{KEY}?expires=")
    finally:
        context.origin.reset(token)
    assert str(link_to(KEY, now=NOW)).startswith("/api/files/"), "the worker has no request"


def test_it_gives_the_file(directory, clock) -> None:
    key = keep(Picture(b"pixels", "jpg"), entity="visit", pk=1)
    answer = ANONYMOUS.get(link_to(key, now=NOW))
    assert (answer.status_code, answer.content) == (200, b"pixels")
    assert {name: answer[name] for name in ("Content-Type", "X-Content-Type-Options", "Content-Disposition")} == {
        "Content-Type": "image/jpeg",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline",
    }
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Cache-Control"] == "private, max-age=63000, immutable"  # until the next midnight of UTC


def test_a_link_dies_with_its_time(directory, clock) -> None:
    link = link_to(keep(Picture(b"pixels", "jpg"), entity="visit", pk=1), now=NOW)
    clock[0] += 2 * LASTS
    answer = ANONYMOUS.get(link)
    assert (answer.status_code, answer.json()["code"]) == (403, "link_expired")


def test_a_link_dies_with_its_file(directory, clock) -> None:
    key = keep(Picture(b"pixels", "jpg"), entity="visit", pk=1)
    remove(key)
    assert ANONYMOUS.get(link_to(key, now=NOW)).status_code == 404
    remove(key)  # once more is no error


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link.replace("/visit/1/", "/visit/2/"),
        lambda link: link.replace(KEY, "../secret_key"),
        lambda link: link.replace("expires=", "expires=9"),
        lambda link: link.replace("expires=", "expires=x"),
        lambda link: link.replace("expires=", "expires=-"),
        lambda link: link.replace("signature=", "signature=0"),
        lambda link: link.partition("&")[0],
        lambda link: link.partition("?")[0],
        lambda link: link + "%00",
        lambda link: link + "%ED%A0%80",
        lambda link: link + "é",
    ],
    ids=[
        *("another file", "out of the folder", "a later time", "no time", "a negative time", "another signature"),
        *("no signature", "nothing", "NUL", "a lone surrogate", "not ASCII"),
    ],
)
def test_a_link_that_was_made_up_opens_nothing(directory, clock, change) -> None:
    answer = ANONYMOUS.get(change(str(link_to(KEY, now=NOW))))
    assert (answer.status_code, answer.json()["code"]) == (403, "link_expired")


def test_files_are_for_the_product_alone(directory) -> None:
    key = keep(Picture(b"pixels", "jpg"), entity="visit", pk=1)
    assert (directory / key).stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o077 == 0


def refused_change(seen: list[str]) -> None:
    with kept(Picture(b"pixels", "jpg"), entity="visit", pk=1) as key:
        file = opened(key)
        assert file is not None
        file.close()
        seen.append(key)
        raise RuntimeError


def test_a_picture_goes_away_when_its_change_is_refused(directory) -> None:
    seen: list[str] = []
    with pytest.raises(RuntimeError):
        refused_change(seen)
    assert [opened(key) for key in seen] == [None]


def test_a_picture_stays_when_its_change_is_made(directory) -> None:
    with kept(Picture(b"pixels", "jpg"), entity="visit", pk=1) as key:
        pass
    file = opened(key)
    assert file is not None
    with file:
        assert file.read() == b"pixels"


def test_no_picture_is_no_file(directory) -> None:
    with kept(None, entity="visit", pk=1) as key:
        assert key == ""
    assert not directory.exists()
