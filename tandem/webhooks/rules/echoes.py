"""What a receiver says, with masks where it repeats header values that it was sent. CONTRACT §6 "Values of headers".

Services to try webhooks out at, and many error pages, show the whole request.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from string import ascii_letters, digits
from typing import Final

from tandem.webhooks.rules.headers import HIDDEN, masked

MASKED_FROM: Final = 4  # characters; shorter ones stand in many a word
PART_MASKED_FROM: Final = 8  # the same of a part of a value: `Bearer` is no secret

_BETWEEN_PARTS: Final = re.compile(r'[\s,;="]+')

_JSON: Final = {'"': r"\"", "\\": r"\\", "\t": r"\t"}
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
_URL: Final = {chr(n): f"%{n:02X}" for n in range(128) if chr(n) not in f"{ascii_letters}{digits}-._~"}
# How the characters of a value may be written in an answer.
_SPELLINGS: Final = [
    str.maketrans(spelling)
    for spelling in (
        {},
        _JSON,
        _JSON | {"/": r"\/"},  # PHP
        _JSON | {char: f"\\u{ord(char):04x}" for char in "<>&"},  # Go, Rails
        _JSON | {char: f"\\u{ord(char):04X}" for char in "\"&'+<>`"},  # .NET
        _HTML,
        _HTML | {"'": "&#39;"},
        _URL,
        _URL | {" ": "+"},
    )
]


def without_values(said: bytes, values: Iterable[str], *, most: int) -> bytes:
    """The first bytes of an answer, at most `most`. A value that would be cut there is left out.

    values: of headers, as they were sent.
    """
    masks = {
        secret.translate(spelling).encode(): mask.encode()
        for value in values
        for secret, mask in _secrets(value)
        for spelling in _SPELLINGS
    }
    longest_first = sorted(masks, key=len, reverse=True)
    end = most
    for secret in longest_first:
        begin = said.find(secret, max(0, end - len(secret) + 1), end + len(secret) - 1)
        if begin >= 0:
            end = begin
    kept = said[:end]
    for secret in longest_first:
        kept = kept.replace(secret, masks[secret])
    return kept


def _secrets(value: str) -> Iterator[tuple[str, str]]:
    """A value, and what receivers take out of it, each with its mask."""
    if len(value) >= MASKED_FROM:
        yield value, masked(value)
    for part in {*_BETWEEN_PARTS.split(value), *_user_and_password(value)} - {value}:
        if len(part) >= PART_MASKED_FROM:
            yield part, HIDDEN


def _user_and_password(value: str) -> list[str]:
    """Both together, and the password, of a value for Basic authentication (RFC 7617); nothing of others."""
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "basic":
        return []
    with suppress(ValueError):
        both = b64decode(token, validate=True).decode()
        return [both, both.partition(":")[2]]
    return []
