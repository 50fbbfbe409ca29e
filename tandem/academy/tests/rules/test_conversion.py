"""What of a lead goes into a client and a student, and who is the same already."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.rules.attributes import Definition
from tandem.academy.rules.conversion import carried, check_kept, contact
from tandem.common.errors import Invalid

LEAD = {"phone": "98765 43210", "size": "many", "source": "LinkedIn", "tier": "bronze", "origin": None}
CLIENT = [
    Definition("phone", "text"),
    Definition("size", "number"),
    Definition("tier", "list", options=("gold",)),
    Definition("origin", "text"),
]


@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        (None, {"phone": "98765 43210"}, "same names, where the value fits"),
        ({}, {"phone": "98765 43210"}, "an empty object says nothing more"),
        ({"phone": None}, {"phone": None}, "null leaves it out"),
        ({"phone": "1"}, {"phone": "1"}, "what is given goes first"),
        ({"origin": {"from": "source"}}, {"phone": "98765 43210", "origin": "LinkedIn"}, "under another name"),
        (
            {"size": {"from": "size"}},
            {"phone": "98765 43210", "size": "many"},
            "who asks for it is told that it is wrong",
        ),
        ({"tier": {"from": "origin"}}, {"phone": "98765 43210", "tier": None}, "the lead has no such value"),
        ({"unknown": 1}, {"phone": "98765 43210", "unknown": 1}, "refused where attributes are checked"),
    ],
)
def test_what_is_carried(given: Any, expected: dict[str, Any], reason: str) -> None:
    assert carried(LEAD, CLIENT, given, field="client_attributes") == expected, reason


@pytest.mark.parametrize("value", [{}, {"from": 1}, {"from": ["source"]}, {"from": "source", "or": 1}, {"source": "x"}])
def test_a_source_that_cannot_be_read(value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        carried(LEAD, CLIENT, {"origin": value}, field="client_attributes")
    assert list(refused.value.fields["client_attributes"]) == ["origin"]


def test_a_source_that_no_lead_has() -> None:
    with pytest.raises(Invalid) as refused:
        carried(LEAD, CLIENT, {"origin": {"from": "unheard_of"}, "tier": {"from": "tire"}}, field="client_attributes")
    assert refused.value.fields == {
        "client_attributes": {
            "origin": ["Leads have no attribute `unheard_of`."],
            "tier": ["Leads have no attribute `tire`."],
        }
    }


STORED = {"phone": "98765 43210", "size": 25, "gone": "of a deleted attribute"}


@pytest.mark.parametrize(
    ("said", "wrong", "reason"),
    [
        ({}, [], "nothing is said"),
        ({"phone": None, "size": "", "tier": [], "origin": " "}, [], "a form that was left empty says nothing"),
        ({"phone": "98765 43210", "size": "25", "gone": "of a deleted attribute"}, [], "it is so anyhow"),
        ({"phone": "1", "size": 25, "origin": "Web"}, ["phone", "origin"], "it would change the client"),
        ({"unheard_of": 1, "size": "many", "phone": "1"}, ["unheard_of", "size"], "what is wrong is told first"),
    ],
)
def test_a_client_that_is_there_stays_as_it_is(said: Any, wrong: list[str], reason: str) -> None:
    needed = Definition("needed", "text", is_required=True)
    try:
        check_kept(STORED, said, [*CLIENT, needed])
        found: list[str] = []
    except Invalid as refused:
        found = list(refused.fields["attributes"])
    assert found == wrong, reason


def _digits(raw: str) -> str:
    digits = "".join(char for char in raw if char.isdigit())[-10:]
    if len(digits) < 10:
        raise ValueError(raw)
    return digits


@pytest.mark.parametrize(
    ("one", "other", "expected", "reason"),
    [
        (("Jane Doe", {}), ("jane  DOE ", {}), ["name"], "case and spaces do not count"),
        (("A", {"phone": "098765 43210"}), ("B", {"mobile_no": 9876543210}), ["phone"], "any spelling, any attribute"),
        (("A", {"email": "Jane@X.org "}), ("B", {"work_mail": "jane@x.org"}), ["email"], "addresses in any case"),
        (("A", {"phone": "123"}), ("B", {"phone": "123"}), [], "what is no number compares with nothing"),
        (("A", {"email": ""}), ("B", {"email": ""}), [], "nor does nothing"),
        (("A", {"city": "x"}), ("B", {"city": "x"}), [], "other attributes do not count"),
        (("A", {"phone": "9876543210", "email": "a@b"}), ("a", {"phone": "9876543210", "email": "a@b"}),
         ["phone", "email", "name"], "all of it"),
    ],
)  # fmt: skip
def test_who_is_alike(one: Any, other: Any, expected: list[str], reason: str) -> None:
    names = ("phone", "mobile_no", "email", "work_mail", "city")
    definitions = [Definition(name, "text") for name in names]
    first, second = (contact(*each, definitions, _digits) for each in (one, other))
    assert first.shared_with(second) == expected, reason
