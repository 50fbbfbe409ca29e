"""When a delivery is tried again, and when a webhook is switched off. CONTRACT §6."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

GONE: Final = 410
LONGEST_WAIT: Final = timedelta(hours=24)  # what a receiver may ask for with Retry-After
SUCCESS_WITHIN: Final = timedelta(days=5)
OLD_SECRET_LASTS: Final = timedelta(hours=24)
MOST_OLD_SECRETS: Final = 5  # that sign along: every one makes each message longer

# Pauses after the first, second, … failed attempt. The first ones are for a receiver that is being deployed, the last
# ones for one whose people have a weekend; ten attempts in a little over three days.
SCHEDULE: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)


def is_success(status: int) -> bool:
    """Any 2xx. A redirect is none: it is not followed."""
    return 200 <= status < 300


def asked_to_wait(planned: datetime, retry_after: int | None, *, now: datetime) -> datetime:
    """The later of our plan and the receiver's wish.

    retry_after: seconds, as `retry_after_seconds` reads them: at most LONGEST_WAIT. None when it wished nothing.
    """
    if retry_after is None:
        return planned
    return max(planned, now + timedelta(seconds=retry_after))


def has_failed_for_too_long(failing_since: datetime | None, *, now: datetime) -> bool:
    """failing_since: the first failure after the last success; None when the last attempt succeeded."""
    return failing_since is not None and now - failing_since >= SUCCESS_WITHIN
