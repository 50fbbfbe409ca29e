"""Which deliveries are tried next. CONTRACT §6.

A claim is a lease, as everywhere (common/queue.py). What is particular to webhooks: of one receiver few are tried at a
time, fewer when it failed last; and of one record a later one is not tried before the first attempt of the earlier one
came to an end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.db.models import Count, DateTimeField, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from tandem.common import queue
from tandem.common.reading.statement import Param, Selection, adapted, selection
from tandem.webhooks.models import Delivery, DeliveryStatus, Webhook

AT_ONE_RECEIVER = 10  # attempts at a time, by all workers together: what a kill repeats at most
AT_A_FAILING_ONE = 1
TOGETHER = 40  # deliveries in one claim; those for one receiver cost hardly more than one does

# 15 s for the attempt, up to 20 s of waiting for SQLite's other writers, and room for a machine that is overloaded.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True)
class Ready:
    """A webhook with something due. busy: attempts at it that are being made now, by whatever worker."""

    pk: UUID
    is_failing: bool
    busy: int

    def room(self, at_one: int) -> int:
        return (AT_A_FAILING_ONE if self.is_failing else at_one) - self.busy


def claim(*, now: datetime, most: int, most_failing: int, at_one: int = AT_ONE_RECEIVER) -> list[Delivery]:
    """Claim due deliveries, with their webhooks; an empty list when there are none.

    most: how many. most_failing: how many of those for receivers that failed last. at_one: how many attempts at one
    receiver there may then be, by all workers together. One query when nothing is due; else four and one for each
    webhook.
    """
    chosen = _chosen(_ready(now), min(most, TOGETHER), most_failing, at_one)
    if not chosen:
        return []
    with transaction.atomic(durable=True):
        locked = _locked(chosen, now, at_one)
        portions = [(_next(webhook, now), room) for webhook, room in locked]
        claimed = queue.take(portions, now=now, lease=LEASE)
    webhooks = {webhook.pk: webhook for webhook, _ in locked}
    for delivery in claimed:
        delivery.webhook = webhooks[delivery.webhook_id]
    return claimed


def _ready(now: datetime) -> list[Ready]:
    """Webhooks with something due, those first at which the least is going on, then those that waited longest."""
    rows = _ready_statement().run({"now": adapted(now, DateTimeField())})
    return [Ready(pk, failing_since is not None, busy) for pk, failing_since, busy, _ in rows]


@cache
def _ready_statement() -> Selection:
    now: Any = Param("now", DateTimeField())
    of_webhook = Delivery.objects.filter(webhook=OuterRef("pk"), status=DeliveryStatus.PENDING).order_by()
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    waits = of_webhook.filter(free, next_attempt_at__lte=now).order_by("next_attempt_at").values("next_attempt_at")
    leased = of_webhook.filter(lease_until__gt=now).values("webhook").annotate(n=Count("pk")).values("n")
    busy = Coalesce(Subquery(leased, output_field=models.IntegerField()), 0)
    rows = Webhook.objects.active().annotate(busy=busy, due=Subquery(waits[:1])).filter(due__isnull=False)
    return selection(rows.order_by("busy", "due").values_list("pk", "failing_since", "busy", "due"))


def _chosen(ready: Sequence[Ready], most: int, most_failing: int, at_one: int) -> dict[UUID, int]:
    """Webhook → how many of its deliveries to claim; in the given order, one for each before two for any."""
    chosen: dict[UUID, int] = {}
    for _ in range(at_one):
        for one in ready:
            taken = chosen.get(one.pk, 0)
            if taken < one.room(at_one) and most > 0 and (most_failing > 0 or not one.is_failing):
                chosen[one.pk] = taken + 1
                most -= 1
                most_failing -= one.is_failing
    return chosen


def _locked(chosen: Mapping[UUID, int], now: datetime, at_one: int) -> list[tuple[Webhook, int]]:
    """The chosen webhooks, their rows locked, with the room that is left now. Two queries.

    Two workers never fill the same room: whoever finds a webhook locked leaves it to the other.
    """
    rows = Webhook.objects.active().select_for_update(skip_locked=True, of=("self",), no_key=True).filter(pk__in=chosen)
    webhooks = {webhook.pk: webhook for webhook in rows.order_by("pk")}
    leased = Delivery.objects.filter(webhook__in=webhooks, status=DeliveryStatus.PENDING, lease_until__gt=now)
    busy = dict(leased.order_by().values_list("webhook").annotate(n=Count("pk")))
    found = []
    for pk, wanted in chosen.items():
        if pk in webhooks:
            left = Ready(pk, webhooks[pk].failing_since is not None, busy.get(pk, 0)).room(at_one)
            found.append((webhooks[pk], min(wanted, left)))
    return [(webhook, room) for webhook, room in found if room > 0]


def _next(webhook: Webhook, now: datetime) -> models.QuerySet[Delivery]:
    return Delivery.objects.filter(webhook=webhook).in_order().order_by(F("next_attempt_at"), F("sequence"))
