"""What becomes of deliveries: results of attempts, and sending again. CONTRACT §6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from tandem.accounts.models import User
from tandem.common import queue
from tandem.common.errors import NotFound
from tandem.common.writing import update_each
from tandem.events.record import record
from tandem.webhooks.actions.readers import check_reader
from tandem.webhooks.actions.switching import FAILED_TOO_LONG, GONE, switch_off
from tandem.webhooks.actions.webhooks import locked_webhook
from tandem.webhooks.letters import Outcome
from tandem.webhooks.models import Delivery, DeliveryQuerySet, DeliveryStatus, Webhook
from tandem.webhooks.rules import retries

Landed = tuple[Delivery, Outcome]

_SETTLED = (DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


def record_outcomes(landed: Sequence[Landed], *, now: datetime) -> list[str]:
    """Record what came of claimed deliveries; gives delivered, postponed, failed, held or lease_lost for each.

    One query, two for those in a row that succeeded, one for each that failed, and more where a receiver begins or
    ceases to fail.
    """
    with transaction.atomic(durable=True):
        # Webhooks before deliveries, as whoever switches one off.
        rows = Webhook.objects.select_for_update(of=("self",), no_key=True).order_by("pk")
        webhooks = {webhook.pk: webhook for webhook in rows.filter(pk__in={one.webhook_id for one, _ in landed})}
        results: list[str] = []
        for succeeded, some in groupby(landed, key=lambda one: one[1].is_success):
            results += (_record_successes if succeeded else _record_failures)(webhooks, list(some), now=now)
    return results


def redeliver(webhook: Webhook, pk: Any, *, by: User, now: datetime) -> Delivery:
    """Send a delivery again, with the same id and body and a schedule of its own. Four queries.

    One that waits is due now. For a webhook that is switched off it is held. Raises Forbidden, NotFound.
    """
    with transaction.atomic():
        locked = locked_webhook(webhook.pk)
        check_reader(locked, by=by)
        delivery = Delivery.objects.select_for_update(of=("self",), no_key=True).filter(webhook=locked, pk=pk).first()
        if delivery is None:
            raise NotFound
        _again(locked, Delivery.objects.filter(pk=delivery.pk), now=now)
        record("webhook.redelivered", subject=locked, actor=by, at=now, delivery=delivery.pk)
    return delivery


def redeliver_all(
    webhook: Webhook, *, start: datetime, end: datetime, status: str | None, by: User, now: datetime
) -> int:
    """Send again what was settled of the deliveries made from start up to, not at, end; gives how many. Three queries.

    status: only those that were delivered, or that failed; None: both. Raises Forbidden, NotFound.
    """
    with transaction.atomic():
        locked = locked_webhook(webhook.pk)
        check_reader(locked, by=by)
        rows = Delivery.objects.filter(webhook=locked, is_test=False, created_at__gte=start, created_at__lt=end)
        count = _again(locked, rows.filter(status__in=[status] if status else _SETTLED), now=now)
        record(
            "webhook.redelivered_all",
            subject=locked,
            actor=by,
            at=now,
            since=start,
            until=end,
            status=status,
            count=count,
        )
    return count


def _again(locked: Webhook, rows: DeliveryQuerySet, *, now: datetime) -> int:
    status = DeliveryStatus.PENDING if locked.tells else DeliveryStatus.HELD
    # What is being tried right now keeps its lease, so that its result is recorded.
    free = Q(lease_until=None) | Q(lease_until__lte=now) | ~Q(status=DeliveryStatus.PENDING)
    return rows.filter(free).begin_anew(status, now=now)


def _record_successes(webhooks: Mapping[UUID, Webhook], some: Sequence[Landed], *, now: datetime) -> list[str]:
    held = queue.held([delivery for delivery, _ in some])
    kept = [one for one, is_held in zip(some, held, strict=True) if is_held]
    values = {
        delivery.pk: (DeliveryStatus.DELIVERED, True, [*delivery.tried, outcome.told()], None)
        for delivery, outcome in kept
    }
    update_each(Delivery, values, "status", "answered", "tried", "lease_until")
    for delivery, outcome in kept:
        _remember(webhooks[delivery.webhook_id], outcome, now=now)
    return ["delivered" if is_held else "lease_lost" for is_held in held]


def _record_failures(webhooks: Mapping[UUID, Webhook], some: Sequence[Landed], *, now: datetime) -> list[str]:
    return [_record_failure(webhooks[delivery.webhook_id], delivery, outcome, now=now) for delivery, outcome in some]


def _record_failure(webhook: Webhook, delivery: Delivery, outcome: Outcome, *, now: datetime) -> str:
    changes, result = _failed(webhook, delivery, outcome, now=now)
    if not queue.record(delivery, answered=True, tried=[*delivery.tried, outcome.told()], **changes):
        return "lease_lost"
    _remember(webhook, outcome, now=now)
    return result


def _failed(webhook: Webhook, delivery: Delivery, outcome: Outcome, *, now: datetime) -> tuple[dict[str, Any], str]:
    failures = delivery.failures + 1
    planned = queue.next_attempt(retries.SCHEDULE, after_attempts=failures, key=delivery.pk.int, now=now)
    # 410 means the receiver asked us to stop, so no retry.
    if planned is None or outcome.status_code == retries.GONE:
        return {"status": DeliveryStatus.FAILED, "failures": failures}, "failed"
    at = retries.asked_to_wait(planned, outcome.retry_after, now=now)
    status = DeliveryStatus.PENDING if webhook.tells else DeliveryStatus.HELD
    return {"status": status, "failures": failures, "next_attempt_at": at}, "postponed" if webhook.tells else "held"


def _remember(webhook: Webhook, outcome: Outcome, *, now: datetime) -> None:
    """Keep since when a receiver fails, and switch it off when it asks for that or failed for too long."""
    since = None if outcome.is_success else webhook.failing_since or outcome.at
    if since != webhook.failing_since:
        webhook.failing_since = since
        webhook.save(update_fields=["failing_since"])
    if not webhook.tells or outcome.is_success:
        return
    if outcome.status_code == retries.GONE:
        switch_off(webhook, GONE, now=now)
    elif retries.has_failed_for_too_long(since, now=now):
        switch_off(webhook, FAILED_TOO_LONG, now=now)
