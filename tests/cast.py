"""The named people and things of the tests, and how they speak to the API.

Asha runs the office (admin). Chitra owns machines; Deepak is another customer. Wasim is the worker whose visits they
are; Wali is another worker. Omar uses the sales-and-academy half only (office).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.test.client import ClientHandler

from tandem.accounts.models import User
from tandem.accounts.tokens import open_key, open_session
from tandem.common import moments
from tandem.fieldservice.models import Card, Visit

PASSWORD = "Correct-Horse-7"

PEOPLE: dict[str, dict[str, Any]] = {
    "asha": {"name": "Asha", "role": "admin", "phone": "+919000000001", "username": "asha"},
    "chitra": {"name": "Chitra", "role": "customer", "phone": "+919000000002"},
    "deepak": {"name": "Deepak", "role": "customer", "phone": "+919000000003"},
    "wasim": {"name": "Wasim", "role": "worker", "phone": "+919000000004", "region": "Madurai"},
    "wali": {"name": "Wali", "role": "worker", "phone": "+919000000005", "region": "Madurai"},
    "omar": {"name": "Omar", "role": "office", "username": "omar"},
}


@cache
def _hashed() -> str:
    # The real hasher, once: its cost is what tests of the login measure, not what every test should pay.
    return make_password(PASSWORD)


def person(name: str, **other: Any) -> User:
    """One of the cast, made at first mention; `other` overrides what the cast says."""
    known = PEOPLE[name]
    found = User.objects.filter(name=known["name"]).first()
    return found or User.objects.create(**{"password": _hashed(), **known, **other})


def newcomer(name: str, *, role: str = "customer", **other: Any) -> User:
    """Somebody outside the cast, with a username made from the name."""
    return User.objects.create(**{"username": name.lower(), "name": name, "role": role, "password": _hashed(), **other})


def card_of(customer: User, **other: Any) -> Card:
    now = moments.now()
    values = {
        "model": "AquaPure X1",
        "customer_name": customer.name,
        "region": "Madurai",
        "warranty_start_date": moments.today() - timedelta(days=30),
        "warranty_end_date": moments.today() + timedelta(days=335),
        "created_at": now,
        "updated_at": now,
    }
    return Card.objects.create(customer=customer, **{**values, **other})


def visit_to(card: Card, *, on: date | None = None, **other: Any) -> Visit:
    """A stored visit. on: the preferred day, today when left out. `scheduled_on=` fixes a day without a time."""
    now = moments.now()
    fixed: date | None = other.get("scheduled_on")
    values = {
        "service_type": "normal",
        "preferred_date": on or moments.today(),
        "customer": card.customer,
        "requested_by": card.customer,
        "scheduled_at": moments.start_of(fixed) if fixed else None,
        "created_at": now,
        "updated_at": now,
    }
    return Visit.objects.create(card=card, **{**values, **other})


@cache
def _handler() -> ClientHandler:
    # One for all: to load the middleware, which looks through the static files, takes as long as two requests.
    return ClientHandler(enforce_csrf_checks=False)


def client() -> Client:
    """Django's, at a name that is ours."""
    made = Client(HTTP_HOST="localhost")
    made.handler = _handler()
    return made


class Api:
    """The API as one person sees it: JSON in, JSON out, through the whole stack."""

    def __init__(self, user: User | None = None, *, scheme: str = "Bearer") -> None:
        self.client = client()
        self.headers: dict[str, str] = {}
        if user is not None and scheme == "Bearer":
            self.headers["Authorization"] = f"Bearer {open_session(user, now=moments.now()).access}"
        elif user is not None:
            self.headers["Authorization"] = f"Token {open_key(user, now=moments.now())}"

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(path, headers=self._with(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("post", path, body, headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("patch", path, body, headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self._send("put", path, body, headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Any:
        if body is not None:
            return self._send("delete", path, body, headers)
        return self.client.delete(path, headers=self._with(headers))

    def upload(self, path: str, fields: dict[str, Any]) -> Any:
        """multipart/form-data"""
        return self.client.post(path, fields, headers=self.headers)

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        data = json.dumps({} if body is None else body)
        return getattr(self.client, method)(path, data, content_type="application/json", headers=self._with(headers))

    def _with(self, headers: dict[str, str]) -> dict[str, str]:
        return {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}


def as_(name: str, **other: Any) -> Api:
    """The API as one of the cast sees it."""
    return Api(person(name, **other))


def member(group: str, *, name: str = "", rights: Iterable[str] = ()) -> Api:
    """The API as an office user in one of the five groups sees it. rights: further ones, e.g. `add_attribute`."""
    name = name or f"One of {group}"
    user = newcomer(name, role="office", username=name.lower().replace(" ", "-"))
    user.groups.add(Group.objects.get(name=group))
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    return Api(user)


ANONYMOUS = Api()


def shown(moment: datetime | None) -> str | None:
    return moments.iso(moment) if moment else None
