"""The clock and the site's calendar. "Today" and "past" mean the site's time zone (setting TANDEM_TIME_ZONE).

Only views, commands and the worker call `now` and `today`; actions and rules are handed the moment or the day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils import timezone

FIRST_YEAR, LAST_YEAR = 1900, 9000  # of days and moments that are taken in
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def now() -> datetime:
    return timezone.now()


def site_zone() -> ZoneInfo:
    return timezone.get_default_timezone()


def today() -> date:
    return day_of(now())


def day_of(moment: datetime) -> date:
    """The site's calendar day of a moment."""
    return moment.astimezone(site_zone()).date()


def start_of(day: date) -> datetime:
    """The site's midnight with which a day begins, in UTC."""
    return datetime.combine(day, time.min, tzinfo=site_zone()).astimezone(UTC)


def at_time(day: date, clock: time) -> datetime:
    """A wall-clock time of the site on a day, in UTC."""
    return datetime.combine(day, clock, tzinfo=site_zone()).astimezone(UTC)


@dataclass(frozen=True)
class DayOrMoment:
    """A value that clients send as a date or as a date-time, with what was meant kept.

    day: the site's calendar day. moment: the exact time in UTC; None when only a day was given.
    """

    day: date
    moment: datetime | None = None

    def __str__(self) -> str:
        """As answers show it: a day without a time stays a date."""
        return iso(self.moment) if self.moment else self.day.isoformat()


def day_or_moment(raw: str) -> DayOrMoment:
    """Read `2025-12-18`, `2025-12-18T10:00:00Z` or `2025-12-18T10:00`; without an offset it is the site's time.

    Fractions of a second are dropped, as `iso` shows none: what was shown and comes back is the same moment.
    Raises ValueError for anything else, years before 1900 and after 9000 included.
    """
    raw = raw.strip()
    if _DAY.match(raw):
        read = DayOrMoment(date.fromisoformat(raw))
    else:
        parsed = datetime.fromisoformat(raw)
        if not re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", raw):
            raise ValueError(f"{raw!r} is neither a date nor a date-time")
        aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=site_zone())
        if not FIRST_YEAR <= aware.year <= LAST_YEAR:
            raise ValueError(f"{raw!r} is out of range")
        aware = aware.astimezone(UTC).replace(microsecond=0)
        read = DayOrMoment(day_of(aware), aware)
    if not FIRST_YEAR <= read.day.year <= LAST_YEAR:
        raise ValueError(f"{raw!r} is out of range")
    return read


def iso(moment: datetime) -> str:
    """A moment as answers show it: ISO 8601, UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
