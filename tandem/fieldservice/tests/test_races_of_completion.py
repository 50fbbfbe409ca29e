"""What holds when 64 processes do it at once. Contract F §5, §7; CONTRACT §3 "OTP"."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.racing import race

pytestmark = pytest.mark.processes

HERE = "tandem.fieldservice.tests.races"
TIMES = 64
FIVE_TRIES = [[400, "otp_invalid", left, 1] for left in range(5)] + [[429, "otp_exhausted", None, TIMES - 5]]


@pytest.mark.parametrize("scenario", ["wrong_guesses", "wrong_guesses_with_keys"])
def test_guesses_that_arrive_together_are_counted_one_by_one(scenario: str, tmp_path: Path) -> None:
    outcome = race(f"{HERE}:{scenario}", tmp_path, times=TIMES)
    assert outcome == {"answers": FIVE_TRIES, "counted": [5, 5, "awaiting_otp"]}


def test_a_right_code_that_arrives_often_completes_once(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:right_codes", tmp_path, times=TIMES)
    assert outcome == {
        "answers": [[200, "", None, 1], [409, "already_completed", None, TIMES - 1]],
        "entries": 1,
        "events": 1,
    }


def test_of_codes_that_are_asked_for_together_one_is_sent(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:requested_codes", tmp_path, times=TIMES)
    assert outcome == {"answers": [[200, "", 1], [429, "otp_too_soon", TIMES - 1]], "messages": 1, "counted": 1}


def test_of_ratings_that_arrive_together_one_counts(tmp_path: Path) -> None:
    outcome = race(f"{HERE}:ratings", tmp_path, times=TIMES)
    assert outcome == {"answers": [[201, "", 1], [409, "already_rated", TIMES - 1]], "feedback": 1, "events": 1}
