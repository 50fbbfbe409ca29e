"""The free-visit rule. Contract F §3, "Free or normal"."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem.fieldservice.rules.warranty import (
    Decision,
    FreeDay,
    Warranty,
    add_months,
    decide,
    decide_again,
    first_free_day_within,
    next_free_day,
)

YEAR = Warranty(date(2025, 9, 15), date(2026, 9, 14))


def ruled(*days: str) -> list[FreeDay]:
    return [FreeDay(date.fromisoformat(day)) for day in days]


def goodwill(*days: str) -> list[FreeDay]:
    return [FreeDay(date.fromisoformat(day), by_rule=False) for day in days]


@pytest.mark.parametrize(
    ("day", "months", "expected", "because"),
    [
        ("2025-09-15", 3, "2025-12-15", "the same day of the month"),
        ("2025-11-30", 3, "2026-02-28", "the contract's own example: February is shorter"),
        ("2027-11-30", 3, "2028-02-29", "February of a leap year"),
        ("2025-11-15", 3, "2026-02-15", "over the turn of the year"),
        ("2025-12-31", 3, "2026-03-31", "a long month on both ends"),
        ("2026-01-31", 3, "2026-04-30", "April has 30 days"),
        ("2025-10-31", 2, "2025-12-31", "December is month 12, not month 0 of the next year"),
        ("2025-10-31", 0, "2025-10-31", "no month at all"),
        ("9999-11-02", 3, "9999-12-31", "no day comes after the last one"),
    ],
)
def test_months_are_calendar_months_clipped_to_the_end(day: str, months: int, expected: str, because: str) -> None:
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(expected), because


@pytest.mark.parametrize(
    ("warranty", "free_days", "on", "expected", "because"),
    [
        (YEAR, [], "2025-09-15", True, "free from day one, and the first day is inside"),
        (YEAR, [], "2026-09-14", True, "the last day is inside"),
        (YEAR, [], "2025-09-14", False, "the day before the warranty"),
        (YEAR, [], "2026-09-15", False, "the day after the warranty"),
        (Warranty(date(2025, 9, 15), date(2025, 9, 15)), [], "2025-09-15", True, "a warranty of one day"),
        (Warranty(None, date(2026, 9, 14)), [], "2025-12-01", False, "without its first day there is no warranty"),
        (Warranty(date(2025, 9, 15), None), [], "2025-12-01", False, "without its last day there is no warranty"),
        (Warranty(None, None), [], "2025-12-01", False, "without both there is none either"),
        (Warranty(YEAR.starts_on, YEAR.ends_on, "om"), [], "2025-12-01", False, "another make is outside"),
        (YEAR, ruled("2025-11-30"), "2026-02-27", False, "one day short of three months"),
        (YEAR, ruled("2025-11-30"), "2026-02-28", True, "three months to the day, clipped"),
        (YEAR, ruled("2025-11-30"), "2025-11-30", False, "a second one on the same day"),
        (YEAR, goodwill("2025-11-30"), "2025-11-30", False, "goodwill on the same day counts as the last one too"),
        (YEAR, goodwill("2025-11-30"), "2026-02-27", False, "goodwill counts as the last free visit"),
        (YEAR, goodwill("2025-11-30"), "2026-02-28", True, "and is over after three months like any other"),
        (YEAR, ruled("2025-09-20", "2025-12-20"), "2026-03-19", False, "the latest one counts, not the first"),
        (YEAR, ruled("2025-12-20", "2025-09-20"), "2026-03-19", False, "in whichever order they come"),
        (YEAR, ruled("2025-12-20"), "2025-09-21", False, "a free visit later on is closer than three months"),
        (YEAR, ruled("2025-12-20"), "2025-09-20", True, "three months before it is far enough"),
        (YEAR, goodwill("2025-12-20"), "2025-12-19", True, "goodwill later on takes nothing away"),
        (
            YEAR,
            ruled("2025-09-20", "2026-01-20"),
            "2025-12-20",
            False,
            "far enough from the last, too close to the next",
        ),
        (YEAR, goodwill("2025-12-20") + ruled("2026-01-20"), "2025-12-10", False, "the rule's visit behind goodwill"),
        (YEAR, ruled("2025-06-01"), "2025-09-15", True, "a free visit of an earlier warranty, long ago"),
        (YEAR, ruled("2025-08-01"), "2025-09-15", False, "a free visit of an earlier warranty, too fresh"),
    ],
)
def test_a_visit_is_free_when_its_day_allows(
    warranty: Warranty, free_days: list[FreeDay], on: str, expected: bool, because: str
) -> None:
    day = date.fromisoformat(on)
    assert decide(warranty, free_days=free_days, on=day).is_free is expected, because
    assert decide(warranty, free_days=free_days, on=day).is_free is expected, because


@pytest.mark.parametrize(
    ("warranty", "free_days", "since", "expected", "because"),
    [
        (YEAR, [], "2025-01-01", "2025-09-15", "not before the warranty begins"),
        (YEAR, [], "2025-12-01", "2025-12-01", "at once"),
        (YEAR, ruled("2025-11-30"), "2025-12-01", "2026-02-28", "three months after the last one"),
        (YEAR, goodwill("2025-11-30"), "2025-12-01", "2026-02-28", "or after goodwill"),
        (YEAR, ruled("2025-12-20"), "2025-10-01", "2026-03-20", "a booked one bars the days before it"),
        (YEAR, ruled("2025-10-01", "2026-01-05"), "2025-10-01", "2026-04-05", "the gap between two is too small"),
        (YEAR, ruled("2025-10-01", "2026-04-01"), "2025-10-01", "2026-01-01", "a gap with room for exactly one day"),
        (YEAR, ruled("2025-10-01", "2026-03-31"), "2025-10-01", "2026-06-30", "a gap that is one day too small"),
        (YEAR, ruled("2026-06-15"), "2026-06-15", None, "the warranty ends one day too early"),
        (YEAR, ruled("2026-06-14"), "2026-06-14", "2026-09-14", "its last day is still good"),
        (YEAR, [], "2026-09-15", None, "the warranty is over"),
        (Warranty(None, date(2026, 9, 14)), [], "2025-12-01", None, "no first day"),
        (Warranty(date(2025, 9, 15), None), [], "2025-12-01", None, "no last day"),
        (Warranty(YEAR.starts_on, YEAR.ends_on, "om"), [], "2025-12-01", None, "another make"),
        (Warranty(YEAR.starts_on, date.max), ruled("9999-11-02"), "9999-11-02", "9999-12-31", "the calendar ends"),
    ],
)
def test_the_next_free_day(
    warranty: Warranty, free_days: list[FreeDay], since: str, expected: str | None, because: str
) -> None:
    day = next_free_day(warranty, free_days=free_days, since=date.fromisoformat(since))
    assert day == (date.fromisoformat(expected) if expected else None), because


@pytest.mark.parametrize(
    ("free_days", "month", "expected", "because"),
    [
        ([], ("2025-09-01", "2025-09-30"), "2025-09-15", "the warranty begins in that month"),
        ([], ("2026-09-14", "2026-09-30"), "2026-09-14", "and ends in that one"),
        (ruled("2025-11-30"), ("2026-02-01", "2026-02-28"), "2026-02-28", "the last day of the month is inside"),
        (ruled("2025-12-01"), ("2026-02-01", "2026-02-28"), None, "one day later is the next month's"),
        ([], ("2026-10-01", "2026-10-31"), None, "after the warranty"),
    ],
)
def test_the_first_free_day_within_a_month(
    free_days: list[FreeDay], month: tuple[str, str], expected: str | None, because: str
) -> None:
    first, last = map(date.fromisoformat, month)
    day = first_free_day_within(YEAR, free_days=free_days, first=first, last=last)
    assert day == (date.fromisoformat(expected) if expected else None), because


DAY_ZERO = date(2027, 1, 1)  # a leap February lies within the days that follow
some_day = st.integers(0, 700).map(lambda number: DAY_ZERO + timedelta(days=number))
some_free_days = st.lists(st.builds(FreeDay, on=some_day, by_rule=st.booleans()), max_size=7)


@st.composite
def some_warranty(draw: st.DrawFn) -> Warranty:
    first, last = sorted([draw(some_day), draw(some_day)])
    return Warranty(
        draw(st.sampled_from([first, first, first, None])),
        draw(st.sampled_from([last, last, last, None])),
        draw(st.sampled_from(["normal", "normal", "normal", "om"])),
    )


@settings(deadline=None)
@given(some_warranty(), some_free_days, some_day)
def test_the_next_free_day_is_the_one_that_a_search_day_by_day_finds(
    warranty: Warranty, free_days: list[FreeDay], since: date
) -> None:
    days = (since + timedelta(days=number) for number in range((DAY_ZERO - since).days + 702))
    found = next((day for day in days if decide(warranty, free_days=free_days, on=day).is_free), None)
    assert next_free_day(warranty, free_days=free_days, since=since) == found


operations = st.lists(
    st.tuples(
        st.sampled_from(["book", "book", "book", "reschedule", "cancel"]),
        st.booleans(),  # by an admin
        st.sampled_from(["auto", "auto", "free", "normal"]),
        some_day,
        st.integers(0, 50),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(operations)
def test_visits_that_the_rule_made_free_keep_three_months_in_whatever_order_they_come(
    steps: list[tuple[str, bool, str, date, int]],
) -> None:
    warranty = Warranty(DAY_ZERO, DAY_ZERO + timedelta(days=600))
    visits: list[tuple[date, Decision]] = []

    def free_days(*, without: int | None = None) -> list[FreeDay]:
        return [
            FreeDay(day, by_rule=not made.forced)
            for number, (day, made) in enumerate(visits)
            if made.is_free and number != without
        ]

    for what, by_admin, asked, on, pick in steps:
        if what == "book":
            visits.append((on, decide(warranty, free_days=free_days(), on=on, asked=asked, by_admin=by_admin)))
        elif visits and what == "cancel":
            visits.pop(pick % len(visits))
        elif visits:
            which = pick % len(visits)
            before = visits[which][1]
            others = free_days(without=which)
            after = decide_again(before, warranty, free_days=others, on=on, by_admin=by_admin)
            visits[which] = (on, after)

    by_rule = sorted(day for day, made in visits if made.is_free and not made.forced)
    assert all(warranty.covers(day) for day in by_rule)
    assert all(later >= add_months(earlier, 3) for earlier, later in combinations(by_rule, 2))


@pytest.mark.parametrize(
    ("asked", "by_admin", "expected", "because"),
    [
        ("auto", False, ("free", False), "the rule decides"),
        (None, False, ("free", False), "absent means auto"),
        ("normal", False, ("free", False), "only the server decides for customers"),
        ("auto", True, ("free", False), "an admin may leave it to the rule"),
        ("free", True, ("free", True), "an admin forced it, even if the rule agrees"),
        ("normal", True, ("normal", True), "an admin may charge what the rule would give"),
    ],
)
def test_who_decides_on_a_day_that_the_rule_gives(
    asked: str | None, by_admin: bool, expected: tuple[str, bool], because: str
) -> None:
    made = decide(YEAR, free_days=[], on=date(2025, 12, 1), asked=asked, by_admin=by_admin)
    assert (made.service_type, made.forced) == expected, because


def test_a_customer_who_asks_for_free_gets_what_the_rule_gives() -> None:
    made = decide(YEAR, free_days=[], on=date(2026, 12, 1), asked="free")
    assert (made.service_type, made.forced) == ("normal", False)


def test_an_admin_may_give_a_visit_as_goodwill_and_it_is_written_down() -> None:
    made = decide(YEAR, free_days=[], on=date(2026, 12, 1), asked="free", by_admin=True)
    assert made == Decision(
        "free",
        "An admin decided: free. By the rule: normal. 2026-12-01 is outside the warranty (2025-09-15 to 2026-09-14).",
        forced=True,
    )


@pytest.mark.parametrize(
    ("before", "by_admin", "on", "expected", "because"),
    [
        (("free", False), False, "2026-10-01", ("normal", False), "the owner moves it out of the warranty"),
        (("normal", False), False, "2026-05-01", ("free", False), "the owner moves it to where the rule gives it"),
        (("normal", False), True, "2026-05-01", ("free", False), "an admin's move may turn normal into free"),
        (("free", False), True, "2026-05-01", ("free", False), "still by the rule"),
        (("free", False), True, "2026-10-01", ("free", True), "an admin's move never turns free into normal"),
        (("free", False), True, "2026-01-15", ("free", True), "nor next to another free visit: then it is goodwill"),
        (("free", True), False, "2026-10-01", ("free", True), "what an admin forced stays when the owner moves it"),
        (("normal", True), False, "2026-05-01", ("normal", True), "also when it is normal"),
        (("normal", True), True, "2026-05-01", ("normal", True), "also when an admin moves it"),
    ],
)
def test_a_move_decides_anew_what_the_rule_had_decided(
    before: tuple[str, bool], by_admin: bool, on: str, expected: tuple[str, bool], because: str
) -> None:
    made = decide_again(
        Decision(before[0], "as it was", before[1]),
        YEAR,
        free_days=ruled("2026-01-20"),
        on=date.fromisoformat(on),
        by_admin=by_admin,
    )
    assert (made.service_type, made.forced) == expected, because


@pytest.mark.parametrize(
    ("warranty", "free_days", "on", "reason"),
    [
        (
            YEAR,
            [],
            "2025-12-01",
            "2025-12-01 is inside the warranty (2025-09-15 to 2026-09-14); no free visit before.",
        ),
        (
            YEAR,
            ruled("2025-09-20"),
            "2026-01-01",
            "2026-01-01 is inside the warranty (2025-09-15 to 2026-09-14); the last free visit was on 2025-09-20.",
        ),
        (
            YEAR,
            ruled("2025-11-30"),
            "2026-01-01",
            "2026-01-01 is less than 3 months after the free visit of 2025-11-30. Free again from 2026-02-28.",
        ),
        (
            YEAR,
            ruled("2026-07-01"),
            "2026-06-01",
            "2026-06-01 is less than 3 months before the free visit of 2026-07-01. No free visit is left.",
        ),
        (YEAR, [], "2026-09-15", "2026-09-15 is outside the warranty (2025-09-15 to 2026-09-14)."),
        (Warranty(None, YEAR.ends_on), [], "2025-12-01", "The card has no complete warranty dates."),
        (
            Warranty(YEAR.starts_on, YEAR.ends_on, "om"),
            [],
            "2025-12-01",
            "The machine is of another make, outside the warranty programme.",
        ),
    ],
)
def test_the_reason_tells_why(warranty: Warranty, free_days: list[FreeDay], on: str, reason: str) -> None:
    assert decide(warranty, free_days=free_days, on=date.fromisoformat(on)).reason == reason


@settings(deadline=None)
@given(some_warranty(), some_free_days, some_day, some_day, st.sampled_from(["auto", "free", "normal"]), st.booleans())
def test_every_reason_fits_into_its_column(
    warranty: Warranty, free_days: list[FreeDay], on: date, moved_to: date, asked: str, by_admin: bool
) -> None:
    booked = decide(warranty, free_days=free_days, on=on, asked=asked, by_admin=by_admin)
    moved = decide_again(booked, warranty, free_days=free_days, on=moved_to, by_admin=by_admin)
    assert 0 < len(booked.reason) <= 255
    assert 0 < len(moved.reason) <= 255
