"""What holds on every endpoint, tried on all of them. CONTRACT §2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db.models import UniqueConstraint
from django.urls import resolve

import tandem
from tandem.common.endpoint import operation_of
from tandem.common.reading.listing import Listing
from tests.cast import as_
from tests.matrix.expectations import EXPECTED
from tests.matrix.test_matrix import VERBS
from tests.matrix.world import OWN, records

pytestmark = pytest.mark.django_db

_LOCKS = re.compile(r"select_for_update\((?:[^()]|\([^()]*\))*\)")


def address(path: str) -> str:
    """An address of the path, of no record in particular."""
    some = {"path": "x", "uuid": "8d7c2f5e-0000-4000-8000-000000000000", "int": "1", "slug": "client"}
    return "/" + re.sub(r"<(\w+):\w+>", lambda match: some[match[1]], path)


def test_who_tries_a_method_that_is_not_there_is_told_which_ones_are() -> None:
    asha, wrong = as_("asha"), []
    for path, route in EXPECTED.items():
        allowed = [verb for verb in ("GET", "HEAD", *VERBS[1:]) if verb.replace("HEAD", "GET") in route.verbs]
        for verb in ("BREW", "OPTIONS", "TRACE", *(verb for verb in VERBS if verb not in route.verbs)):
            answer = asha.client.generic(verb, address(path), headers=asha.headers)
            told = answer.headers.get("Allow", "nothing")
            if (answer.status_code, told) != (405, ", ".join(allowed)):
                wrong.append(f"{verb} {path}: {answer.status_code}, {told} instead of {', '.join(allowed)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("noun", "path", "body"),
    [
        ("lead", "/api/leads/{}/convert/", {}),
        ("transfer", "/api/transfer-requests/{}/reject/", {"reason": "full"}),
        ("card", "/api/crm/cards/{}/restore/", {}),
        ("card", "/api/crm/cards/1000000000/restore/", {}),
    ],
)
def test_a_refused_precondition_is_an_answer_that_a_key_keeps(noun: str, path: str, body: dict[str, Any]) -> None:
    asha, url = as_("asha"), path.format(records()[noun][OWN])
    first = asha.post(url, body, If_Match='"old"', Idempotency_Key="k")
    assert first.status_code == (404 if "1000000000" in url else 412)

    again = asha.post(url, body, Idempotency_Key="k")
    other = asha.post(url, {**body, "x": 1}, Idempotency_Key="k")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_locks_let_others_refer_to_a_row() -> None:
    """FOR UPDATE keeps others even from referring to the row, in an order of their own: enrolling a student and saving
    the enrollment waited for each other. No key of a row ever changes, so no lock needs to be that strong.
    """
    product = Path(tandem.__file__).parent
    calls = [call for path in product.rglob("*.py") for call in _LOCKS.findall(path.read_text())]
    assert len(calls) > 40
    assert [call for call in calls if "no_key=True" not in call] == []


# Whose rows are few in any company, or are narrowed to one record's first.
_FEW = {"Webhook", "Delivery", "Attribute", "Pipeline", "Cohort", "Enrollment", "GroupMember", "FollowUp", "MyTask"}


def test_a_list_is_read_along_an_index() -> None:
    """Else each page sorts all there is, and gets slower with every row that somebody adds."""
    views = [getattr(resolve(address(path)).func, "cls", None) for path in EXPECTED]
    operations = [operation_of(view, "GET") for view in views if view is not None]
    listings = [one.gives for one in operations if one is not None and isinstance(one.gives, Listing)]
    assert len(listings) > 20
    sorted_anew = {
        (listing.answer.name, order.keys[0])
        for listing in listings
        for order in listing.orders.values()
        if listing.answer.name not in _FEW and order.keys[0] not in _first_columns(listing.answer.model)
    }
    assert sorted_anew == set()


def _first_columns(model: Any) -> set[str]:
    """Of the indexes of a table."""
    indexes = [*model._meta.indexes, *(one for one in model._meta.constraints if isinstance(one, UniqueConstraint))]
    return {"id", *(index.fields[0].lstrip("-") for index in indexes if index.fields)}
