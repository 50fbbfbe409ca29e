"""Conditions of a webhook: what may be asked, and whether it holds for a record. CONTRACT §6 "Conditions".

Values of conditions come as text from forms; they are read as what the field is. A condition on a value that is
missing (null, "", []) holds for `!=` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any, Final

from tandem.webhooks.rules.values import UnknownName, bare, check_name, look_up

MOST: Final = 50
LONGEST_VALUE: Final = 2000
AND: Final = "AND"
OR: Final = "OR"
IN: Final = "in"
CONTAINS: Final = "contains"
_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {">": gt, "<": lt, ">=": ge, "<=": le}
OPERATORS: Final = ("=", "!=", *_ORDERED, IN, CONTAINS)


class Kind(StrEnum):
    """What a field holds, as far as comparing goes. ANY: what the value itself looks like."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    ANY = "any"


@dataclass(frozen=True)
class Condition:
    """value: text, a number, a boolean, or a list of them; None is no value."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Verdict:
    """What came of one condition. found: the record's value."""

    condition: Condition
    found: Any
    holds: bool


class WrongCondition(ValueError):
    """place: the part of the body, `conditions[0].field`."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")


def checked(given: Sequence[Any], *, fields: Mapping[str, Kind], attributes: Mapping[str, Kind]) -> list[Condition]:
    """The conditions of a body; rows with an empty field are dropped. Raises WrongCondition.

    fields, attributes: name → kind of what a record has of its own, and of what users defined.
    """
    if len(given) > MOST:
        raise WrongCondition("conditions", f"At most {MOST}, please.")
    rows = [_row(f"conditions[{n}]", raw, fields, attributes) for n, raw in enumerate(given)]
    return [row for row in rows if row is not None]


def verdicts(
    conditions: Iterable[Condition], record: Mapping[str, Any], *, fields: Mapping[str, Kind], zone: tzinfo
) -> list[Verdict]:
    """Judge each condition. zone: what a day means for a moment. Never raises, whatever record and conditions hold."""
    judged = []
    for condition in conditions:
        found = look_up(record, condition.field)
        kind = fields.get(bare(condition.field), Kind.ANY)
        judged.append(Verdict(condition, found, _holds(found, condition, kind, zone)))
    return judged


def fires(judged: Collection[Verdict], logic: str) -> bool:
    """Whether a webhook is told: always without conditions, else when all (AND) or any (OR) of them hold."""
    if not judged:
        return True
    return (any if logic == OR else all)(verdict.holds for verdict in judged)


def _row(place: str, raw: Any, fields: Mapping[str, Kind], attributes: Mapping[str, Kind]) -> Condition | None:
    if not isinstance(raw, Mapping):
        raise WrongCondition(place, "Expected an object with `field`, `operator` and `value`.")
    field, operator, value = raw.get("field"), raw.get("operator", "="), raw.get("value")
    if field is None or (isinstance(field, str) and not field.strip()):
        return None
    if not isinstance(field, str):
        raise WrongCondition(f"{place}.field", "This must be text.")
    if "operator" not in raw and "value" not in raw:
        raise WrongCondition(f"{place}.value", "Say what the field is compared with.")
    try:
        check_name(field, fields=fields, attributes=attributes)
    except UnknownName as unknown:
        raise WrongCondition(f"{place}.field", str(unknown)) from None
    operator = operator.strip().lower() if isinstance(operator, str) else operator
    if operator not in OPERATORS:
        raise WrongCondition(f"{place}.operator", f"Use one of: {', '.join(OPERATORS)}.")
    name = bare(field)
    kind = fields.get(name) or attributes.get(name.removeprefix("attributes."), Kind.ANY)
    _check_value(f"{place}.value", kind, operator, value)
    return Condition(field.strip(), operator, value)


def _check_value(place: str, kind: Kind, operator: str, value: Any) -> None:
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, list | dict) for one in values):
        raise WrongCondition(place, "This must be text, a number, true or false, or a list of them.")
    if any(isinstance(one, str) and len(one) > LONGEST_VALUE for one in values) or len(values) > 1000:
        raise WrongCondition(place, "This is too long.")
    if isinstance(value, list) and operator != IN:
        raise WrongCondition(place, "A list goes with the operator `in` only.")
    if operator == CONTAINS or kind not in _READERS:
        return
    for one in _listed(value) if operator == IN else values:
        if one not in (None, "") and _READERS[kind](one) is None:
            raise WrongCondition(place, f"The field holds a {kind}, and this is none.")


def _holds(found: Any, condition: Condition, kind: Kind, zone: tzinfo) -> bool:
    operator, given = condition.operator, condition.value
    if found in (None, "", []):
        return operator == "!="
    if operator == CONTAINS:
        return _contains(found, given)
    if operator == IN:
        return any(_equal(found, one, kind, zone) for one in _listed(given))
    if operator in ("=", "!="):
        return _equal(found, given, kind, zone) == (operator == "=")
    pair = _comparable(found, given, kind, zone)
    return pair is not None and _ORDERED[operator](*pair)


def _contains(found: Any, given: Any) -> bool:
    if isinstance(found, list):
        return any(_equal(item, given, Kind.ANY, None) for item in found)
    return not isinstance(found, dict) and _text(given) in _text(found)


def _equal(found: Any, given: Any, kind: Kind, zone: tzinfo | None) -> bool:
    if isinstance(found, list):  # of an attribute with several options: one of them chosen, and no other
        return len(found) == 1 and _equal(found[0], given, Kind.ANY, zone)
    pair = _comparable(found, given, kind, zone)
    return pair is not None and pair[0] == pair[1]


def _comparable(found: Any, given: Any, kind: Kind, zone: tzinfo | None) -> tuple[Any, Any] | None:
    """Both sides as values of one type; None when they cannot be."""
    if isinstance(found, list | dict) or given is None:
        return None
    if isinstance(found, bool):
        return _pair(_boolean, found, given)
    if isinstance(found, int | float) or kind == Kind.NUMBER:
        return _pair(_number, found, given)
    days = _pair(_moment, found, given)
    if days is not None:
        return _same_precision(*days, zone)
    return None if kind == Kind.DATE else (_text(found), _text(given))


def _pair(read: Callable[[Any], Any], found: Any, given: Any) -> tuple[Any, Any] | None:
    left, right = read(found), read(given)
    return None if left is None or right is None else (left, right)


def _same_precision(left: date | datetime, right: date | datetime, zone: tzinfo | None) -> tuple[Any, Any]:
    """Moments against moments, else days against days: a bare day means all of it, in the site's zone."""
    sides = [_aware(side, zone) if isinstance(side, datetime) else side for side in (left, right)]
    if all(isinstance(side, datetime) for side in sides):
        return sides[0], sides[1]
    days = [side.astimezone(zone).date() if isinstance(side, datetime) else side for side in sides]
    return days[0], days[1]


def _aware(moment: datetime, zone: tzinfo | None) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _listed(given: Any) -> list[Any]:
    if isinstance(given, list):
        return [one.strip() if isinstance(one, str) else one for one in given]
    if isinstance(given, str):
        return [one.strip() for one in given.split(",") if one.strip()]
    return [given]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return None
    text = str(value).strip()
    try:
        number = Decimal(text) if len(text) <= 60 and "_" not in text else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() else None


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _moment(value: Any) -> date | datetime | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}", value.strip(), re.ASCII):
        return None
    text = value.strip()
    try:
        read = date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text)
    except ValueError:
        return None
    # Near the ends of the calendar another zone's day cannot be told.
    return read if 2 <= read.year <= 9998 else None


_READERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _moment,
}
