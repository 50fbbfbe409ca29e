"""User-defined attributes: what a value may be, and how a write changes what is stored. Contract A §1; CONTRACT §4."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from tandem.common.errors import Invalid
from tandem.files.keys import key_in, owner_in

TEXT, TEXTAREA, NUMBER, DATE, BOOLEAN, LIST, FILE = "text", "textarea", "number", "date", "boolean", "list", "file"

LONGEST_TEXT: Final = 10_000
LONGEST_ADDRESS: Final = 2_000
LARGEST_NUMBER: Final = 2**53
NAME: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)

_OF_ALL: Final = frozenset({"id", "attributes", "created_by", "created_by_name", "created_at", "updated_at"})
_NAMED: Final = _OF_ALL | {"name", "list_of_tasks", "list_of_notes", "list_of_images"}

# The fields that an entity has of its own: their names are taken.
CORE: Final[Mapping[str, frozenset[str]]] = {
    "client": _NAMED,
    "service": _NAMED
    | {"client", "client_name", "actual_cohort", "actual_cohort_name", "origin_cohort", "origin_cohort_name"},
    "lead": _NAMED
    | {"responsible", "responsible_name", "pipeline", "pipeline_name", "stage", "possible_client"}
    | {"possible_client_name", "moodle_course_id", "converted_to", "converted_seat"},
    "follow_up": _OF_ALL | {"service", "service_name", "user", "user_name", "follow_up_date", "comment"},
}

# Whose uploaded files attributes may hold. Follow-ups have none of their own.
FILES_OF: Final = frozenset({"client", "service", "lead"})
NO_SUCH_FILE: Final = "There is no such file. Upload it to a record, and send the link that the upload answers."

_DAY_OR_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\Z", re.ASCII)
_TRUE: Final = ("true", "1", "yes", "on")
_FALSE: Final = ("false", "0", "no", "off")


@dataclass(frozen=True)
class Definition:
    """One attribute as its entity defines it. options: of type list. zone: whose calendar day a moment stands for."""

    name: str
    type: str
    is_required: bool = False
    options: tuple[str, ...] = ()
    zone: tzinfo = UTC


class WrongValue(ValueError):
    """A value is not of its attribute's type; the message is shown under the attribute's name."""


def check_name(entity: str, name: str) -> None:
    """entity: as the contract calls it. Raises Invalid on `name`."""
    if not NAME.fullmatch(name):
        raise Invalid.on("name", "Use lower-case letters, digits and underscores; begin with a letter.")
    if name in CORE[entity]:
        raise Invalid.on("name", f"`{name}` is a field that every record of this kind has. Choose another name.")


def check_options(type: str, options: Sequence[str]) -> None:
    """Raises Invalid on `list_values`."""
    if type == LIST and not options:
        raise Invalid.on("list_values", "An attribute of type list needs its options.")


def typed(definition: Definition, raw: Any) -> Any:
    """The value that is stored for what a client sent: of the attribute's type; None for no value, see `is_nothing`.

    Numbers may come as text, booleans as "true", files as a link or a key; what is stored of a file is its key, for
    links expire. Raises WrongValue.
    """
    return None if is_nothing(raw) else _READERS[definition.type](definition, raw)


def is_nothing(raw: Any) -> bool:
    """Whether what a client sent says that there is no value: null, no options, and no text or only blanks."""
    return raw is None or raw == [] or (isinstance(raw, str) and not raw.strip())


def merged(
    stored: Mapping[str, Any],
    given: Mapping[str, Any] | None,
    definitions: Iterable[Definition],
    *,
    creating: bool,
) -> dict[str, Any]:
    """The attributes after a write: given keys change, what is nothing removes, all others stay.

    stored: as they are, those of deleted attributes included. given: None when the body had no attributes at all.
    Raises Invalid on `attributes`, naming each wrong key.
    """
    if given is None and not creating:
        return dict(stored)
    given = given or {}
    defined = {definition.name: definition for definition in definitions}
    after, wrong = dict(stored), {}
    for name, raw in given.items():
        try:
            value = _kept_or_typed(defined.get(name), name, raw, stored)
        except WrongValue as refused:
            wrong[name] = [str(refused)]
            continue
        if value is None:
            after.pop(name, None)
        else:
            after[name] = value
    for name, definition in defined.items():
        if definition.is_required and name not in after and name not in wrong:
            wrong[name] = ["This attribute is required."]
    if wrong:
        raise Invalid({"attributes": wrong})
    return after


def new_files(before: Mapping[str, Any], after: Mapping[str, Any], definitions: Iterable[Definition]) -> dict[str, str]:
    """The keys that a write newly refers to, by attribute; whether there are such files, only the database knows.

    before, after: the attributes before and after it.
    """
    names = (one.name for one in definitions if one.type == FILE)
    return {name: after[name] for name in names if name in after and after[name] != before.get(name)}


def _kept_or_typed(definition: Definition | None, name: str, raw: Any, stored: Mapping[str, Any]) -> Any:
    # What is stored already may be sent back, also when its attribute is gone or has lost an option since.
    if name in stored and isinstance(stored[name], bool) == isinstance(raw, bool) and stored[name] == raw:
        return stored[name]  # not `raw`: to Python 25.0 is 25, and True is 1
    if definition is None:
        raise WrongValue("There is no such attribute.")
    return typed(definition, raw)


def _text(definition: Definition, raw: Any) -> str:
    raw = _worded(raw)
    if not isinstance(raw, str):
        raise WrongValue("This must be text.")
    if len(raw) > LONGEST_TEXT:
        raise WrongValue(f"At most {LONGEST_TEXT} characters, please.")
    return raw


def _worded(raw: Any) -> Any:
    """A number as text, for what takes one where it stores text."""
    return str(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) else raw


def _number(definition: Definition, raw: Any) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise WrongValue("This must be a number.")
    try:
        number = _parsed(raw) if isinstance(raw, str) else raw
    except ValueError:
        raise WrongValue("This must be a number.") from None
    if not math.isfinite(number) or abs(number) >= LARGEST_NUMBER:
        raise WrongValue("This number is too large.")
    # 25.0 and 25 are one number; both databases then store, compare and show it alike.
    return int(number) if number == int(number) else number


def _parsed(raw: str) -> int | float:
    raw = raw.strip()
    if len(raw) > 30 or not raw.isascii() or "_" in raw:
        raise ValueError(raw)
    return int(raw) if raw.lstrip("+-").isdigit() else float(raw)


def _date(definition: Definition, raw: Any) -> str:
    """A day, or the day of a moment: with an offset, as `toISOString()` sends it, that of the site."""
    if isinstance(raw, str) and len(raw) <= 40 and _DAY_OR_MOMENT.match(raw.strip()):
        with suppress(ValueError, OverflowError):
            moment = datetime.fromisoformat(raw.strip())
            day = (moment.astimezone(definition.zone) if moment.tzinfo else moment).date()
            if 1900 <= day.year <= 9000:
                return day.isoformat()
    raise WrongValue("This must be a date, YYYY-MM-DD.")


def _boolean(definition: Definition, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower() if isinstance(raw, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise WrongValue("This must be true or false.")


def _list(definition: Definition, raw: Any) -> str | list[str]:
    chosen = [_worded(one) for one in (raw if isinstance(raw, list) else [raw])]
    for one in chosen:
        if not isinstance(one, str) or one not in definition.options:
            raise WrongValue(f"Choose one of: {', '.join(definition.options)}.")
    return list(dict.fromkeys(chosen)) if isinstance(raw, list) else str(chosen[0])


def _file(definition: Definition, raw: Any) -> str:
    """The key of an uploaded file, from the key itself or from a link to it, however old."""
    if isinstance(raw, str) and len(raw) <= LONGEST_ADDRESS:
        key = key_in(raw) or raw.strip()
        owner = owner_in(key)
        if owner is not None and owner.entity in FILES_OF:
            return key
    raise WrongValue(NO_SUCH_FILE)


_READERS: Final[dict[str, Callable[[Definition, Any], Any]]] = {
    TEXT: _text,
    TEXTAREA: _text,
    NUMBER: _number,
    DATE: _date,
    BOOLEAN: _boolean,
    LIST: _list,
    FILE: _file,
}
