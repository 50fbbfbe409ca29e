"""From notices to deliveries, by the worker. CONTRACT §6.

A notice and what becomes of it change hands in one transaction, so a worker that dies in the middle leaves the notice
as it was: no lease is needed, and nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from tandem.common import moments
from tandem.webhooks import registry
from tandem.webhooks.models import Delivery, DeliveryStatus, Notice, Webhook
from tandem.webhooks.rules.conditions import Condition, fires, verdicts

AT_ONCE = 100  # notices in one transaction


def fan_out(*, now: datetime) -> int:
    """Make deliveries of the oldest notices; the answer is how many notices were used up, 0 when there is none.

    One query when there is none, else five: however many notices there are, and however many webhooks.
    """
    if not Notice.objects.exists():
        return 0
    with transaction.atomic(durable=True):
        # Without SKIP LOCKED: of two workers one waits for the other, for whoever passed over a notice would bring
        # a later change of the same record into the world before it.
        notices = list(Notice.objects.select_for_update(no_key=True).order_by("sequence")[:AT_ONCE])
        webhooks = _webhooks(notices)
        Delivery.objects.bulk_create(_deliveries(notices, webhooks, now=now), ignore_conflicts=True)
        Notice.objects.filter(pk__in=[notice.pk for notice in notices]).delete()
    return len(notices)


def body_of(notice: Notice, delivery: UUID) -> str:
    """The JSON text that receivers get, the same in every attempt."""
    return orjson.dumps(
        {
            "id": str(delivery),
            "type": notice.type,
            "timestamp": moments.iso(notice.at),
            "sequence": notice.sequence,
            "model": notice.model,
            "data": orjson.Fragment(notice.data),
            "previous": notice.previous,
        }
    ).decode()


def _webhooks(notices: Iterable[Notice]) -> dict[str, Webhook]:
    """The webhooks that the notices name, by id. Shared locks keep them from being switched off in between."""
    ids = {pk for notice in notices for pk in notice.webhooks}
    # The lock is the one that the switch takes too: then what is made here is seen there, and held.
    found = Webhook.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids).order_by("pk")
    return {str(webhook.pk): webhook for webhook in found}


def _deliveries(notices: Iterable[Notice], webhooks: dict[str, Webhook], *, now: datetime) -> Sequence[Delivery]:
    made = []
    for notice in notices:
        record = orjson.loads(notice.data)
        for pk in notice.webhooks:
            if pk in webhooks and _is_told(webhooks[pk], notice.model, record):
                made.append(_delivery(webhooks[pk], notice, now=now))
    return made


def _is_told(webhook: Webhook, model: str, record: dict[str, Any]) -> bool:
    if webhook.model != model:  # changed since
        return False
    rows = [Condition(**row) for row in webhook.conditions]
    fields = registry.by_model(model).fields
    return fires(verdicts(rows, record, fields=fields, zone=moments.site_zone()), webhook.condition_logic)


def _delivery(webhook: Webhook, notice: Notice, *, now: datetime) -> Delivery:
    delivery = Delivery(
        webhook=webhook,
        sequence=notice.sequence,
        type=notice.type,
        record=notice.record,
        status=DeliveryStatus.PENDING if webhook.tells else DeliveryStatus.HELD,
        next_attempt_at=now,
        created_at=now,
    )
    delivery.body = body_of(notice, delivery.pk)
    return delivery
