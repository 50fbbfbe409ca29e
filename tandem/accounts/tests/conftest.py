"""How these tests speak to the API; the people are those of tests/cast.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tandem.accounts.models import User
from tandem.accounts.tokens import open_key, open_session
from tandem.common import moments
from tests import cast


@pytest.fixture
def asha(db: None) -> User:
    return cast.person("asha")


@pytest.fixture
def wasim(db: None) -> User:
    return cast.person("wasim")


@pytest.fixture
def chitra(db: None) -> User:
    return cast.person("chitra", address="12 MG Road", city="Rajapalayam")


@pytest.fixture
def omar(db: None) -> User:
    return cast.person("omar")


class Api(cast.Api):
    """The API with any `Authorization` header, bad ones included."""

    def __init__(self, authorization: str = "") -> None:
        super().__init__()
        if authorization:
            self.headers["Authorization"] = authorization

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(method, path, **content, headers=self._with(headers))


def bearer(user: User) -> Api:
    return Api(f"Bearer {open_session(user, now=moments.now()).access}")


def with_key(user: User) -> Api:
    return Api(f"Token {open_key(user, now=moments.now())}")


@pytest.fixture
def anyone(db: None) -> Api:
    return Api()


@pytest.fixture(params=[bearer, with_key], ids=["bearer", "token"])
def signed_in(request: pytest.FixtureRequest) -> Callable[[User], Api]:
    """Both kinds of credentials, one after the other."""
    return request.param


def without_times(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "date_joined"}
