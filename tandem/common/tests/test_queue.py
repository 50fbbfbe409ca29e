"""Claims, leases and pauses, shown with the table of text messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tandem.common import queue
from tandem.sms.models import Message

NOW = datetime(2025, 12, 18, 10, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)

pytestmark = pytest.mark.django_db


def waiting(*, due: datetime = NOW, **fields: object) -> Message:
    return Message.objects.create(
        to="+910000000001", sealed_text=b"x", purpose="test", created_at=NOW, next_attempt_at=due, **fields
    )


def claim(now: datetime = NOW, limit: int = 10) -> list[Message]:
    return queue.claim(Message.objects.all(), now=now, lease=LEASE, limit=limit)


def test_it_claims_those_first_that_waited_longest() -> None:
    later, earlier = waiting(due=NOW - timedelta(seconds=1)), waiting(due=NOW - timedelta(seconds=2))
    assert claim() == [earlier, later]


def test_a_claim_is_seen_by_everybody() -> None:
    row = waiting()
    (claimed,) = claim()
    row.refresh_from_db()
    assert (row.attempts, row.lease_until) == (1, NOW + LEASE) == (claimed.attempts, claimed.lease_until)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"due": NOW + timedelta(seconds=1)}, "not due yet"),
        ({"status": "sent"}, "done"),
        ({"lease_until": NOW + timedelta(seconds=1)}, "somebody else holds it"),
    ],
)
def test_it_leaves_alone_what_is_not_claimable(fields: dict, why: str) -> None:
    waiting(**fields)
    assert claim() == [], why


def test_nobody_claims_a_row_twice_within_its_lease() -> None:
    waiting()
    assert len(claim()) == 1
    assert claim(NOW + LEASE - timedelta(microseconds=1)) == []


def test_the_row_of_a_worker_that_died_is_taken_over_when_its_lease_ends() -> None:
    row = waiting()
    claim()
    (taken_over,) = claim(NOW + LEASE)
    assert (taken_over, taken_over.attempts) == (row, 2)


def test_a_claim_has_at_most_ten_rows() -> None:
    for _ in range(12):
        waiting()
    assert [len(claim()), len(claim()), len(claim())] == [10, 2, 0]


def test_an_idle_worker_asks_one_question_and_opens_no_transaction(django_assert_num_queries) -> None:
    waiting(due=NOW + timedelta(hours=1))
    with django_assert_num_queries(1):
        assert claim() == []


def test_a_result_ends_the_lease() -> None:
    waiting()
    (claimed,) = claim()
    assert queue.record(claimed, status="sent", sent_at=NOW)
    claimed.refresh_from_db()
    assert (claimed.status, claimed.lease_until, claimed.sent_at) == ("sent", None, NOW)


def test_who_lost_the_lease_records_nothing() -> None:
    waiting()
    (slow,) = claim()
    (quick,) = claim(NOW + LEASE)
    assert not queue.record(slow, status="failed")
    assert queue.record(quick, status="sent")
    assert not queue.record(slow, status="failed")
    slow.refresh_from_db()
    assert slow.status == "sent"


PAUSES = (timedelta(seconds=10), timedelta(minutes=10))


@pytest.mark.parametrize(
    ("attempts", "pause_seconds"),
    [(1, 10), (2, 600), (3, None)],
    ids=["after the first", "after the second", "the schedule is used up"],
)
def test_the_next_attempt_follows_the_schedule(attempts: int, pause_seconds: float | None) -> None:
    for key in range(50):
        planned = queue.next_attempt(PAUSES, after_attempts=attempts, key=key, now=NOW)
        if pause_seconds is None:
            assert planned is None
        else:
            assert 0.9 * pause_seconds <= (planned - NOW).total_seconds() <= 1.1 * pause_seconds


def test_rows_that_failed_together_do_not_come_back_together() -> None:
    planned = {queue.next_attempt(PAUSES, after_attempts=2, key=key, now=NOW) for key in range(100, 120)}
    assert len(planned) == 20


def test_the_oldest_due_row_tells_how_late_the_worker_is() -> None:
    assert queue.oldest_due(Message.objects.all(), now=NOW) is None
    waiting(due=NOW + timedelta(hours=1))
    waiting(due=NOW - timedelta(minutes=5))
    waiting(due=NOW - timedelta(minutes=7), status="failed")
    assert queue.oldest_due(Message.objects.all(), now=NOW) == NOW - timedelta(minutes=5)
    assert queue.waiting(Message.objects.all()) == 2
