"""What may be a username."""

from __future__ import annotations

import re
import unicodedata

_ALLOWED = re.compile(r"[\w.@+ -]{1,150}\Z")


def normal_username(raw: str) -> str:
    """A username as it is stored: NFKC, without spaces at its ends. Case is kept; comparing ignores it.

    It holds a letter, so that it can never be mistaken for a phone number. Raises ValueError with the reason.
    """
    username = typed_username(raw)
    if not _ALLOWED.match(username):
        raise ValueError("Use at most 150 letters, digits, spaces and @ . + - _ in a username.")
    if not any(char.isalpha() for char in username):
        raise ValueError("A username holds at least one letter.")
    return username


def typed_username(raw: str) -> str:
    """What somebody typed to sign in, in the shape that usernames are stored in."""
    return unicodedata.normalize("NFKC", raw[:1000]).strip()
