"""The application as the server calls it: the same answers as Django's own handler gives."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.test import RequestFactory
from django.urls import Resolver404, get_resolver, resolve
from django.urls.resolvers import RoutePattern, URLPattern

from tandem.common.routes import RouteIndex
from tandem.config.wsgi import Application

SAMPLES = {"int": "7", "uuid": "0b0f1b0e-5d3c-4a3e-9f0a-1a2b3c4d5e6f", "slug": "a-b", "str": "word", "path": "a"}


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of tests before this one, which their transactions need; Django's own test client leaves them alone too."""
    monkeypatch.setattr("tandem.config.wsgi.close_old_connections", lambda: None)


def _routes(patterns: Any, before: str = "") -> Iterator[str]:
    for one in patterns:
        if not isinstance(one.pattern, RoutePattern) or getattr(one, "namespace", None):
            continue
        if isinstance(one, URLPattern):
            yield before + str(one.pattern)
        else:
            yield from _routes(one.url_patterns, before + str(one.pattern))


def _path(route: str) -> str:
    return "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES[found[1] or "str"], route)


def _told(match: Any) -> list[Any]:
    return [match.func, match.args, match.kwargs, match.route, match.url_name, match.view_name, match.namespaces]


def test_every_route_is_found_as_django_finds_it() -> None:
    patterns = get_resolver().url_patterns
    index = RouteIndex(patterns)
    paths = [_path(route) for route in _routes(patterns)]
    assert len(paths) > 100
    for path in paths:
        found = index.find(path)
        assert found is not None, path
        assert _told(found) == _told(resolve(path)), path


def test_a_uuid_in_upper_case_is_the_same() -> None:
    patterns = get_resolver().url_patterns
    index = RouteIndex(patterns)
    routes = [route for route in _routes(patterns) if "<uuid:" in route]
    assert len(routes) > 20
    for path in map(_path, routes):
        spelt = path.replace(SAMPLES["uuid"], SAMPLES["uuid"].upper())
        found = index.find(spelt)
        assert found is not None, spelt
        assert _told(found) == _told(resolve(path)), spelt


@pytest.mark.parametrize(
    "path",
    ["/api/crm/cards", "/api/crm/cards/x/", "/api/crm/cards/7/nothing/", "/nothing", "//", "/api/leads/7/"],
)
def test_what_is_nowhere_is_left_to_django(path: str) -> None:
    assert RouteIndex(get_resolver().url_patterns).find(path) is None
    with pytest.raises(Resolver404):
        resolve(path)


def _asked(path: str, **changed: Any) -> tuple[str, dict[str, str], bytes]:
    told: list[Any] = []
    environ = {**RequestFactory().get(path).environ, **changed}
    answer = Application()(environ, lambda status, headers: told.extend([status, dict(headers)]))
    content = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return told[0], told[1], content


def test_it_answers() -> None:
    status, headers, content = _asked("/livez")
    assert status == "200 OK"
    assert headers["X-Request-Id"]
    assert content == b'{"status": "ok"}'


def test_a_page_that_only_django_knows_is_found() -> None:
    assert _asked("/admin/")[0] == "302 Found"


def test_a_path_that_is_nowhere_is_an_error_of_the_api() -> None:
    status, headers, content = _asked("/api/nothing/")
    assert (status, headers["Content-Type"]) == ("404 Not Found", "application/json")
    assert b'"code":"not_found"' in content


def test_what_a_form_brought_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr("django.core.handlers.wsgi.WSGIRequest.close", lambda request: closed.append(request.path))
    _asked("/livez", **{"wsgi.input": io.BytesIO(b"")})
    assert closed == ["/livez"]


@pytest.mark.parametrize(
    ("method", "path", "content_type", "slow"),
    [
        ("GET", "/api/crm/services/7/", "", False),
        ("POST", "/api/leads/", "application/json", False),
        ("POST", "/api/auth/login/", "application/json", True),
        ("GET", "/api/auth/login/", "", False),
        ("POST", "/api/auth/admin/users/", "application/json", True),
        ("GET", "/api/auth/admin/users/", "", False),
        ("POST", "/api/auth/admin/users/7/change-password/", "application/json", True),
        ("POST", "/api/crm/autoassign/run/", "application/json", True),
        ("GET", "/api/crm/admin/export/services/", "", True),
        ("HEAD", "/api/leads/export/", "", True),
        ("POST", "/api/leads/import/", "multipart/form-data; boundary=x", True),
        ("POST", "/api/leads/reassign/", "application/json", True),
        ("DELETE", f"/api/pipelines/{UUID(int=1)}/", "", True),
        ("GET", f"/api/pipelines/{UUID(int=1)}/", "", False),
        ("GET", "/nothing/", "", False),
        ("GET", "/livez", "", False),
    ],
)
def test_it_knows_what_may_take_long(method: str, path: str, content_type: str, slow: bool) -> None:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "CONTENT_TYPE": content_type}
    assert Application().is_slow(environ) is slow


def test_a_route_that_was_found_already_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    application, environ = Application(), dict(RequestFactory().get("/livez").environ)
    application.is_slow(environ)
    monkeypatch.setattr("tandem.common.routes.index", lambda: RouteIndex([]))
    monkeypatch.setattr("tandem.common.routes.resolve", lambda path: pytest.fail("it was looked for again"))
    told: list[str] = []
    application(environ, lambda status, headers: told.append(status))
    assert told == ["200 OK"]
