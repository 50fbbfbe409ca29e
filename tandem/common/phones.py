"""Phone numbers: many ways to write one, one way to store it."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from django.conf import settings
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

_SHOWN = re.compile(r"\+?[\d\s().\-/]+\Z")


def normal_phone(raw: str) -> str:
    """A phone number as E.164: `09876543210`, `98765 43210` and `+91-98765-43210` are all `+919876543210`.

    Source: contract §1. Numbers without a country code are of the site's country (setting TANDEM_PHONE_REGION).
    "Possible" is asked for, not "in use": number plans change faster than software is updated.
    Raises ValueError when it is not a possible number, letters and extensions included.
    """
    # Digits of any script become 0-9; what address books add invisibly (direction marks) goes, dashes become one kind.
    text = "".join(_plain(char) for char in unicodedata.normalize("NFKC", raw[:64])).strip()
    if not _SHOWN.match(text):
        raise ValueError("Enter a phone number, for example +919876543210.")
    try:
        number = phonenumbers.parse(text, settings.PHONE_REGION)
    except NumberParseException:
        raise ValueError("Enter a phone number, for example +919876543210.") from None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise ValueError("This is not a possible phone number.")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def as_stored(raw: str) -> tuple[str, ...]:
    """The digits under which a whole number is stored, whatever way it is written in; nothing for what is none.

    For searches: `("919876543210",)` for `098765 43210`.
    """
    try:
        return (normal_phone(raw).removeprefix("+"),)
    except ValueError:
        return ()


def _plain(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    if category == "Pd" or char == "\N{MINUS SIGN}":
        return "-"
    return "" if category == "Cf" else char
