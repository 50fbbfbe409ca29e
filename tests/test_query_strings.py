"""What a query string asks wrongly is refused by its parameter, by every list. CONTRACT §2."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import models
from django.urls import resolve

from tandem.common.endpoint import operation_of
from tandem.common.reading.listing import Listing, _key_fields
from tests.cast import Api, as_
from tests.matrix.expectations import EXPECTED
from tests.matrix.world import OWN, records

pytestmark = pytest.mark.django_db

# Kinds of columns, the keys that one may be continued at, and what no such column holds.
KINDS: list[tuple[type[models.Field[Any, Any]], list[Any], list[Any]]] = [
    (
        models.DateTimeField,
        ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59"],
        ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "now", 5],
    ),
    (models.DateField, ["0001-01-01", "9999-12-31"], ["0000-01-01", "2025-02-30", 5]),
    (models.IntegerField, [0, 1, "5"], [2**63, -(2**64), 2**64 - 1, 1e300, "9" * 5000, "one", "", []]),
    (models.UUIDField, ["0" * 32], [2**128, -1, 1e300, "one", []]),
    (models.CharField, ["", "Zoë"], ["a\0b", "x" * 1000]),
]


def lists(api: Api) -> Iterator[tuple[str, Listing]]:
    """Every list, under an address of a record that is there."""
    world = records()
    for path, route in EXPECTED.items():
        if "GET" not in route.verbs:
            continue
        named = {"pk": next(iter(world[route.noun].values())) if route.noun else 0, "entity": "client"}
        named |= {"student": world["student"][OWN], "delivery": world["delivery"][OWN]}
        address = "/" + re.sub(r"<\w+:(\w+)>", lambda match, named=named: str(named[match[1]]), path)
        gives = getattr(operation_of(resolve(address).func.view_class, "GET"), "gives", None)
        if isinstance(gives, Listing) and api.get(address).status_code == 200:
            yield address, gives


def asked(address: str, **query: str) -> str:
    return f"{address}?{urlencode(query)}"


def cursor(*keys: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def kind_of(column: Any) -> tuple[list[Any], list[Any]]:
    return next((good, bad) for kind, good, bad in KINDS if isinstance(column, kind))


def test_a_cursor_that_no_list_made_is_refused() -> None:
    asha, wrong, tried = as_("asha"), [], 0
    for address, listing in lists(asha):
        for order in listing.orders:
            kinds = [kind_of(column) for column in _key_fields(listing, order)]
            usual = [good[0] for good, _ in kinds]
            for place, (good, bad) in enumerate(kinds):
                for key, status in [*((key, 200) for key in good), *((key, 400) for key in bad)]:
                    forged = cursor(order, *usual[:place], key, *usual[place + 1 :])
                    answer = asha.get(asked(address, cursor=forged, **({"order": order} if order else {})))
                    tried += 1
                    if answer.status_code != status or (status == 400 and list(answer.json()) != ["cursor"]):
                        wrong.append(f"{address} {order} key {place} {key!r:.40}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 500


@pytest.mark.parametrize("raw", ["x", "é", "W10", "e30", "NQ", "WyIiLDFd" * 200, cursor(*["["] * 400), cursor()])
def test_what_is_no_cursor_at_all_is_refused(raw: str) -> None:
    answer = as_("asha").get(asked("/api/auth/admin/users/", cursor=raw))
    assert (answer.status_code, list(answer.json())) == (400, ["cursor"])


ID_FILTERS = [
    ("/api/crm/cards/", "customer"),
    ("/api/crm/services/", "card"),
    ("/api/crm/service-entries/", "service"),
    ("/api/crm/feedbacks/", "rating"),
    ("/api/crm/attendance/", "user"),
    ("/api/leads/", "responsible"),
    ("/api/cohorts/", "instructor"),
]
each = pytest.mark.parametrize(("address", "name"), ID_FILTERS)


@each
@pytest.mark.parametrize("raw", ["--5", "-", "5-", "5.0", "1e3", "٣", "0x1", "five"])
def test_what_is_no_id_is_refused(address: str, name: str, raw: str) -> None:
    answer = as_("asha").get(asked(address, **{name: raw}))
    assert (answer.status_code, answer.json()) == (400, {name: ["A valid integer is required."]})


@each
@pytest.mark.parametrize(
    "raw", ["999999999", str(2**63 - 1), str(2**63), "9" * 19, "9" * 5000, "-1", "-" + "9" * 30, "0"]
)
def test_an_id_that_exists_nowhere_finds_nothing(address: str, name: str, raw: str) -> None:
    records()
    answer = as_("asha").get(asked(address, **{name: raw}))
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize("raw", [",", " , ,", ", ,,"])
@pytest.mark.parametrize(("address", "name"), [("/api/crm/services/", "status"), ("/api/transfer-requests/", "status")])
def test_commas_alone_are_no_filter(address: str, name: str, raw: str) -> None:
    records()
    answer = as_("asha").get(asked(address, **{name: raw}))
    assert (answer.status_code, len(answer.json())) == (200, len(as_("asha").get(address).json()))


def test_values_beyond_what_is_looked_for_are_not_dropped_silently() -> None:
    answer = as_("asha").get(asked("/api/crm/services/", status=",".join(["pending"] * 51)))
    assert (answer.status_code, answer.json()) == (400, {"status": ["No more than 50 values, please."]})
    attributes = {f"attributes.a{n}": "x" for n in range(21)}
    answer = as_("asha").get(asked("/api/leads/", **attributes))
    assert (answer.status_code, answer.json()) == (
        400,
        {"attributes.a0": ["No more than 20 attributes at a time, please."]},
    )


def test_zeros_in_front_of_an_id_do_not_count() -> None:
    card, asha = records()["card"][OWN], as_("asha")
    answer = asha.get(asked("/api/crm/services/", card=f"{card:0>50}"))
    assert [row["card"] for row in answer.json()] == [card] * 2


@pytest.mark.parametrize("name", ["page", "page_size", "limit"])
@pytest.mark.parametrize("raw", ["0", "-1", "1.5", "9" * 11, "0" * 17 + "1" + "9" * 30, "9" * 5000, "٣"])
def test_what_numbers_no_page_is_refused(name: str, raw: str) -> None:
    answer = as_("asha").get(asked("/api/crm/cards/", **{name: raw}))
    assert (answer.status_code, list(answer.json())) == (400, [name])
