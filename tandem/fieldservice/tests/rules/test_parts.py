"""The parts that a worker replaced. Contract F §3, "OTP" (`parts_replaced`)."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.common.errors import Invalid
from tandem.common.parsing import strict_json
from tandem.fieldservice.rules import parts

PUMP = {"code": "P01", "name": "Pump", "qty": 2, "price": "120.00", "serial_number": "SN-7"}


def read(raw: object) -> list[parts.Part]:
    return parts.read_parts(raw, from_json=strict_json)


def complaints(raw: object) -> list[str]:
    with pytest.raises(Invalid) as refused:
        read(raw)
    assert list(refused.value.fields) == ["parts_replaced"]
    return list(refused.value.fields["parts_replaced"])


def test_the_contract_s_example() -> None:
    assert read([{"code": "P01", "qty": 1, "price": 120.0}]) == [
        {"code": "P01", "name": "", "qty": 1, "price": "120.00", "serial_number": ""}
    ]


@pytest.mark.parametrize("raw", [None, "", "  ", "null", "[]", []])
def test_no_parts(raw: object) -> None:
    assert read(raw) == []


def test_multipart_sends_the_list_as_text() -> None:
    assert read('[{"code": "P01", "name": "Pump", "qty": "2", "price": 120, "serial_number": "SN-7"}]') == [PUMP]


@pytest.mark.parametrize(
    ("sent", "stored", "because"),
    [
        ({"qty": None, "price": None}, {"qty": 1, "price": "0.00"}, "one of it, free, unless it says more"),
        ({"qty": "", "price": ""}, {"qty": 1, "price": "0.00"}, "empty means absent"),
        ({"qty": "2"}, {"qty": 2}, "numbers may come as text"),
        ({"qty": 2.0}, {"qty": 2}, "a whole number, however it is written"),
        ({"qty": parts.MAX_QTY}, {"qty": parts.MAX_QTY}, "the most"),
        ({"price": 0}, {"price": "0.00"}, "nothing"),
        ({"price": -0.0}, {"price": "0.00"}, "nothing, with a sign"),
        ({"price": 120.1}, {"price": "120.10"}, "not 120.09999999999999"),
        ({"price": "99.900"}, {"price": "99.90"}, "a zero more is no third place"),
        ({"price": "99999999.99"}, {"price": "99999999.99"}, "the most"),
        ({"code": " P01 "}, {"code": "P01"}, "spaces around are nobody's intention"),
        ({"code": 101}, {"code": "101"}, "a part number sent as a number"),
        ({"code": None}, {"code": "", "name": "Pump"}, "the name is enough"),
        ({"name": ""}, {"name": "", "code": "P01"}, "the code is enough"),
        ({"serial_number": None}, {"serial_number": ""}, "not every part has one"),
        ({"colour": "blue", "id": 4}, {}, "keys that nobody knows are dropped"),
        ({"name": "x" * 200}, {"name": "x" * 200}, "the longest name"),
    ],
)
def test_how_an_item_is_stored(sent: dict[str, Any], stored: dict[str, Any], because: str) -> None:
    assert read([{**PUMP, **sent}]) == [{**PUMP, **stored}], because


WHOLE = f"Item 1: qty must be a whole number from 1 to {parts.MAX_QTY}."
PRICE = "Item 1: price must be a number from 0 to 99999999.99."


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        *[({"qty": qty}, WHOLE) for qty in (0, -1, 1.5, "1.5", "two", "1e2", True, [], parts.MAX_QTY + 1, 10**400)],
        *[({"qty": qty}, WHOLE) for qty in (float("nan"), float("inf"), "٢")],
        *[({"price": price}, PRICE) for price in (-1, "-0.01", "ten", "1e5", False, {}, "100000000", 1e300)],
        *[({"price": price}, PRICE) for price in (float("nan"), float("-inf"))],
        ({"price": 1.005}, "Item 1: price has more than two decimal places."),
        ({"price": "1.005"}, "Item 1: price has more than two decimal places."),
        ({"code": "", "name": " "}, "Item 1: code or name is needed."),
        ({"code": None, "name": None}, "Item 1: code or name is needed."),
        ({"code": "x" * 51}, "Item 1: code has more than 50 characters."),
        ({"name": "x" * 201}, "Item 1: name has more than 200 characters."),
        ({"serial_number": "x" * 101}, "Item 1: serial_number has more than 100 characters."),
        ({"name": ["Pump"]}, "Item 1: name must be text."),
        ({"code": True}, "Item 1: code must be text."),
        ({"code": 10**400}, "Item 1: code must be text."),
        ({"name": "Pu\x00mp"}, "Item 1: name holds characters that cannot be printed."),
        ({"serial_number": "a\tb"}, "Item 1: serial_number holds characters that cannot be printed."),
    ],
)
def test_what_is_refused(sent: dict[str, Any], complaint: str) -> None:
    assert complaints([{**PUMP, **sent}]) == [complaint]


def test_each_bad_item_is_named() -> None:
    assert complaints([{}, PUMP, "P01", {**PUMP, "qty": 0}]) == [
        "Item 1: code or name is needed.",
        "Item 3: a part is an object with code, name, qty, price, serial_number.",
        f"Item 4: qty must be a whole number from 1 to {parts.MAX_QTY}.",
    ]


@pytest.mark.parametrize("raw", [PUMP, 7, True, '{"code": "P01"}', '"P01"', "7"])
def test_what_is_not_a_list(raw: object) -> None:
    assert complaints(raw) == ["Give a list of parts."]


@pytest.mark.parametrize(
    "text",
    [
        "P01",
        "[{'code': 'P01'}]",
        '[{"code": "P01"}',
        '[{"code": "P01", "qty": NaN}]',
        '[{"code": "P01", "code": "P02"}]',
        "[" * 100_000,
        '[{"code": "\\ud800"}]',
        '[{"code": "P01", "price": 1e999}]',
    ],
)
def test_text_that_is_not_strict_json(text: str) -> None:
    assert len(complaints(text)) == 1


def test_at_most_so_many_parts() -> None:
    assert len(read([PUMP] * parts.MAX_PARTS)) == 200
    assert complaints([PUMP] * 201) == ["Give at most 200 parts; these are 201."]
