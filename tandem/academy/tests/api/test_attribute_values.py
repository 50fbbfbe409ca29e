"""Values of attributes: their types, and that nothing but a write changes them. CONTRACT §4 "Attributes"."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Attribute, Client
from tests.cast import Api, as_

pytestmark = pytest.mark.django_db
URL = "/api/clients/"
STORED = {"flag": True, "num": 1, "txt": "x"}


@pytest.fixture
def asha() -> Api:
    api = as_("asha")
    for name, type in (("flag", "boolean"), ("num", "number"), ("txt", "text")):
        assert api.post("/api/attributes/client/", {"name": name, "label": name, "type": type}).status_code == 201
    return api


def made(asha: Api, **attributes: Any) -> str:
    answer = asha.post(URL, {"name": "Acme", "attributes": attributes})
    assert answer.status_code == 201, answer.content
    pk: str = answer.json()["id"]
    return pk


def spelt(values: dict[str, Any]) -> dict[str, str]:
    """To Python 1 and True are the same, and 1.0."""
    return {name: repr(value) for name, value in values.items()}


@pytest.mark.parametrize("sent", [{"flag": 1}, {"num": True}, {"num": 1.0, "flag": "true"}])
def test_what_python_takes_for_the_same_is_not(asha: Api, sent: dict[str, Any]) -> None:
    pk = made(asha, **STORED)
    answer = asha.patch(f"{URL}{pk}/", {"attributes": {**sent, "txt": "y"}})
    if answer.status_code == 200:
        assert spelt(answer.json()["attributes"]) == spelt({**STORED, "txt": "y"})
        assert [row["id"] for row in asha.get(f"{URL}?attributes.flag=true&attributes.num=1").json()] == [pk]
    else:
        assert list(answer.json()) == ["attributes"]
        assert spelt(Client.objects.get().attributes) == spelt(STORED)


@pytest.mark.parametrize("number", [77.59456271234566, 0.30000000000000004, 123456789.12345679, 1e-7, -5, 2**53 - 1])
def test_numbers_stay_as_they_are_when_another_attribute_is_deleted(asha: Api, number: float) -> None:
    pk = made(asha, num=number, txt='"]},[{\\ é', flag=False)
    shown = asha.get(f"{URL}{pk}/").json()["attributes"]
    assert repr(shown["num"]) == repr(number)
    other = asha.post("/api/attributes/client/", {"name": "other", "label": "Other", "type": "text"}).json()["id"]
    assert asha.delete(f"/api/attributes/{other}/").status_code == 204
    assert repr(asha.get(f"{URL}{pk}/").json()["attributes"]) == repr(shown)


def test_lists_stay_as_they_are_when_another_attribute_is_deleted(asha: Api) -> None:
    body = {"name": "tags", "label": "Tags", "type": "list", "list_values": ["a, b", 'c"d']}
    assert asha.post("/api/attributes/client/", body).status_code == 201
    pk = made(asha, tags=["a, b", 'c"d'])
    Attribute.objects.filter(name="num").delete()
    assert asha.delete(f"/api/attributes/{Attribute.objects.get(name='txt').pk}/").status_code == 204
    assert asha.get(f"{URL}{pk}/").json()["attributes"] == {"tags": ["a, b", 'c"d']}


@pytest.mark.parametrize("path", [URL, "/api/clients/export/"])
def test_a_filter_holds_no_null_characters(asha: Api, path: str) -> None:
    made(asha, txt="a")
    answer = asha.get(f"{path}?attributes.txt=a%00")
    assert (answer.status_code, list(answer.json())) == (400, ["attributes.txt"])


class TestOptionsThatAreNumbers:
    """They are stored as text, and a client that defined them as numbers sends numbers."""

    @pytest.fixture
    def year(self, asha: Api) -> None:
        body = {"name": "year", "type": "list", "list_values": [2024, 2.5]}
        assert asha.post("/api/attributes/client/", body).status_code == 201

    @pytest.mark.parametrize(
        ("sent", "stored"),
        [(2024, "2024"), ("2024", "2024"), (2.5, "2.5"), ([2024, 2.5, "2024"], ["2024", "2.5"])],
    )
    def test_may_be_sent_as_numbers(self, asha: Api, year: None, sent: Any, stored: Any) -> None:
        pk = made(asha, year=sent)
        assert asha.get(f"{URL}{pk}/").json()["attributes"] == {"year": stored}
        assert [row["id"] for row in asha.get(f"{URL}?attributes.year=2024").json()] == ([pk] if sent != 2.5 else [])

    @pytest.mark.parametrize("sent", [2025, True, [2024, True], {"2024": 2024}])
    def test_are_the_only_ones(self, asha: Api, year: None, sent: Any) -> None:
        refused = asha.post(URL, {"name": "Acme", "attributes": {"year": sent}})
        assert (refused.status_code, refused.json()) == (
            400,
            {"attributes": {"year": ["Choose one of: 2024, 2.5."]}},
        )


@pytest.mark.parametrize("type", ["text", "textarea", "number", "date", "boolean", "list"])
@pytest.mark.parametrize("nothing", [None, "", "   ", " \t\n "])
def test_blanks_alone_are_no_value(asha: Api, type: str, nothing: Any) -> None:
    body = {"name": "needed", "type": type, "list_values": ["a"], "is_required": True}
    pk = made(asha, txt="a")
    one = asha.post("/api/attributes/client/", body).json()["id"]
    refused = asha.post(URL, {"name": "Acme", "attributes": {"needed": nothing}})
    assert (refused.status_code, refused.json()) == (400, {"attributes": {"needed": ["This attribute is required."]}})
    asha.patch(f"/api/attributes/{one}/", {"is_required": False})
    shown = asha.patch(f"{URL}{pk}/", {"attributes": {"needed": nothing, "txt": nothing}})
    assert (shown.status_code, shown.json()["attributes"]) == (200, {})
