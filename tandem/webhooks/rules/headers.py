"""Headers that users give: which names, which values, and how values are shown. CONTRACT §6 "Values of headers"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MOST: Final = 50
LONGEST_VALUE: Final = 4096
HIDDEN: Final = "****"
SHOWN_FROM: Final = 10  # characters; shorter ones would be told by their ends

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_MASKED: Final = re.compile(r"(?:..)?\*{4}(?:..)?", re.DOTALL)

# Those that only the client writes, in lower case: they say where a request goes and where it ends, and belong to one
# connection (RFC 9110 §7.6.1).
RESERVED: Final = frozenset(
    {"host", "content-length", "connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
    | {"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


class WrongHeader(ValueError):
    """The message is shown on `headers`."""


def masked(value: str) -> str:
    """What readers see of a secret: the first and last two characters of ten or more."""
    return f"{value[:2]}{HIDDEN}{value[-2:]}" if len(value) >= SHOWN_FROM else HIDDEN


def checked(given: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a body. Raises WrongHeader."""
    if len(given) > MOST:
        raise WrongHeader(f"At most {MOST} headers, please.")
    found: dict[str, str] = {}
    for name, value in given.items():
        _check_name(name)
        if name.lower() in {other.lower() for other in found}:
            raise WrongHeader(f"{name}: this header is given twice.")
        found[name] = _checked_value(name, value)
    return found


def merged(given: Mapping[str, str], stored: Mapping[str, str], *, host_changes: bool) -> dict[str, str]:
    """The headers after a write: what is given, where a masked value stands for the stored one.

    host_changes: the same write sends them somewhere else; then nobody who has not seen a value may take it along.
    Raises WrongHeader.
    """
    known = {name.lower(): value for name, value in stored.items()}
    after = {}
    for name, value in given.items():
        kept = known.get(name.lower())
        if kept is not None and value == masked(kept):
            if host_changes:
                raise WrongHeader(f"{name}: the address leads to another host, so give the value again.")
            value = kept
        elif _MASKED.fullmatch(value):
            raise WrongHeader(f"{name}: give the value itself; this is how a hidden one is shown.")
        after[name] = value
    return after


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise WrongHeader(f"{name[:100]!r} cannot be the name of a header.")
    if name.lower() in RESERVED or name.lower().startswith("webhook-"):
        raise WrongHeader(f"{name}: this header is set by Tandem or belongs to the connection; leave it out.")


def _checked_value(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise WrongHeader(f"{name}: this must be text.")
    text = str(value).strip(" \t")
    if len(text) > LONGEST_VALUE:
        raise WrongHeader(f"{name}: at most {LONGEST_VALUE} characters, please.")
    if not _VALUE.fullmatch(text):
        raise WrongHeader(f"{name}: no line breaks and nothing but ASCII, please.")
    return text
