from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tandem.webhooks.outgoing import retry_after_seconds

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DAY = 24 * 3600


@pytest.mark.parametrize(
    ("value", "seconds", "reason"),
    [
        ("0", 0, "at once"),
        ("120", 120, "seconds"),
        (" 120 ", 120, "blanks around"),
        ("0120", 120, "zeros in front"),
        ("86400", DAY, "just a day"),
        ("86401", DAY, "capped"),
        ("9" * 50, DAY, "capped"),
        ("9" * 100_000, DAY, "capped, without reading the number"),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120, "a date"),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120, "the date of RFC 850"),
        ("Sun Mar  1 12:02:00 2026", 120, "the date of asctime, always UTC"),
        ("Sun, 01 Mar 2026 17:32:00 +0530", 120, "a date with another zone"),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0, "a date that is past"),
        ("Mon, 01 Jan 2300 00:00:00 GMT", DAY, "a date far away"),
        ("", None, "nothing"),
        ("soon", None, "a word"),
        ("-1", None, "negative"),
        ("1.5", None, "a fraction"),
        ("+5", None, "a sign"),
        ("1e3", None, "an exponent"),
        ("0x10", None, "hex"),
        ("१२", None, "other digits"),
        ("120, 240", None, "two values"),
        ("Sun, 99 Mar 2026 12:02:00 GMT", None, "no such day"),
        ("Sun, 01 Mar 99999 12:02:00 GMT", None, "no such year"),
        ("Sun, 01 Mar 2026 12:02:00 +9999", None, "no such zone"),
        ("\x00", None, "garbage"),
        (",,,,,", None, "garbage"),
    ],
)
def test_both_forms_are_read_and_garbage_says_nothing(value: str, seconds: int | None, reason: str) -> None:
    assert retry_after_seconds(value, now=NOW) == seconds, reason


@pytest.mark.parametrize("microseconds", [1, 600_000, 999_999])
def test_nobody_comes_before_the_second_that_a_date_names(microseconds: int) -> None:
    now = NOW + timedelta(microseconds=microseconds)
    waited = retry_after_seconds("Sun, 01 Mar 2026 12:02:00 GMT", now=now)
    assert waited is not None
    assert timedelta() <= now + timedelta(seconds=waited) - (NOW + timedelta(minutes=2)) < timedelta(seconds=1)
