"""Free or normal: the one rule behind booking, reschedule, the card's next free day and the warranty report.

Source: contract F §3, "Free or normal". All answers of this module come from `_obstacle`, so they cannot disagree.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

FREE = "free"
NORMAL = "normal"
AUTO = "auto"
OTHER_MAKE = "om"

MONTHS_BETWEEN_FREE_VISITS = 3


@dataclass(frozen=True)
class Warranty:
    """What a card says about its warranty. Both days are inside it; without both of them there is no warranty."""

    starts_on: date | None
    ends_on: date | None
    card_type: str = "normal"

    def covers(self, on: date) -> bool:
        if self.starts_on is None or self.ends_on is None or self.card_type == OTHER_MAKE:
            return False
        return self.starts_on <= on <= self.ends_on


@dataclass(frozen=True)
class FreeDay:
    """The day of a free visit that is not cancelled, open or completed.

    on: the day it was completed, else the fixed day, else the preferred one.
    by_rule: False for goodwill, that is when an admin forced it to be free.
    """

    on: date
    by_rule: bool = True


@dataclass(frozen=True)
class Decision:
    """What a visit is and why; goes into the visit's service_type, service_type_reason (≤ 255), service_type_forced.

    forced: an admin decided, not the rule; the rule never touches the visit again, and it counts as goodwill if free.
    """

    service_type: str
    reason: str
    forced: bool = False

    @property
    def is_free(self) -> bool:
        return self.service_type == FREE


def add_months(day: date, months: int) -> date:
    """The same day of the month, some calendar months later, clipped to the month's end (30 Nov + 3 = 28 Feb).

    months: 0 or more. Ends at the last day that a date can hold.
    """
    years, month_index = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month_index + 1
    if year > date.max.year:
        return date.max
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def next_free_day(warranty: Warranty, *, free_days: Iterable[FreeDay], since: date) -> date | None:
    """The earliest day, not before `since`, on which the rule gives a free visit; None when none is left."""
    if warranty.starts_on is None:
        return None
    free_days = tuple(free_days)
    day = max(since, warranty.starts_on)
    while warranty.covers(day):
        obstacle = _obstacle(free_days, day)
        if obstacle is None:
            return day
        day = _clear_after(obstacle.on)
    return None


def first_free_day_within(warranty: Warranty, *, free_days: Iterable[FreeDay], first: date, last: date) -> date | None:
    """The earliest day of a span (both ends inside) on which the rule gives a free visit; None when it has none."""
    day = next_free_day(warranty, free_days=free_days, since=first)
    return day if day is not None and day <= last else None


def decide(
    warranty: Warranty,
    *,
    free_days: Iterable[FreeDay],
    on: date,
    asked: str | None = AUTO,
    by_admin: bool = False,
) -> Decision:
    """Decide whether a visit on this day is free or normal.

    asked: "auto", "free" or "normal", or None for auto. Only an admin's "free" and "normal" count; from anybody else
    they mean "auto".
    """
    ruled = _by_rule(warranty, tuple(free_days), on)
    if not by_admin or asked not in (FREE, NORMAL):
        return ruled
    return Decision(asked, f"An admin decided: {asked}. By the rule: {ruled.service_type}. {ruled.reason}", forced=True)


def decide_again(
    before: Decision, warranty: Warranty, *, free_days: Iterable[FreeDay], on: date, by_admin: bool
) -> Decision:
    """Decide once more for a visit that moves to another day; free_days without the visit itself.

    What an admin had forced stays. What the rule had decided is decided anew, but an admin's move never turns free
    into normal: on a day that the rule would charge the visit stays free as the admin's goodwill, so that the visits
    which the rule made free keep their distance.
    """
    if before.forced:
        return before
    ruled = _by_rule(warranty, tuple(free_days), on)
    if by_admin and before.is_free and not ruled.is_free:
        return Decision(
            FREE, f"Free before an admin moved it to {on}. By the rule: normal. {ruled.reason}", forced=True
        )
    return ruled


def _by_rule(warranty: Warranty, free_days: Sequence[FreeDay], on: date) -> Decision:
    """What the rule gives on a day, and why. Source: contract F §3 "Free or normal"."""
    if warranty.card_type == OTHER_MAKE:
        return Decision(NORMAL, "The machine is of another make, outside the warranty programme.")
    if warranty.starts_on is None or warranty.ends_on is None:
        return Decision(NORMAL, "The card has no complete warranty dates.")
    span = f"the warranty ({warranty.starts_on} to {warranty.ends_on})"
    if not warranty.covers(on):
        return Decision(NORMAL, f"{on} is outside {span}.")
    obstacle = _obstacle(free_days, on)
    if obstacle is not None:
        side = "after" if obstacle.on <= on else "before"
        again = next_free_day(warranty, free_days=free_days, since=on)
        outlook = f"Free again from {again}." if again else "No free visit is left."
        return Decision(
            NORMAL,
            f"{on} is less than {MONTHS_BETWEEN_FREE_VISITS} months {side} the free visit of {obstacle.on}. {outlook}",
        )
    last = max((day.on for day in free_days if day.on <= on), default=None)
    before = f"the last free visit was on {last}" if last else "no free visit before"
    return Decision(FREE, f"{on} is inside {span}; {before}.")


def _obstacle(free_days: Sequence[FreeDay], on: date) -> FreeDay | None:
    """The free visit that stands too close to a day, or None.

    Goodwill counts as "last free" for the days after it, but takes nothing away from the days before it.
    """
    last = max((day for day in free_days if day.on <= on), key=_by_day, default=None)
    if last is not None and on < _clear_after(last.on):
        return last
    clear_after = _clear_after(on)
    return min((day for day in free_days if day.by_rule and on < day.on < clear_after), key=_by_day, default=None)


def _clear_after(day: date) -> date:
    """The first day after a free visit that may be free again.

    It also tells where to look on from any day that this visit blocks: add_months never runs backwards, so if a day
    is too close before the visit then all days from there up to the visit are, and after it all up to this one.
    """
    return add_months(day, MONTHS_BETWEEN_FREE_VISITS)


def _by_day(day: FreeDay) -> date:
    return day.on
