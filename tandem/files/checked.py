"""Files that passed the check of their content."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

MAX_BYTES: Final = 10 * 1024 * 1024


class NotTaken(ValueError):
    """The message says, for a person, why a file is not taken."""


class Shrunk(NamedTuple):
    """Width and height, before and after."""

    was: tuple[int, int]
    now: tuple[int, int]


@dataclass(frozen=True)
class CheckedFile:
    """A file that may be kept. ending: of its key, without a dot; it says what the content is.

    shrunk: None when it is kept in its own size.
    """

    content: bytes
    ending: str
    shrunk: Shrunk | None = None


def check_size(size: int) -> None:
    """size: bytes. Raises NotTaken."""
    if size > MAX_BYTES:
        raise NotTaken(f"This file is too large: at most {MAX_BYTES // 1024 // 1024} MiB, please.")
