"""What is deleted when it has outlived its use, and what is not."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.sessions.models import Session

from tandem.accounts.models import LoginFailures, RefreshSession, User
from tandem.common.models import IdempotentAnswer
from tandem.config import housekeeping
from tandem.sms.models import Message
from tandem.webhooks.models import Delivery
from tandem.webhooks.tests.hooks import hook

NOW = datetime(2025, 12, 18, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.django_db


def answer(key: str, created_at: datetime) -> None:
    IdempotentAnswer.objects.create(
        caller=0, method_and_path="POST /", key=key, body_hash="", created_at=created_at, lease_until=created_at
    )


def message(purpose: str, status: str, created_at: datetime) -> None:
    Message.objects.create(
        to="+910000000001",
        sealed_text=b"",
        purpose=purpose,
        status=status,
        created_at=created_at,
        next_attempt_at=created_at,
    )


def test_stored_answers_are_kept_for_a_day() -> None:
    answer("old", NOW - timedelta(hours=24) - SECOND)
    answer("young", NOW - timedelta(hours=24))
    housekeeping.clean_up(NOW)
    assert [row.key for row in IdempotentAnswer.objects.all()] == ["young"]


def test_refresh_sessions_go_when_they_expire() -> None:
    user = User.objects.create(username="alice")
    for jti, expires_at in [("expired", NOW - SECOND), ("good", NOW)]:
        RefreshSession.objects.create(jti=jti, family=uuid.uuid4(), user=user, expires_at=expires_at)
    housekeeping.clean_up(NOW)
    assert [row.jti for row in RefreshSession.objects.all()] == ["good"]


def test_counters_of_failed_logins_go_after_a_day() -> None:
    LoginFailures.objects.create(bucket="old", last_at=NOW - timedelta(days=1) - SECOND)
    LoginFailures.objects.create(bucket="young", last_at=NOW - timedelta(days=1))
    housekeeping.clean_up(NOW)
    assert [row.bucket for row in LoginFailures.objects.all()] == ["young"]


def test_pages_sessions_go_when_they_expire() -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=NOW - SECOND)
    Session.objects.create(session_key="good", session_data="", expire_date=NOW)
    housekeeping.clean_up(NOW)
    assert [row.session_key for row in Session.objects.all()] == ["good"]


def test_messages_go_a_month_after_unless_they_still_wait() -> None:
    long_ago = NOW - timedelta(days=30) - SECOND
    message("sent", "sent", long_ago)
    message("waiting", "pending", long_ago)
    message("young", "failed", NOW - timedelta(days=30))
    housekeeping.clean_up(NOW)
    assert sorted(row.purpose for row in Message.objects.all()) == ["waiting", "young"]


def test_many_rows_go_in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 3)
    for number in range(7):
        answer(str(number), NOW - timedelta(days=2))
    housekeeping.clean_up(NOW)
    assert not IdempotentAnswer.objects.exists()


def test_deliveries_are_kept_for_thirty_days_unless_they_are_still_to_be_sent() -> None:
    webhook = hook()
    old, young = NOW - timedelta(days=30) - SECOND, NOW - timedelta(days=30)
    for n, (status, at) in enumerate(
        [("delivered", old), ("failed", old), ("held", old), ("pending", old), ("delivered", young)]
    ):
        told = {"sequence": n, "type": "lead.updated", "record": "r", "body": "{}", "next_attempt_at": at}
        Delivery.objects.create(webhook=webhook, status=status, created_at=at, **told)
    housekeeping.clean_up(NOW)
    assert list(Delivery.objects.order_by("sequence").values_list("sequence", flat=True)) == [3, 4]
