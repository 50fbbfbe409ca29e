"""The strict readers of requests, JSON and forms: the same answer for bad input on both databases, no 500.

QUALITY "Input": at most 1 MB, depth ≤ 32, |integer| < 2^53, finite numbers, no NUL, no lone surrogates, no key twice.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, MultiPartParser

from tandem.common.errors import Invalid

MOST_DEEP = 32
MOST_WHOLE = 2**53
TOO_DEEP = f"Nested deeper than {MOST_DEEP} levels."
LONGEST_NAME = 100  # characters of a key that is shown as the name of a field

# Bytes of a whole form. More than any single file may have, so that a file which is somewhat too large is read, and
# refused under its field's name; what is beyond is not even read.
MOST_IN_A_FORM = 32 * 1024 * 1024


class NotStrict(ValueError):
    """What is wrong with a text, as a sentence. key: the key of the outermost object in whose value it is, if any."""

    def __init__(self, sentence: str, key: str | None = None) -> None:
        super().__init__(sentence)
        self.key = key


def strict_json(raw: bytes | str) -> Any:
    """Raises NotStrict."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    except UnicodeDecodeError:
        raise NotStrict("The text is not UTF-8.") from None
    try:
        read = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_no_constant
        )
    except RecursionError:
        raise NotStrict(TOO_DEEP, _key_of_too_deep(text)) from None
    except json.JSONDecodeError as broken:
        raise NotStrict(f"JSON parse error - {broken}") from None
    _check(read, 1)
    return read


class _Wrong:
    """Stands in what was read where something is wrong: the parser does not tell in whose value it is."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Wrong:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return _Wrong(f"The key {twice[:50]!a} is given twice.")
    return made


def _whole(digits: str) -> int | _Wrong:
    # The length first: a million digits take long to become a number.
    if len(digits) > 17 or abs(int(digits)) >= MOST_WHOLE:
        return _Wrong("A whole number is too large.")
    return int(digits)


def _number(digits: str) -> float | _Wrong:
    number = float(digits)
    return number if math.isfinite(number) else _Wrong("A number is too large.")


def _no_constant(name: str) -> _Wrong:
    return _Wrong(f"{name} is not JSON.")


def _check(value: Any, depth: int, top: str | None = None) -> None:
    """top: the key of the outermost object in whose value this is."""
    if isinstance(value, str):
        _check_text(value, top)
    elif isinstance(value, dict):
        _check_depth(depth, top)
        for key in value:
            _check_text(key, top)
        for key, item in value.items():
            _check(item, depth + 1, key if depth == 1 else top)
    elif isinstance(value, list):
        _check_depth(depth, top)
        for item in value:
            _check(item, depth + 1, top)
    elif isinstance(value, _Wrong):
        raise NotStrict(value.sentence, top)


def _check_depth(depth: int, top: str | None) -> None:
    if depth > MOST_DEEP:
        raise NotStrict(TOO_DEEP, top)


def _check_text(text: str, top: str | None) -> None:
    if "\x00" in text:
        raise NotStrict("Null characters are not allowed.", top)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotStrict("Lone surrogates are not allowed.", top) from None


# A string, or a bracket of either kind.
_STEP = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[][{}]')


def _key_of_too_deep(text: str) -> str | None:
    """The key of the outermost object in whose value a text goes too deep, where the parser gave up on it.

    So far the parser read it, so it is JSON up to the place that is looked for.
    """
    depth, key = 0, "null"
    for step in _STEP.finditer(text):
        if step[0][0] == '"':
            key = step[0] if depth == 1 else key  # before a bracket it is a key, for it may be a value before a comma
        else:
            depth += 1 if step[0] in "{[" else -1
        if depth > MOST_DEEP:
            break
    name = json.loads(key) if text.lstrip().startswith("{") else None
    try:
        _check(name, 1)
    except NotStrict:
        return None
    return cast(str | None, name)


def _refusal(wrong: NotStrict) -> Exception:
    """As an answer: on the field, unless a client made up a name that no field has."""
    if wrong.key is None or len(wrong.key) > LONGEST_NAME:
        return ParseError(str(wrong))
    return Invalid.on(wrong.key, str(wrong))


class StrictJson(BaseParser):
    """A request body as an object. An empty body is `{}`, for clients that POST actions without one."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = _small(stream)
        if not raw.strip():
            return {}
        try:
            return strict_json(raw)
        except NotStrict as wrong:
            raise _refusal(wrong) from None


class StrictForm(BaseParser):
    """A form of texts as an object."""

    media_type = "application/x-www-form-urlencoded"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        raw = _small(stream)
        try:
            pairs = parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=most)
        except UnicodeDecodeError:
            raise ParseError("The text is not UTF-8.") from None
        except ValueError:
            raise ParseError(f"The form has more than {most} fields.") from None
        return _form((name, [value]) for name, value in pairs)


class StrictMultipart(MultiPartParser):
    """A form as an object: texts, and files as `UploadedFile`. Its texts together may weigh what a JSON body may."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        meta = parser_context["request"].META
        if int(meta.get("CONTENT_LENGTH") or 0) > MOST_IN_A_FORM:
            raise ParseError(f"The body is larger than {MOST_IN_A_FORM} bytes.")
        try:
            # Whatever charset is claimed: as in JSON there is only one.
            read = super().parse(stream, media_type, {**parser_context, "encoding": "utf-8"})
        except SuspiciousOperation as refused:  # too many fields or files, too much text
            raise ParseError(str(refused)) from None
        # Django puts this sign in place of bytes that are not UTF-8; what was meant is lost.
        for name, values in read.data.lists():
            if any("\ufffd" in value for value in values):
                raise Invalid.on(name[:100], "The text is not UTF-8.")
        return _form([*read.data.lists(), *read.files.lists()])


def _small(stream: Any) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    raw: bytes = stream.read(limit + 1)
    if len(raw) > limit:
        raise ParseError(f"The body is larger than {limit} bytes.")
    return raw


def _form(fields: Iterable[tuple[str, list[Any]]]) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name, values in fields:
        if name in form or len(values) > 1:
            raise ParseError(f"The key {name[:50]!a} is given twice.")
        form[name] = values[0]
    try:
        _check({name: value if isinstance(value, str) else "" for name, value in form.items()}, 1)
    except NotStrict as wrong:
        raise _refusal(wrong) from None
    return form
