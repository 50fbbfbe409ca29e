"""Bad JSON is refused by the field that it is in, with nothing stored. CONTRACT §2."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from tandem.accounts.models import User
from tandem.fieldservice.models import ServiceEntry
from tests.cast import as_, card_of, person, visit_to

pytestmark = pytest.mark.django_db

ME = "/api/auth/me/"
DEEP, WHOLE, NUMBER = "Nested deeper than 32 levels.", "A whole number is too large.", "A number is too large."
NULL, SURROGATE = "Null characters are not allowed.", "Lone surrogates are not allowed."


def patched(body: str | bytes) -> tuple[int, Any]:
    """What PATCH of one's own profile answers to a body, which must change nothing."""
    asha = as_("asha")
    before = User.objects.values().get()
    answer = asha.client.patch(ME, body, content_type="application/json", headers=asha.headers)
    assert User.objects.values().get() == before
    return answer.status_code, answer.json()


def nested(levels: int, inmost: str = "1") -> str:
    return "[" * levels + inmost + "]" * levels


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (r'"a\u0000b"', NULL),
        (r'"\ud800"', SURROGATE),
        (r'["x", {"y": "\udfff"}]', SURROGATE),
        (r'{"a\u0000": 1}', NULL),
        (str(2**53), WHOLE),
        (str(-(2**53)), WHOLE),
        ("9" * 17, WHOLE),
        ("9" * 900_000, WHOLE),
        (f"[1, [2, {2**53}]]", WHOLE),
        ("1e400", NUMBER),
        ("-1" + "0" * 400 + ".0", NUMBER),
        ("NaN", "NaN is not JSON."),
        ('[{"x": -Infinity}]', "-Infinity is not JSON."),
        ('{"x": 1, "x": 2}', "The key 'x' is given twice."),
        (nested(32), DEEP),
        (nested(500), DEEP),
        (nested(5_000), DEEP),
        (nested(400_000), DEEP),
        ("[" * 5_000 + "\\", DEEP),
        ('{"y":' * 1_200 + "1" + "}" * 1_200, DEEP),
    ],
)
@pytest.mark.parametrize("name", ["city", "unheard_of", "Straße"])
def test_it_is_told_on_the_field(name: str, value: str, message: str) -> None:
    body = (
        f'{{"email": "a@example.com", "x": ["]", "\\\\", {{"city": "}}"}}], {json.dumps(name)}: {value}, "name": "N"}}'
    )
    assert patched(body) == (400, {name: [message]})


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("[" + str(2**53) + "]", WHOLE),
        (str(2**53), WHOLE),
        ('"\\u0000"', NULL),
        (nested(33), DEEP),
        (nested(5_000), DEEP),
        ("[" * 100 + '{"city":' + nested(3_000) + "}" + "]" * 100, DEEP),
        ('{"city": "x", "city": "y"}', "The key 'city' is given twice."),
        ('{"a\\u0000": "\\u0000"}', NULL),
        ('{"\\ud800": 1}', SURROGATE),
        ('{"\\ud800": ' + nested(5_000) + "}", DEEP),
        (json.dumps({"k" * 101: "\0"}), NULL),
        (json.dumps({"k" * 100_000: 2**53}), WHOLE),
        ('{"' + "k" * 101 + '":' + nested(5_000) + "}", DEEP),
        (b'{"city": "\xff"}', "The text is not UTF-8."),
        ("NaN", "NaN is not JSON."),
        ('{"city": }', "JSON parse error - Expecting value: line 1 column 10 (char 9)"),
    ],
)
def test_where_no_field_can_be_named_it_is_told_in_general(body: str | bytes, detail: str) -> None:
    assert patched(body) == (400, {"detail": detail, "code": "parse_error"})


def test_what_is_just_small_enough_is_read() -> None:
    asha = as_("asha")
    body = f'{{"city": "Ooty", "{"k" * 100_000}": 1, "x": {nested(31)}, "y": {2**53 - 1}, "z": {-(2**53) + 1}}}'
    answer = asha.client.patch(ME, body, content_type="application/json", headers=asha.headers)
    assert (answer.status_code, answer.json()["city"]) == (200, "Ooty")


def test_a_form_with_files_names_its_fields_too() -> None:
    visit = visit_to(card_of(person("chitra")))
    fields = {"service": visit.pk, "work_detail": "a\0b", "image": SimpleUploadedFile("a.png", b"x")}
    answer = as_("asha").upload("/api/crm/service-entries/", fields)
    assert (answer.status_code, answer.json()) == (400, {"work_detail": [NULL]})
    assert not ServiceEntry.objects.exists()
