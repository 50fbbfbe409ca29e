"""Upper and lower case count the same for every letter, on both databases. CONTRACT §3 "Card", §4."""

from __future__ import annotations

import sqlite3
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection

from tandem.academy.models import Lead
from tandem.academy.tests.leads import lead, pipeline
from tandem.accounts.models import User
from tests.cast import Api, as_, card_of, person

pytestmark = pytest.mark.django_db

# As it is stored and as it is asked for. Databases disagree on İ and on the sigma that ends a word: for those the same
# spelling must do.
WORDS = [
    ("Überprüfung", "überprüfung"),
    ("Überprüfung", "ÜBERPRÜFUNG"),
    ("École", "école"),
    ("ΑΘΗΝΑ", "αθηνα"),
    ("İlk", "İlk"),
    ("ΟΔΟΣ", "ΟΔΟΣ"),
    ("மதுரை", "மதுரை"),
    ("Won", "wON"),
]
each = pytest.mark.parametrize(("stored", "asked"), WORDS)


def found(path: str, **query: str) -> int:
    answer = as_("asha").get(f"{path}?{urlencode(query)}")
    assert answer.status_code == 200, answer.content
    return len(answer.json())


@each
def test_stages_are_found(stored: str, asked: str) -> None:
    lead(stage=stored)
    assert found("/api/leads/", stage=asked) == 1


@each
def test_regions_are_found(stored: str, asked: str) -> None:
    card_of(person("chitra"), region=stored)
    assert found("/api/crm/cards/", region=asked) == 1


@each
@pytest.mark.parametrize("parameter", ["name", "search"])
def test_parts_of_names_are_found(parameter: str, stored: str, asked: str) -> None:
    lead(name=f"The {stored} lead")
    lead(name="Another")
    assert found("/api/leads/", **{parameter: asked}) == 1


@pytest.mark.parametrize(("asked", "expected"), [("50%", 1), ("5_%", 0), ("%", 1), ("\\", 0)])
def test_signs_of_patterns_are_signs(asked: str, expected: int) -> None:
    lead(name="50% off")
    lead(name="Another")
    assert found("/api/leads/", name=asked) == expected


def test_one_user_is_called_so() -> None:
    body = {"username": "Élan", "name": "É", "role": "office", "password": "Neem-Tree-4-Desk"}
    asha = as_("asha")
    assert asha.post("/api/auth/admin/users/", body).status_code == 201
    again = asha.post("/api/auth/admin/users/", {**body, "username": "éLAN"})
    assert (again.status_code, list(again.json())) == (400, ["username"])
    assert Api().post("/api/auth/login/", {"username": "élan", "password": body["password"]}).status_code == 200


@pytest.mark.parametrize("name", ["Ärger", "İlk", "ΟΔΟΣ"])
def test_a_renamed_stage_takes_its_leads_along_and_one_in_use_stays(name: str) -> None:
    sales = pipeline(stages=f"{name} ok")
    asha, path = as_("asha"), f"/api/pipelines/{sales.pk}/"
    one = lead(of=sales, stage=name)
    first, other = asha.get(path).json()["stages"]
    assert asha.patch(path, {"stages": [other]}).status_code == 409
    assert asha.patch(path, {"stages": [{**first, "name": "Über"}, other]}).status_code == 200
    assert Lead.objects.get(pk=one.pk).stage == "Über"
    assert asha.patch(path, {"stages": [other]}).json()["stages"][0]["lead_count"] == 1
    assert asha.patch(path, {"stages": [other], "stage_moves": {"Über": "ok"}}).status_code == 200
    assert Lead.objects.get(pk=one.pk).stage == "ok"


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's own LOWER knew too few letters")
class TestDatabasesOfEarlierVersions:
    """2026-11-28: how SQLite databases whose indexes were made with its own LOWER are brought here."""

    reindex: Any = staticmethod(import_module("tandem.common.migrations.0003_every_letter_has_its_case").reindex)

    def as_before(self, *names: str) -> None:
        connection.connection.create_function("LOWER", 1, _ascii_lowered, deterministic=True)
        for name in names:
            User.objects.create(username=name, name=name, role="office")
        import_module("tandem.common.sqlite.base").fold_case(connection.connection)

    def test_their_indexes_are_made_anew(self) -> None:
        self.as_before("Élan")
        assert "row" in self.damage()
        self.reindex(None, SimpleNamespace(connection=connection))
        assert self.damage() == "ok"
        assert User.objects.named("éLAN").exists()

    def test_what_cannot_be_two_any_more_is_named(self) -> None:
        self.as_before("Élan", "élan")
        with pytest.raises(SystemExit, match="accounts_user"):
            self.reindex(None, SimpleNamespace(connection=connection))

    def damage(self) -> str:
        assert isinstance(connection.connection, sqlite3.Connection)
        return str(connection.connection.execute("PRAGMA integrity_check").fetchone()[0])


def _ascii_lowered(value: Any) -> Any:
    """As SQLite's own."""
    if not isinstance(value, str):
        return value
    return "".join(char.lower() if char.isascii() else char for char in value)
