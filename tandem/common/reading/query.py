"""Days, months, flags and ids in a query string, for what is more than one plain list."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from tandem.common import moments
from tandem.common.errors import Invalid
from tandem.common.reading.listing import Filter, NotThisType, by_flag, by_uuid, parameters_in

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class Month:
    """A calendar month; both days are inside it."""

    first: date
    last: date


def day_in(query: Mapping[str, str], name: str) -> date | None:
    """The day of a parameter; None when it is missing or empty. Raises Invalid on the parameter."""
    raw = _given(query, name)
    if not raw:
        return None
    try:
        return moments.day_or_moment(raw).day
    except (ValueError, OverflowError):
        raise Invalid.on(name, "Date has wrong format. Use YYYY-MM-DD.") from None


def month_in(query: Mapping[str, str], name: str) -> Month | None:
    """The month of a parameter, `YYYY-MM`; None when it is missing or empty. Raises Invalid on the parameter."""
    raw = _given(query, name)
    if not raw:
        return None
    match = _MONTH.fullmatch(raw)
    if match is None or not 1900 <= int(match[1]) <= 9000:
        raise Invalid.on(name, "Month has wrong format. Use YYYY-MM.")
    return month_of(date(int(match[1]), int(match[2]), 1))


def month_of(day: date) -> Month:
    return Month(day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


def flag_in(query: Mapping[str, str], name: str) -> bool | None:
    """A flag as filters take it; None when it is missing or empty. Raises Invalid on the parameter."""
    found: bool | None = _parsed(query, name, by_flag())
    return found


def uuid_in(query: Mapping[str, str], name: str) -> UUID | None:
    """The id of a parameter; None when it is missing or empty. Raises Invalid on the parameter."""
    found: UUID | None = _parsed(query, name, by_uuid())
    return found


def _parsed(query: Mapping[str, str], name: str, kind: Filter) -> Any:
    raw = _given(query, name)
    if not raw:
        return None
    try:
        return kind.parse(raw)
    except NotThisType as refused:
        raise Invalid.on(name, str(refused)) from None


def refuse_backward(first: date | None, last: date | None, *, blamed: str = "from") -> None:
    """Raises Invalid when the span from `first` to `last` runs backwards; None is an open end.

    blamed: the end that was sent, `from` or `to`, where the other one is a default.
    """
    if first is not None and last is not None and first > last:
        raise Invalid.on(blamed, f"The span runs backwards, from {first} to {last}.")


def _given(query: Mapping[str, str], name: str) -> str:
    return parameters_in(query).get(name, "")
