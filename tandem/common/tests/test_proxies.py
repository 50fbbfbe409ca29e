"""What a proxy says about a request counts, when it is a proxy that we trust; what a client makes up never does."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

PROXY, STRANGER = "10.0.0.1", "192.0.2.9"


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings: Any) -> None:
    """As TANDEM_PUBLIC_URL=https://crm.example.com and TANDEM_TRUSTED_PROXIES=10.0.0.0/24 set it."""
    settings.TRUSTED_PROXIES = ["10.0.0.0/24"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["crm.example.com"]


@pytest.mark.parametrize(
    ("remote", "sent", "status", "why"),
    [
        (PROXY, {"X-Forwarded-Proto": "https"}, 200, "the proxy says that the client came by HTTPS"),
        (PROXY, {"X-Forwarded-Proto": "http"}, 301, "the proxy says that it did not"),
        (PROXY, {}, 301, "the proxy says nothing"),
        (STRANGER, {"X-Forwarded-Proto": "https"}, 301, "made up by who came past the proxy"),
        (STRANGER, {"X-Forwarded-Proto": "https", "X-Forwarded-For": PROXY}, 301, "so is that it came through it"),
        (f"{PROXY}:51234", {"X-Forwarded-Proto": "https"}, 200, "as the server writes an address"),
        ("", {"X-Forwarded-Proto": "https"}, 301, "nobody knows who said it"),
    ],
)
def test_only_a_trusted_proxy_says_that_a_request_came_by_https(
    remote: str, sent: dict[str, str], status: int, why: str
) -> None:
    answer = Client().get("/api/schema/", headers={"Host": "crm.example.com", **sent}, REMOTE_ADDR=remote)
    assert answer.status_code == status, why


def test_a_host_that_a_proxy_forwards_apart_is_not_looked_at() -> None:
    sent = {"Host": "crm.example.com", "X-Forwarded-Host": "evil.example.com"}
    answer = Client().get("/admin/", headers=sent, REMOTE_ADDR=PROXY)
    assert (answer.status_code, answer["Location"]) == (301, "https://crm.example.com/admin/")


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), [("/livez", 200), ("/readyz", 200), ("/metrics", 403), ("/admin/", 400)])
def test_what_watches_the_process_need_not_know_its_public_name(path: str, status: int) -> None:
    sent = {"Host": "172.17.0.2:8000", "X-Forwarded-Proto": "https"}
    assert Client().get(path, headers=sent, REMOTE_ADDR=PROXY).status_code == status
