"""One-time codes: making, keeping and comparing them, and how often one may be sent.

Source: contract F §3, "OTP". Only `code_hash` is ever stored; the code itself goes to the customer and nowhere else.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from datetime import datetime, timedelta
from typing import Final

from tandem.common.errors import Refusal, TooMany

VALID_FOR: Final = timedelta(minutes=10)
MAX_TRIES: Final = 5  # wrong tries per code; the fifth makes it void
RESEND_AFTER: Final = timedelta(seconds=60)
MAX_CODES_PER_DAY: Final = 5  # per visit
# Counted by itself too: a code of the evening may still be tried after midnight, beside five new ones.
MAX_GUESSES_PER_DAY: Final = MAX_CODES_PER_DAY * MAX_TRIES


class OtpTooSoon(TooMany):
    code = "otp_too_soon"
    message = "A code was sent a moment ago. Wait a little before you ask for another one."


class OtpDailyLimit(TooMany):
    code = "otp_daily_limit"
    message = f"{MAX_CODES_PER_DAY} codes were sent for this visit today, and that is the limit. Try again tomorrow."


class OtpInvalid(Refusal):
    """facts: `attempts_left`, how often this code may still be tried."""

    code = "otp_invalid"
    message = "This is not the code that the customer was sent."


class OtpExpired(Refusal):
    code = "otp_expired"
    message = "No code is valid for this visit now. Ask for a new one."


class OtpExhausted(TooMany):
    code = "otp_exhausted"
    message = "Too many wrong codes were tried, so the code is void. Ask for a new one."


def new_code(digits: int) -> str:
    """A random code of exactly so many digits, leading zeros included."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def code_hash(code: str, *, visit_id: int, key: bytes) -> str:
    """What is stored of a code: 64 hex digits that are of no use for another visit or without the key."""
    # A client may send any text as its guess, even one that UTF-8 has no bytes for.
    guess = f"{visit_id}:{code}".encode("utf-8", "surrogatepass")
    return hmac.new(key, guess, hashlib.sha256).hexdigest()


def is_right_code(code: str, *, visit_id: int, key: bytes, stored: str) -> bool:
    """Compare in a time that tells nothing. An empty `stored` (no code pending) fits no code."""
    return hmac.compare_digest(code_hash(code, visit_id=visit_id, key=key), stored)


def has_expired(expires_at: datetime | None, *, now: datetime) -> bool:
    """Whether a code is past its time; without a time there is no code, and that counts as expired."""
    return expires_at is None or now >= expires_at


def may_send(*, last_sent_at: datetime | None, sent_today: int, next_day_at: datetime, now: datetime) -> None:
    """Refuse another code that comes too soon or is one too many for this visit.

    last_sent_at: None when no code was ever sent. sent_today: codes on the site's present day, voided ones included.
    next_day_at: the site's next midnight.
    Raises OtpDailyLimit or OtpTooSoon; `retry_after` is when the next code may go, in whole seconds, rounded up.
    """
    if sent_today >= MAX_CODES_PER_DAY:
        raise OtpDailyLimit(retry_after=_seconds(next_day_at - now))
    if last_sent_at is not None and now < last_sent_at + RESEND_AFTER:
        raise OtpTooSoon(retry_after=_seconds(last_sent_at + RESEND_AFTER - now))


def may_guess(
    *,
    is_pending: bool,
    tries: int,
    guesses_today: int,
    sent_at: datetime | None,
    expires_at: datetime | None,
    next_day_at: datetime,
    now: datetime,
) -> None:
    """Refuse a guess that may not even be compared.

    is_pending: the visit waits for a code. tries: wrong ones of the latest code. guesses_today: wrong ones of all
    codes on the site's present day. sent_at: when the latest code was sent. next_day_at: the site's next midnight.
    Raises OtpExhausted (`retry_after`: when another code may be asked for) or OtpExpired.
    """
    if guesses_today >= MAX_GUESSES_PER_DAY:
        raise OtpExhausted(retry_after=_seconds(next_day_at - now))
    if is_pending and tries >= MAX_TRIES:
        raise OtpExhausted(retry_after=_seconds((sent_at or now) + RESEND_AFTER - now))
    if not is_pending or has_expired(expires_at, now=now):
        raise OtpExpired


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))
