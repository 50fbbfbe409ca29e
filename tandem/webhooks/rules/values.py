"""Names in a record as receivers see it, and the values behind them: one look-up for conditions and placeholders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

ATTRIBUTES: Final = "attributes."


class UnknownName(ValueError):
    """A name that no record of the kind has; the message is shown where the name stood."""


def bare(name: str) -> str:
    """`self.stage`, ` stage ` and `stage` are one name."""
    return name.strip().removeprefix("self.")


def check_name(name: str, *, fields: Collection[str], attributes: Collection[str]) -> None:
    """fields: the keys of the record. attributes: the names that users defined for its kind. Raises UnknownName."""
    name = bare(name)
    if name.startswith(ATTRIBUTES):
        if name.removeprefix(ATTRIBUTES) not in attributes:
            raise UnknownName(f"There is no attribute `{name.removeprefix(ATTRIBUTES)[:100]}`.")
    elif name == ATTRIBUTES[:-1]:
        raise UnknownName("Name one attribute: `attributes.<name>`.")
    elif name not in fields:
        raise UnknownName(f"There is no field `{name[:100]}`.")


def look_up(record: Mapping[str, Any], name: str) -> Any:
    """The value behind a name; None when the record has none. Keys only: nothing of Python can be reached."""
    name = bare(name)
    if name.startswith(ATTRIBUTES):
        return (record.get("attributes") or {}).get(name.removeprefix(ATTRIBUTES))
    return record.get(name)
