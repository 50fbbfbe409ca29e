"""From the outbox to the backend: retries, expiry, lost leases, and what is kept of a message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from tandem.common import queue
from tandem.sms import sender
from tandem.sms.backends import NotSent
from tandem.sms.models import Message
from tandem.sms.outbox import queue_message

NOW = datetime(2025, 12, 18, 10, 0, tzinfo=UTC)
TO, TEXT = "+910000000001", "Your code is 123456."

pytestmark = pytest.mark.django_db


class Recorder:
    """A backend that keeps what it was given; `fail` may raise instead."""

    def __init__(self, fail: Callable[[], None] = lambda: None) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.fail = fail

    def send(self, *, to: str, text: str, key: str) -> None:
        self.fail()
        self.sent.append((to, text, key))


def raising(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def message(**changes: object) -> Message:
    return queue_message(**{"to": TO, "text": TEXT, "purpose": "otp", "now": NOW, **changes})


def send(backend: Recorder, *, now: datetime = NOW) -> int:
    return sender.send_group(backend, clock=lambda: now)


def kept(sent: Message) -> Message:
    return Message.objects.get(pk=sent.pk)


def test_a_message_is_sent_once_and_its_text_is_wiped() -> None:
    queued, backend = message(), Recorder()
    assert (send(backend), send(backend)) == (1, 0)
    assert backend.sent == [(TO, TEXT, f"sms-{queued.pk}")]
    row = kept(queued)
    assert (row.status, row.sent_at, bytes(row.sealed_text), row.attempts) == ("sent", NOW, b"", 1)


def test_the_text_waits_encrypted() -> None:
    sealed = bytes(kept(message()).sealed_text)
    assert b"123456" not in sealed
    assert sealed


def test_a_change_that_is_rolled_back_sends_nothing() -> None:
    backend = Recorder()
    with transaction.atomic():
        message()
        transaction.set_rollback(True)
    assert (send(backend), backend.sent) == (0, [])


def test_a_failure_that_may_pass_is_tried_again_later() -> None:
    queued, backend = message(), Recorder(raising(NotSent("the gateway answered 503")))
    send(backend)
    row = kept(queued)
    assert (row.status, row.last_error, row.lease_until) == ("pending", "the gateway answered 503", None)
    assert 2.7 <= (row.next_attempt_at - NOW).total_seconds() <= 3.3
    assert send(Recorder(), now=NOW + timedelta(seconds=2)) == 0
    works = Recorder()
    assert send(works, now=NOW + timedelta(seconds=4)) == 1
    assert [text for _, text, _ in works.sent] == [TEXT]
    assert kept(queued).status == "sent"


def test_a_permanent_failure_ends_it_and_wipes_the_text() -> None:
    queued = message()
    send(Recorder(raising(NotSent("the gateway answered 400", permanent=True))))
    row = kept(queued)
    assert (row.status, row.last_error, bytes(row.sealed_text)) == ("failed", "the gateway answered 400", b"")


def test_it_gives_up_when_the_schedule_is_used_up() -> None:
    queued, backend = message(), Recorder(raising(NotSent("the gateway answered 503")))
    now = NOW
    for _ in sender.SCHEDULE:
        send(backend, now=now)
        now = kept(queued).next_attempt_at
    assert kept(queued).status == "pending"
    send(backend, now=now)
    row = kept(queued)
    assert (row.status, bytes(row.sealed_text), row.attempts) == ("failed", b"", len(sender.SCHEDULE) + 1)


def test_the_pause_that_a_gateway_asks_for_is_kept() -> None:
    queued = message()
    send(Recorder(raising(NotSent("the gateway answered 429", retry_after_seconds=120))))
    assert kept(queued).next_attempt_at == NOW + timedelta(seconds=120)


def test_an_expired_message_is_not_sent_and_its_text_is_wiped() -> None:
    queued, backend = message(expires_at=NOW), Recorder()
    assert (send(backend), backend.sent) == (1, [])
    row = kept(queued)
    assert (row.status, bytes(row.sealed_text)) == ("expired", b"")


def test_a_failing_message_is_wiped_at_the_moment_it_expires() -> None:
    queued = message(expires_at=NOW + timedelta(seconds=2))
    backend = Recorder(raising(NotSent("the gateway answered 503")))
    send(backend)
    assert kept(queued).next_attempt_at == NOW + timedelta(seconds=2)
    send(backend, now=NOW + timedelta(seconds=2))
    assert (kept(queued).status, bytes(kept(queued).sealed_text)) == ("expired", b"")


def test_the_message_of_a_worker_that_died_is_sent_by_the_next() -> None:
    queued, backend = message(), Recorder()
    queue.claim(Message.objects.all(), now=NOW, lease=sender.LEASE)  # and then it was killed
    assert send(backend, now=NOW + sender.LEASE - timedelta(seconds=1)) == 0
    assert send(backend, now=NOW + sender.LEASE) == 1
    assert backend.sent == [(TO, TEXT, f"sms-{queued.pk}")]
    assert (kept(queued).status, kept(queued).attempts) == ("sent", 2)


def test_a_worker_that_was_overtaken_records_nothing() -> None:
    queued = message()
    (stale,) = queue.claim(Message.objects.all(), now=NOW, lease=sender.LEASE)
    # While it hangs in the gateway its lease ends, and another worker sends the message.
    assert send(Recorder(), now=NOW + sender.LEASE) == 1
    sender._record(stale, NotSent("the gateway answered 400", permanent=True), now=NOW + sender.LEASE)
    assert kept(queued).status == "sent"


def test_a_bug_in_a_backend_stops_nobody_else() -> None:
    first, second = message(), message(text="Another one.")
    calls = iter([ValueError(f"{TO} {TEXT}"), None])

    def fail_once() -> None:
        error = next(calls)
        if error:
            raise error

    send(Recorder(fail_once))
    rows = sorted([kept(first), kept(second)], key=lambda row: row.status)
    assert [row.status for row in rows] == ["pending", "sent"]
    assert rows[0].last_error == "the backend failed: ValueError"


def test_a_text_sealed_with_another_secret_fails_for_good() -> None:
    queued = message()
    Message.objects.update(sealed_text=b"gAAAAABnothing")
    send(Recorder())
    assert (kept(queued).status, kept(queued).last_error[:28]) == ("failed", "sealed with another secret k")


def test_a_group_is_sent_at_the_same_time() -> None:
    for _ in range(10):
        message()
    all_ten = threading.Barrier(10, timeout=10)  # breaks unless ten threads are in it together
    backend = Recorder(lambda: all_ten.wait() and None)
    assert send(backend) == 10
    assert Message.objects.filter(status="sent").count() == 10


@pytest.mark.parametrize(
    "outcome", [lambda: None, raising(NotSent("the gateway answered 503")), raising(ValueError(f"{TO} {TEXT}"))]
)
def test_neither_number_nor_text_reaches_the_log(caplog: pytest.LogCaptureFixture, outcome: Callable) -> None:
    message()
    with caplog.at_level(logging.DEBUG):
        send(Recorder(outcome))
    assert caplog.records
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert TO not in told
    assert "123456" not in told
