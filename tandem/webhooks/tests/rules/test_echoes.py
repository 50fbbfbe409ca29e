from __future__ import annotations

import html
import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest

from tandem.webhooks.rules.echoes import without_values

MOST = 2048
TOKEN = "Bearer super-secret-token-42"
AWKWARD = "a\"b\\c/d+e<f>g&h'i `j\tk=="
BASIC = f"Basic {b64encode(b'shop:pass:word-7').decode()}"


def shown(said: str, *values: str, most: int = MOST) -> str:
    return without_values(said.encode(), values, most=most).decode()


@pytest.mark.parametrize(
    ("said", "value", "expected", "reason"),
    [
        (f'{{"Authorization": "{TOKEN}"}}', TOKEN, '{"Authorization": "Be****42"}', "the whole value"),
        (f"{TOKEN} and {TOKEN}", TOKEN, "Be****42 and Be****42", "each time"),
        ("no such token: super-secret-token-42", TOKEN, "no such token: ****", "the token alone"),
        ("Bearer what?", TOKEN, "Bearer what?", "the scheme is no secret"),
        ('{"session": "0123456789ab"}', "lang=en; session=0123456789ab", '{"session": "****"}', "a cookie alone"),
        ("PHP_AUTH_PW=pass:word-7", BASIC, "PHP_AUTH_PW=****", "the password"),
        ("shop:pass:word-7", BASIC, "****", "user and password"),
        ("bad Basic no=base64", "Basic no=base64", "bad Ba****64", "a value that only looks like Basic"),
        ("got 12345", "12345", "got ****", "a short value, as its mask shows it"),
        ("abcabc", "abc", "abcabc", "too short to be told from the letters of words"),
        ("", TOKEN, "", "nothing"),
    ],
)
def test_values_are_masked(said: str, value: str, expected: str, reason: str) -> None:
    assert shown(said, value) == expected, reason


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        (AWKWARD, "as it is"),
        (json.dumps(AWKWARD)[1:-1], "JSON"),
        (json.dumps(AWKWARD)[1:-1].replace("/", r"\/"), "JSON of PHP"),
        (r"a\"b\\c/d+e\u003cf\u003eg\u0026h'i `j\tk==", "JSON of Go"),
        (r"a\u0022b\\c/d\u002Be\u003Cf\u003Eg\u0026h\u0027i \u0060j\tk==", "JSON of .NET"),
        (html.escape(AWKWARD), "HTML"),
        (html.escape(AWKWARD).replace("&#x27;", "&#39;"), "HTML of others"),
        (quote(AWKWARD, safe=""), "in an address"),
        (quote_plus(AWKWARD), "in a form"),
    ],
)
def test_however_it_is_spelled(spelled: str, reason: str) -> None:
    assert shown(f"<{spelled}>", AWKWARD) == '<a"****==>', reason


def test_a_value_that_holds_another_one_is_masked_as_a_whole() -> None:
    assert shown(f"{TOKEN}-and-more", "super-secret-token-42", f"{TOKEN}-and-more") == "Be****re"


@pytest.mark.parametrize("before", range(MOST - len(TOKEN) - 1, MOST + 2))
def test_nothing_of_a_value_is_left_where_the_answer_is_cut(before: int) -> None:
    kept = shown("." * before + TOKEN + "." * MOST, TOKEN)
    assert kept.strip(".") in ("", "Be****42")
    assert len(kept) <= MOST


def test_masks_bring_nothing_behind_the_end_to_light() -> None:
    assert shown(TOKEN * 100, TOKEN, most=len(TOKEN) * 2 + 5) == "Be****42" * 2
