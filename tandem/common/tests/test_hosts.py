"""The names that Tandem answers to (TANDEM_ALLOWED_HOSTS)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tandem.accounts.models import User
from tests.cast import PASSWORD, as_, card_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _names(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["crm.example.com", ".apps.example.com", "[::1]"]


def said_to(name: str) -> dict[str, str]:
    detail = f'This server does not answer to the name "{name}"; set TANDEM_ALLOWED_HOSTS to the names that it has.'
    return {"detail": detail, "code": "unknown_host"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/auth/me/"),
        ("GET", "/api/crm/cards/"),
        ("GET", "/api/crm/cards/?limit=1"),
        ("POST", "/api-token-auth/"),
        ("DELETE", "/api/nowhere/"),
        ("GET", "/api/schema/"),
        ("OPTIONS", "/services/"),
    ],
)
def test_every_call_to_another_name_is_refused_in_the_same_words(method: str, path: str) -> None:
    api = as_("asha")
    for _ in range(2):
        card_of(person("chitra"))
    answer = api.client.generic(method, path, headers={**api.headers, "Host": "other.example.com"})
    assert (answer.status_code, answer.json()) == (400, said_to("other.example.com"))
    assert answer["X-Request-Id"]


def test_nothing_is_done_for_another_name() -> None:
    answer = as_("asha").post(
        "/api/auth/token/register/", {"phone": "9876543210", "password": PASSWORD}, Host="other.example.com"
    )
    assert (answer.status_code, answer.json()) == (400, said_to("other.example.com"))
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "name", ["crm.example.com", "CRM.example.com:8000", "crm.example.com.", "a.apps.example.com", "[::1]:8000"]
)
def test_its_own_names_are_answered_however_they_are_written(name: str) -> None:
    for _ in range(2):
        card_of(person("chitra"))
    answer = as_("asha").get("/api/crm/cards/?limit=1", Host=name)
    assert answer.status_code == 200
    assert answer["Link"].startswith(f"<http://{name}/api/crm/cards/")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("<script>alert(1)</script>", "?script?alert?1???script?"),
        ('a"b\\c\r\nX: y', "a?b?c??X:?y"),
        ("caf\xe9.example.com", "caf?.example.com"),
        ("evil.example.com@crm.example.com", "evil.example.com?crm.example.com"),
        ("x" * 60_000, "x" * 100),
    ],
)
def test_of_a_hostile_name_only_what_names_are_made_of_is_told(name: str, shown: str) -> None:
    answer = Client().get("/api/auth/me/", HTTP_HOST=name)
    assert (answer.status_code, answer.json()) == (400, said_to(shown))


def test_it_is_said_before_anything_is_sent_to_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/api/auth/me/", HTTP_HOST="other.example.com")
    assert (answer.status_code, answer.json()) == (400, said_to("other.example.com"))


def test_a_web_app_of_another_origin_may_read_why(settings: Any) -> None:
    settings.CORS_ORIGINS = ["https://app.example.com"]
    sent = {"Host": "other.example.com", "Origin": "https://app.example.com"}
    answer = Client().get("/api/auth/me/", headers=sent)
    assert answer["Access-Control-Allow-Origin"] == "https://app.example.com"


def test_a_web_app_of_another_origin_may_read_what_its_answers_carry(settings: Any) -> None:
    settings.CORS_ORIGINS = ["https://app.example.com"]
    sent = {"Host": "crm.example.com", "Origin": "https://app.example.com"}
    exposed = Client().get("/api/auth/me/", headers=sent)["Access-Control-Expose-Headers"].split(", ")
    ours = {"Allow", "Content-Disposition", "ETag", "Link", "Location", "Retry-After", "WWW-Authenticate"}
    assert ours | {"X-Request-Id", "Idempotent-Replayed"} == set(exposed)


@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 200), ("/admin/", 400)])
def test_pages_are_left_to_django_and_what_watches_needs_no_name(path: str, status: int) -> None:
    answer = Client().get(path, HTTP_HOST="other.example.com")
    assert answer.status_code == status
    assert b"unknown_host" not in answer.content


def test_whoever_scans_the_internet_wakes_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert Client().get("/nowhere", HTTP_HOST="other.example.com").status_code == 400
    assert [(line.name, line.levelname) for line in caplog.records if line.levelname == "ERROR"] == []
