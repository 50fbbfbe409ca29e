"""`{name}` in addresses and header values. CONTRACT §6 "Placeholders".

Plain look-up and replacement, never `str.format`: what a record holds is text, not a template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from tandem.webhooks.rules.values import look_up

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_BEFORE_PATH: Final = re.compile(r"[^/?#\\]*(?://[^/?#\\]*)?")  # scheme, host and port
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")
_ANY: Final = "x"  # what stands in for a value where only the rest of an address is judged


class PlaceholderInHost(ValueError):
    """A record must not decide where a secret goes."""


def names_in(template: str) -> list[str]:
    return _PLACE.findall(template)


def check_place(url: str) -> None:
    """Raises PlaceholderInHost."""
    begin = _BEFORE_PATH.match(url)
    if begin is not None and ("{" in begin[0] or "}" in begin[0]):
        raise PlaceholderInHost("A placeholder may stand in the path and the query, not in scheme, host or port.")


def with_any_values(url: str) -> str:
    """An address that the template can become, to judge its host."""
    return _PLACE.sub(_ANY, url)


def filled_url(url: str, record: Mapping[str, Any]) -> str:
    """The address for a record; each value is one piece of a path or query, whatever characters it has."""
    return _PLACE.sub(lambda place: _in_url(as_text(look_up(record, place[1]))), url)


def filled_header(value: str, record: Mapping[str, Any]) -> str:
    """The header's value for a record. A line break becomes a space, what is not ASCII is percent-encoded UTF-8."""
    return _PLACE.sub(lambda place: _in_header(as_text(look_up(record, place[1]))), value)


def as_text(value: Any) -> str:
    """A JSON value as people write it; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(not isinstance(item, list | dict) for item in value):
        return ",".join(as_text(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def _in_url(text: str) -> str:
    # Dots are not encoded by `quote`, and a piece of nothing but dots would lead up the path.
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _in_header(text: str) -> str:
    text = _CONTROL.sub(" ", text)
    return "".join(char if char.isascii() else quote(char) for char in text)
