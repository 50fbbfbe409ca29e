"""The strict readers of requests, JSON and forms with files: the same answer for bad input on both databases, no 500.

QUALITY "Input": at most 1 MB, depth ≤ 32, |integer| < 2^53, finite numbers, no NUL, no lone surrogates, no key twice.
"""

from __future__ import annotations

import json
import math
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser, MultiPartParser

MOST_DEEP = 32
MOST_WHOLE = 2**53

# Bytes of a whole form. More than any single file may have, so that a file which is somewhat too large is read, and
# refused under its field's name; what is beyond is not even read.
MOST_IN_A_FORM = 32 * 1024 * 1024


def strict_json(raw: bytes | str) -> Any:
    """Raises ValueError with a sentence that says what is wrong."""
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        read = json.loads(
            text, object_pairs_hook=_object, parse_int=_whole, parse_float=_number, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise ValueError("The text is not UTF-8.") from None
    except RecursionError:
        raise ValueError(f"Nested deeper than {MOST_DEEP} levels.") from None
    except json.JSONDecodeError as broken:
        raise ValueError(f"JSON parse error - {broken}") from None
    _check(read, 1)
    return read


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"The key {twice[:50]!a} is given twice.")
    return made


def _whole(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) >= MOST_WHOLE:
        raise ValueError("A whole number is too large.")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("A number is too large.")
    return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON.")


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list):
        if depth > MOST_DEEP:
            raise ValueError(f"Nested deeper than {MOST_DEEP} levels.")
        if isinstance(value, dict):
            for key in value:
                _check_text(key)
            value = list(value.values())
        for item in value:
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ValueError("Null characters are not allowed.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("Lone surrogates are not allowed.") from None


class StrictJson(BaseParser):
    """A request body as an object. An empty body is `{}`, for clients that POST actions without one."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise ParseError(f"The body is larger than {limit} bytes.")
        if not raw.strip():
            return {}
        try:
            return strict_json(raw)
        except ValueError as refused:
            raise ParseError(str(refused)) from None


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
        form: dict[str, Any] = {}
        for name, values in [*read.data.lists(), *read.files.lists()]:
            if name in form or len(values) > 1:
                raise ParseError(f"The key {name[:50]!a} is given twice.")
            form[name] = values[0]
        try:
            _check({name: value if isinstance(value, str) else "" for name, value in form.items()}, 1)
        except ValueError as refused:
            raise ParseError(str(refused)) from None
        return form
