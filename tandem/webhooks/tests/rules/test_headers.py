"""Names, values and masks of headers. CONTRACT §6 "Values of headers"."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.webhooks.rules.headers import WrongHeader, checked, masked, merged


@pytest.mark.parametrize(
    ("value", "expected"),
    [("Bearer token", "Be****en"), ("1234567890", "12****90"), ("123456789", "****"), ("{id}", "****"), ("", "****")],
)
def test_what_readers_see(value: str, expected: str) -> None:
    assert masked(value) == expected


@pytest.mark.parametrize(
    "given",
    [
        {"Host": "x"},
        {"content-length": "1"},
        {"Connection": "close"},
        {"Transfer-Encoding": "chunked"},
        {"TE": "x"},
        {"Upgrade": "x"},
        {"Proxy-Authorization": "x"},
        {"webhook-id": "x"},
        {"Webhook-Anything": "x"},
        {"X Y": "x"},
        {"": "x"},
        {"X:": "x"},
        {"X\r\nY": "x"},
        {"X": "a\r\nY: b"},
        {"X": "a\nb"},
        {"X": "a\x00"},
        {"X": "ä"},
        {"X": ["a"]},
        {"X": None},
        {"X": True},
        {"X": "a" * 4097},
        {"X": "a", "x": "b"},
        {f"X-{n}": "a" for n in range(51)},
    ],
)
def test_what_cannot_be_a_header_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(WrongHeader):
        checked(given)


def test_what_may_be_a_header() -> None:
    assert checked({"Authorization": " Bearer x ", "X-N": 7}) == {"Authorization": "Bearer x", "X-N": "7"}


STORED = {"Authorization": "Bearer token", "X-Short": "abc"}


def test_a_masked_value_keeps_the_stored_one() -> None:
    sent = {"authorization": "Be****en", "X-Short": "****", "X-New": "new"}
    assert merged(sent, STORED, host_changes=False) == {
        "authorization": "Bearer token",
        "X-Short": "abc",
        "X-New": "new",
    }


def test_what_is_not_sent_is_gone() -> None:
    assert merged({"X-Short": "other"}, STORED, host_changes=False) == {"X-Short": "other"}


@pytest.mark.parametrize("sent", [{"X-Other": "****"}, {"Authorization": "ab****yz"}, {"X-Short": "Be****en"}])
def test_a_mask_without_its_value_is_refused(sent: dict[str, str]) -> None:
    with pytest.raises(WrongHeader):
        merged(sent, STORED, host_changes=False)


def test_a_secret_does_not_follow_to_another_host_unseen() -> None:
    with pytest.raises(WrongHeader):
        merged({"Authorization": "Be****en"}, STORED, host_changes=True)
    assert merged({"Authorization": "new"}, STORED, host_changes=True) == {"Authorization": "new"}
