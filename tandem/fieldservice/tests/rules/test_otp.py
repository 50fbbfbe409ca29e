"""One-time codes. Contract F §3, "OTP"."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tandem.fieldservice.rules import otp

KEY = b"k" * 32
NOW = datetime(2025, 12, 18, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2025, 12, 18, 18, 30, tzinfo=UTC)  # of Kolkata


def test_the_contract_s_figures() -> None:
    assert timedelta(minutes=10) == otp.VALID_FOR
    assert timedelta(seconds=60) == otp.RESEND_AFTER
    assert (otp.MAX_TRIES, otp.MAX_CODES_PER_DAY, otp.MAX_GUESSES_PER_DAY) == (5, 5, 25)


@pytest.mark.parametrize("digits", [4, 6, 8])
def test_a_code_has_its_digits_and_is_drawn_from_all_codes(digits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = []

    def draw(bound: int) -> int:
        bounds.append(bound)
        return 7

    monkeypatch.setattr(otp.secrets, "randbelow", draw)
    assert otp.new_code(digits) == "7".rjust(digits, "0")
    assert bounds == [10**digits]


def test_codes_differ() -> None:
    assert len({otp.new_code(8) for _ in range(50)}) > 45


def test_what_is_stored_is_keyed_and_bound_to_the_visit() -> None:
    stored = otp.code_hash("0427", visit_id=501, key=KEY)
    assert stored == hmac.new(KEY, b"501:0427", hashlib.sha256).hexdigest()
    assert len(stored) == 64


@pytest.mark.parametrize(
    ("code", "visit_id", "key", "fits", "because"),
    [
        ("0427", 501, KEY, True, "the code itself"),
        ("427", 501, KEY, False, "a leading zero counts"),
        ("0428", 501, KEY, False, "another code"),
        ("0427", 502, KEY, False, "the code of one visit is of no use for another"),
        ("0427", 501, b"x" * 32, False, "nor with another key"),
        ("", 501, KEY, False, "nothing"),
        ("٠٤٢٧", 501, KEY, False, "digits of another script"),
        ("\ud800", 501, KEY, False, "half a character is a wrong guess, not a crash"),
    ],
)
def test_which_guess_fits(code: str, visit_id: int, key: bytes, fits: bool, because: str) -> None:
    stored = otp.code_hash("0427", visit_id=501, key=KEY)
    assert otp.is_right_code(code, visit_id=visit_id, key=key, stored=stored) is fits, because


def test_without_a_pending_code_nothing_fits() -> None:
    assert not otp.is_right_code("", visit_id=501, key=KEY, stored="")
    assert not otp.is_right_code("0427", visit_id=501, key=KEY, stored="")


def test_codes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(ours: str, theirs: str) -> bool:
        compared.append((ours, theirs))
        return True

    monkeypatch.setattr(otp.hmac, "compare_digest", compare)
    assert otp.is_right_code("0427", visit_id=501, key=KEY, stored="stored")
    assert compared == [(otp.code_hash("0427", visit_id=501, key=KEY), "stored")]


@pytest.mark.parametrize(
    ("expires_at", "expired", "because"),
    [
        (NOW + timedelta(microseconds=1), False, "still good"),
        (NOW, True, "its last moment is over"),
        (NOW - timedelta(days=1), True, "yesterday's"),
        (None, True, "there is none"),
    ],
)
def test_when_a_code_has_expired(expires_at: datetime | None, expired: bool, because: str) -> None:
    assert otp.has_expired(expires_at, now=NOW) is expired, because


@pytest.mark.parametrize(
    ("seconds_ago", "sent_today", "because"),
    [
        (None, 0, "the first one"),
        (60, 1, "after a minute exactly"),
        (61, 4, "the fifth of the day"),
        (3600, 0, "yesterday's do not count"),
    ],
)
def test_a_code_may_be_sent(seconds_ago: int | None, sent_today: int, because: str) -> None:
    last = None if seconds_ago is None else NOW - timedelta(seconds=seconds_ago)
    assert otp.may_send(last_sent_at=last, sent_today=sent_today, next_day_at=MIDNIGHT, now=NOW) is None, because


@pytest.mark.parametrize(
    ("ago", "sent_today", "refusal", "retry_after", "because"),
    [
        (timedelta(seconds=0), 1, otp.OtpTooSoon, 60, "just now"),
        (timedelta(seconds=59), 1, otp.OtpTooSoon, 1, "one second short"),
        (timedelta(seconds=59, microseconds=999_999), 1, otp.OtpTooSoon, 1, "never a wait of zero"),
        (timedelta(seconds=30, microseconds=1), 1, otp.OtpTooSoon, 30, "rounded up"),
        (timedelta(seconds=5), 0, otp.OtpTooSoon, 55, "also over midnight, when the counter began anew"),
        (timedelta(hours=1), 5, otp.OtpDailyLimit, 23_400, "till the site's midnight, six and a half hours"),
        (timedelta(seconds=5), 5, otp.OtpDailyLimit, 23_400, "the longer wait of the two"),
    ],
)
def test_a_code_too_soon_or_too_many_is_refused_with_the_time_to_wait(
    ago: timedelta, sent_today: int, refusal: type[otp.TooMany], retry_after: int, because: str
) -> None:
    with pytest.raises(refusal) as refused:
        otp.may_send(last_sent_at=NOW - ago, sent_today=sent_today, next_day_at=MIDNIGHT, now=NOW)
    assert (refused.value.status, refused.value.retry_after) == (429, retry_after), because


def guess(**changed: Any) -> None:
    sent_at = NOW - timedelta(seconds=20)
    usual = {
        "is_pending": True,
        "tries": 4,
        "guesses_today": 24,
        "sent_at": sent_at,
        "expires_at": sent_at + otp.VALID_FOR,
    }
    otp.may_guess(**{**usual, **changed}, next_day_at=MIDNIGHT, now=NOW)


def test_a_fifth_try_and_a_twenty_fifth_guess_are_still_compared() -> None:
    assert guess() is None


@pytest.mark.parametrize(
    ("changed", "refusal", "status", "retry_after", "because"),
    [
        ({"tries": 5}, otp.OtpExhausted, 429, 40, "the fifth wrong try made it void; another code may go in 40 s"),
        ({"tries": 5, "sent_at": None}, otp.OtpExhausted, 429, 60, "as if it were sent just now"),
        ({"tries": 5, "sent_at": NOW - timedelta(hours=1)}, otp.OtpExhausted, 429, 1, "another one may go at once"),
        ({"guesses_today": 25}, otp.OtpExhausted, 429, 23_400, "enough for today, whichever code it is"),
        ({"guesses_today": 25, "is_pending": False}, otp.OtpExhausted, 429, 23_400, "also without a code"),
        ({"expires_at": NOW}, otp.OtpExpired, 400, None, "its ten minutes are over"),
        ({"expires_at": None}, otp.OtpExpired, 400, None, "no code"),
        ({"is_pending": False}, otp.OtpExpired, 400, None, "the visit does not wait for one"),
        ({"is_pending": False, "tries": 5}, otp.OtpExpired, 400, None, "tries of a code that was voided otherwise"),
    ],
)
def test_a_guess_that_is_not_even_compared(
    changed: dict[str, Any], refusal: type[otp.Refusal], status: int, retry_after: int | None, because: str
) -> None:
    with pytest.raises(refusal) as refused:
        guess(**changed)
    assert (refused.value.status, refused.value.retry_after) == (status, retry_after), because
