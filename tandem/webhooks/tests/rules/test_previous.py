"""Rules: what a list was before some of its items changed."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.webhooks.rules.previous import whole_list


def items(text: str) -> list[dict[str, Any]]:
    """`a b! c`: three items, the second one with another text."""
    return [{"id": one.rstrip("!"), "text": one} for one in text.split()]


@pytest.mark.parametrize(
    ("now", "before", "after", "place", "was"),
    [
        ("a", "", "a", 0, ""),
        ("a b", "", "b", 0, "a"),
        ("a! b c", "a", "a!", 0, "a b c"),
        ("a b! c", "b", "b!", 0, "a b c"),
        ("b!", "b", "b!", 0, "b"),
        ("b c", "a", "", 0, "a b c"),
        ("a c", "b", "", 1, "a b c"),
        ("a b", "c", "", 2, "a b c"),
        ("", "a", "", 0, "a"),
        ("c! a d", "a b c", "c! a d", 0, "a b c"),
        ("", "a b", "", 0, "a b"),
        ("a b", "b a", "a b", 0, "b a"),
    ],
    ids=[
        *("the first one added", "one added", "the first one changed", "another one changed", "the only one changed"),
        *("the first one deleted", "the second one deleted", "the last one deleted", "the only one deleted"),
        *("all written anew", "cleared", "put into another order"),
    ],
)
def test_what_a_list_was(now: str, before: str, after: str, place: int, was: str) -> None:
    assert whole_list(items(now), items(before), items(after), place=place) == items(was)
