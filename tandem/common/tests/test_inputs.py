"""What every request body has in common."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from rest_framework import serializers

from tandem.common.inputs import ClockField, DayOrMomentField, Input
from tandem.common.moments import DayOrMoment


class _Form(Input):
    at = ClockField(required=False, allow_null=True)
    when = DayOrMomentField(required=False, allow_null=True)
    amount = serializers.IntegerField(required=False)
    city = serializers.CharField(required=False, allow_null=True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("10:00", time(10)),
        ("00:00", time(0)),
        ("23:59", time(23, 59)),
        (" 09:05 ", time(9, 5)),
        ("10:30:00", time(10, 30)),  # what time pickers of phones send
        (None, None),
        ("", None),
    ],
)
def test_a_time_is_hours_and_minutes(raw: str | None, expected: time | None) -> None:
    form = _Form(data={"at": raw})
    assert form.is_valid(), form.errors
    assert form.validated_data == {"at": expected}


@pytest.mark.parametrize(
    "raw",
    ["24:00", "10:60", "1000", "10", "10:0", "9:00", "10:00:01", "10:00Z", "10:00\n11:00", "١٠:٠٠", "am", 10, True, []],
)
def test_any_other_time_is_bad_input_on_its_field(raw: object) -> None:
    form = _Form(data={"at": raw})
    assert not form.is_valid()
    assert form.errors == {"at": ["Give a time of the day as HH:MM, 00:00 to 23:59."]}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2025-12-18", DayOrMoment(date(2025, 12, 18))),
        ("2025-12-18T10:00:00Z", DayOrMoment(date(2025, 12, 18), datetime(2025, 12, 18, 10, tzinfo=UTC))),
        # the site's zone is Asia/Kolkata, five and a half hours ahead
        ("2025-12-18T10:00", DayOrMoment(date(2025, 12, 18), datetime(2025, 12, 18, 4, 30, tzinfo=UTC))),
        ("2025-12-18T22:00:00Z", DayOrMoment(date(2025, 12, 19), datetime(2025, 12, 18, 22, tzinfo=UTC))),
        ("2025-12-18 10:00:00+05:30", DayOrMoment(date(2025, 12, 18), datetime(2025, 12, 18, 4, 30, tzinfo=UTC))),
        # what JavaScript's toISOString sends
        ("2025-12-18T10:00:00.999Z", DayOrMoment(date(2025, 12, 18), datetime(2025, 12, 18, 10, tzinfo=UTC))),
    ],
)
def test_a_day_stays_a_day_and_a_moment_a_moment(raw: str, expected: DayOrMoment) -> None:
    form = _Form(data={"when": raw})
    assert form.is_valid(), form.errors
    assert form.validated_data == {"when": expected}


@pytest.mark.parametrize(
    "raw", ["tomorrow", "2025-02-30", "20251218", "2025-12", "0001-01-01", "9999-12-31", "2025-12-18T25:00", 5, []]
)
def test_what_is_neither_is_bad_input(raw: object) -> None:
    form = _Form(data={"when": raw})
    assert not form.is_valid()
    assert form.errors == {"when": ["Use a date (YYYY-MM-DD) or a date-time (ISO 8601)."]}


def test_numbers_may_be_strings_and_unknown_keys_are_ignored() -> None:
    form = _Form(data={"amount": "5", "unheard_of": 1})
    assert form.is_valid(), form.errors
    assert form.validated_data == {"amount": 5}


@pytest.mark.parametrize("raw", ["", "   ", "\t\n", None])
def test_text_of_blanks_is_no_text(raw: str | None) -> None:
    form = _Form(data={"city": raw})
    assert form.is_valid(), form.errors
    assert form.validated_data == {"city": None}
