"""For which day and time a visit may be asked. Contract F §3, "Booking"."""

from __future__ import annotations

from datetime import date, time

import pytest

from tandem.common.errors import Invalid
from tandem.fieldservice.rules.booking import check_visit_day

TODAY = date(2025, 12, 18)


@pytest.mark.parametrize(
    ("day", "at", "because"),
    [
        (date(2025, 12, 18), None, "today, at any time"),
        (date(2025, 12, 18), time(14, 30), "the minute that is running"),
        (date(2025, 12, 18), time(14, 31), "later today"),
        (date(2025, 12, 19), time(0, 0), "an early hour of another day"),
        (date(2026, 1, 17), time(23, 59), "the last day of the window, over the turn of the year"),
    ],
)
def test_a_day_that_one_may_ask_for(day: date, at: time | None, because: str) -> None:
    assert check_visit_day(day, at, today=TODAY, clock=time(14, 30, 45), window_days=30) is None, because


@pytest.mark.parametrize(
    ("day", "at", "body", "because"),
    [
        (
            date(2025, 12, 17),
            None,
            {"preferred_date": ["2025-12-17 is past. Choose a day from 2025-12-18 to 2026-01-17."]},
            "yesterday",
        ),
        (
            date(2026, 1, 18),
            None,
            {"preferred_date": ["2026-01-18 is too far ahead. Choose a day from 2025-12-18 to 2026-01-17."]},
            "one day after the window",
        ),
        (
            date(2025, 12, 18),
            time(14, 29),
            {"preferred_time": ["14:29 is past today. Choose a later time or another day."]},
            "a minute ago",
        ),
        (
            date(2025, 12, 17),
            time(23, 0),
            {"preferred_date": ["2025-12-17 is past. Choose a day from 2025-12-18 to 2026-01-17."]},
            "of a past day it is the day that is wrong",
        ),
    ],
)
def test_a_day_that_one_may_not_ask_for(day: date, at: time | None, body: dict[str, list[str]], because: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_visit_day(day, at, today=TODAY, clock=time(14, 30, 45), window_days=30)
    assert refused.value.body() == body, because


@pytest.mark.parametrize(("day", "at"), [(date(2025, 12, 17), None), (date(2025, 12, 18), time(9))])
def test_a_reschedule_is_refused_on_its_own_field(day: date, at: time | None) -> None:
    with pytest.raises(Invalid) as refused:
        check_visit_day(
            day,
            at,
            today=TODAY,
            clock=time(14, 30),
            window_days=30,
            day_field="scheduled_at",
            time_field="scheduled_at",
        )
    assert list(refused.value.fields) == ["scheduled_at"]
