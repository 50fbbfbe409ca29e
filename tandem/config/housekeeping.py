"""Removes rows that are of no use any more, a few at a time, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import models

from tandem.accounts.models import LoginFailures, RefreshSession
from tandem.common.models import IdempotentAnswer
from tandem.jobs.models import Job
from tandem.sms.models import Message
from tandem.webhooks.models import Delivery, DeliveryStatus

BATCH = 500  # rows of one transaction: some milliseconds on SQLite, where nobody else writes meanwhile

# A message that is done with holds no text any more; number and outcome stay a while, to answer "I got no code".
MESSAGES_KEPT = timedelta(days=30)
ANSWERS_KEPT = timedelta(hours=24)  # contract §2, Idempotency-Key
JOBS_KEPT = timedelta(days=30)
DELIVERIES_KEPT = timedelta(days=30)  # CONTRACT §6; also what is held for a webhook that nobody switches on again
FAILURES_KEPT = timedelta(days=1)  # far longer than any window in which failed logins are counted


def clean_up(now: datetime) -> None:
    for rows in _outlived(now):
        while _delete_batch(rows):
            pass


def _outlived(now: datetime) -> Iterable[models.QuerySet[Any]]:
    yield IdempotentAnswer.objects.filter(created_at__lt=now - ANSWERS_KEPT)
    yield RefreshSession.objects.filter(expires_at__lt=now)
    yield LoginFailures.objects.filter(last_at__lt=now - FAILURES_KEPT)
    yield Session.objects.filter(expire_date__lt=now)
    yield Message.objects.filter(created_at__lt=now - MESSAGES_KEPT).exclude(status=Message.Status.PENDING)
    yield Job.objects.filter(finished_at__lt=now - JOBS_KEPT)
    yield Delivery.objects.filter(created_at__lt=now - DELIVERIES_KEPT).exclude(status=DeliveryStatus.PENDING)


def _delete_batch(rows: models.QuerySet[Any]) -> bool:
    """Delete up to BATCH of the rows; say whether there may be more."""
    keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
    if keys:
        rows.model._default_manager.filter(pk__in=keys).delete()
    return len(keys) == BATCH
