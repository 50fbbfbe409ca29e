"""The parts that a worker replaced, as they are stored.

Source: contract F §3, "OTP" (`parts_replaced`). Multipart forms send the list as JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypedDict

from tandem.common.errors import Invalid

FIELD: Final = "parts_replaced"
MAX_PARTS: Final = 200
MAX_QTY: Final = 99_999
MAX_PRICE: Final = Decimal("99999999.99")  # what amounts can hold
MAX_LENGTHS: Final = {"code": 50, "name": 200, "serial_number": 100}

_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Part(TypedDict):
    """One kind of part. An absent text is empty; price is of one piece, as a string with two places."""

    code: str
    name: str
    qty: int
    price: str
    serial_number: str


class _Bad(Exception):
    """What is wrong with one item, for a person."""


def read_parts(raw: object, *, from_json: Callable[[str], object]) -> list[Part]:
    """Check and normalise a list of parts, or JSON text of one; null and the empty text mean no parts.

    Keys that are not known are dropped. from_json: the strict reader of request bodies; its ValueError says what is
    wrong with a text. Raises Invalid on `parts_replaced` with one message per bad item, counted from one.
    """
    if isinstance(raw, str):
        raw = _decoded(raw, from_json)
    if raw is None:
        return []
    if not isinstance(raw, list):
        raise Invalid.on(FIELD, "Give a list of parts.")
    if len(raw) > MAX_PARTS:
        raise Invalid.on(FIELD, f"Give at most {MAX_PARTS} parts; these are {len(raw)}.")
    parts: list[Part] = []
    complaints: list[str] = []
    for number, item in enumerate(raw, start=1):
        try:
            parts.append(_part(item))
        except _Bad as bad:
            complaints.append(f"Item {number}: {bad}")
    if complaints:
        raise Invalid({FIELD: complaints})
    return parts


def _decoded(text: str, from_json: Callable[[str], object]) -> object:
    if not text.strip():
        return None
    try:
        return from_json(text)
    except ValueError as refused:
        raise Invalid.on(FIELD, str(refused)) from None


def _part(item: object) -> Part:
    if not isinstance(item, dict):
        raise _Bad("a part is an object with code, name, qty, price, serial_number.")
    part = Part(
        code=_text(item, "code"),
        name=_text(item, "name"),
        qty=_qty(item.get("qty")),
        price=_price(item.get("price")),
        serial_number=_text(item, "serial_number"),
    )
    if not part["code"] and not part["name"]:
        raise _Bad("code or name is needed.")
    return part


def _text(item: dict[str, Any], key: str) -> str:
    raw = item.get(key)
    if raw is None:
        return ""
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 10**15:  # a part number
        raw = str(raw)
    if not isinstance(raw, str):
        raise _Bad(f"{key} must be text.")
    text = raw.strip()
    if len(text) > MAX_LENGTHS[key]:
        raise _Bad(f"{key} has more than {MAX_LENGTHS[key]} characters.")
    if _CONTROL.search(text):
        raise _Bad(f"{key} holds characters that cannot be printed.")
    return text


def _qty(raw: object) -> int:
    if raw is None or raw == "":
        return 1
    qty = _number(raw)
    if qty is None or qty != qty.to_integral_value() or not 1 <= qty <= MAX_QTY:
        raise _Bad(f"qty must be a whole number from 1 to {MAX_QTY}.")
    return int(qty)


def _price(raw: object) -> str:
    if raw is None or raw == "":
        return "0.00"
    price = _number(raw)
    if price is None or not 0 <= price <= MAX_PRICE:
        raise _Bad(f"price must be a number from 0 to {MAX_PRICE}.")
    cents = price.quantize(Decimal("0.01"))
    if cents != price:
        raise _Bad("price has more than two decimal places.")
    return f"{abs(cents)}"  # abs: "-0" is a price of nothing


def _number(raw: object) -> Decimal | None:
    """A number or the text of one; None for everything else, NaN and infinities included."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str):
        return Decimal(raw.strip()) if _DECIMAL.fullmatch(raw.strip()) else None
    # The shortest text that reads back as this float: 120.1 means 120.10, not its binary neighbour.
    number = Decimal(repr(raw)) if isinstance(raw, float) else Decimal(raw) if isinstance(raw, int) else None
    return number if number is not None and number.is_finite() else None
