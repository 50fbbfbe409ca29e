"""For which day and time a visit may be asked. Source: contract F §3, "Booking", and `reschedule/`."""

from __future__ import annotations

from datetime import date, time, timedelta

from tandem.common.errors import Invalid


def check_visit_day(
    day: date,
    at: time | None,
    *,
    today: date,
    clock: time,
    window_days: int,
    day_field: str = "preferred_date",
    time_field: str = "preferred_time",
) -> None:
    """Refuse a day or time for which nobody may ask.

    at: the time of that day, None when any will do. today, clock: the present, as the site's calendar and clocks show
    it. window_days: how far ahead one may book; the last day is inside. The minute that is running is not past.
    Raises Invalid on day_field or time_field (a reschedule gives `scheduled_at` for both).
    """
    last = today + timedelta(days=window_days)
    if not today <= day <= last:
        what = "is past" if day < today else "is too far ahead"
        raise Invalid.on(day_field, f"{day} {what}. Choose a day from {today} to {last}.")
    if day == today and at is not None and at < clock.replace(second=0, microsecond=0):
        raise Invalid.on(time_field, f"{at:%H:%M} is past today. Choose a later time or another day.")
