"""The `Retry-After` header of an answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import ceil

from tandem.webhooks.rules.retries import LONGEST_WAIT

_LONGEST_SECONDS = int(LONGEST_WAIT.total_seconds())


def retry_after_seconds(value: str, *, now: datetime) -> int | None:
    """How long a receiver asks us to wait: from 0 to 24 hours; None when it says nothing that can be read.

    value: the header as it came, seconds or a date. Up to a date they are rounded up, for nobody may come early; one
    that is past means 0. Source: RFC 9110 §10.2.3, contract §6.
    """
    text = value.strip()
    if re.fullmatch(r"[0-9]+", text):
        # Nine digits are far beyond the cap, and int() of a thousand digits would not be free.
        return _LONGEST_SECONDS if len(text) > 9 else min(int(text), _LONGEST_SECONDS)
    asked = _date(text)
    if asked is None:
        return None
    return ceil(min(max((asked - now).total_seconds(), 0), _LONGEST_SECONDS))


def _date(text: str) -> datetime | None:
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    # "-0000" and the old asctime form name no zone; HTTP's dates are always UTC.
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read
