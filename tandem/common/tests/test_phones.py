from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.common.phones import normal_phone


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("+919876543210", "E.164"),
        ("09876543210", "as dialled inside the country"),
        ("98765 43210", "national"),
        (" 98765-43210 ", "dashes and spaces"),
        ("919876543210", "the country's code without a plus"),
        ("00919876543210", "as dialled from abroad"),
        ("+91 (0) 98765 43210", "both at once"),
        ("(098765) 43210", "brackets"),
        ("98765.43210", "dots"),
        ("९८७६५४३२१०", "Devanagari digits"),
        ("+91 98765‑43210", "no-break dash"),
        ("\u202a+91\u00a098765\u00a043210\u202c", "pasted from an address book"),
        ("+919876543210", "full width"),
    ],
)
def test_all_these_are_one_person(raw: str, why: str) -> None:
    assert normal_phone(raw) == "+919876543210", why


def test_other_countries_need_their_code() -> None:
    assert normal_phone("+44 20 7946 0958") == "+442079460958"


def test_the_country_is_a_setting(settings) -> None:
    settings.PHONE_REGION = "GB"

    assert normal_phone("020 7946 0958") == "+442079460958"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "nothing"),
        ("   ", "blank"),
        ("12", "too short"),
        ("98765", "too short"),
        ("+91987654321012345", "too long"),
        ("9" * 500, "far too long"),
        ("98765x3210", "a letter"),
        ("1800FLOWERS", "letters, as on a poster"),
        ("9876543210 ext. 5", "an extension would be lost"),
        ("9876543210;ext=5", "an extension would be lost"),
        ("tel:+919876543210", "an address"),
        ("+", "only the sign"),
        ("++919876543210", "two signs"),
        ("91+9876543210", "a sign inside"),
        ("+999876543210", "no such country"),
        ("98765,43210", "a list"),
        ("98765_43210", "an underscore"),
    ],
)
def test_these_are_no_phones(raw: str, why: str) -> None:
    with pytest.raises(ValueError):
        normal_phone(raw)


@given(st.text(max_size=40) | st.text(alphabet="0123456789+-() .", max_size=20))
def test_any_text_is_refused_or_becomes_stable(raw: str) -> None:
    try:
        phone = normal_phone(raw)
    except ValueError:
        return
    assert phone.startswith("+")
    assert phone[1:].isascii()
    assert phone[1:].isdigit()
    assert len(phone) <= 16
    assert normal_phone(phone) == phone
