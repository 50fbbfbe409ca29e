"""Switching webhooks off and on: what waits is held, and goes out later. CONTRACT §6.

Locks are taken in this order: webhooks by id, then deliveries.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from tandem.accounts.models import Role, User
from tandem.events.record import record
from tandem.sms.outbox import queue_message
from tandem.webhooks.models import Delivery, DeliveryStatus, Webhook

GONE = "The receiver answered 410: it wants to be told nothing any more."
FAILED_TOO_LONG = "No delivery succeeded for five days."


def hold_waiting(locked: Webhook, *, now: datetime) -> None:
    """Hold what waits for a locked webhook, but not what is being sent right now. One query."""
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    waiting = Delivery.objects.filter(free, webhook=locked, status=DeliveryStatus.PENDING)
    waiting.update(status=DeliveryStatus.HELD, lease_until=None)


def release_held(locked: Webhook, *, now: datetime) -> None:
    """Let what is held for a locked webhook go out now, in order and with a schedule of its own. One query."""
    held = Delivery.objects.filter(webhook=locked, status=DeliveryStatus.HELD)
    held.begin_anew(DeliveryStatus.PENDING, now=now)


def resume(locked: Webhook, *, now: datetime) -> None:
    """Let a locked webhook that tells again start without its past failures; what was held goes out. Two queries."""
    locked.disabled_at, locked.disabled_reason, locked.failing_since = None, "", None
    locked.save(update_fields=["disabled_at", "disabled_reason", "failing_since"])
    release_held(locked, now=now)


def switch_off(locked: Webhook, reason: str, *, now: datetime) -> None:
    """Switch a locked webhook off because its receiver does not answer, and tell the admins. Four queries and one each.

    They are told by text message, the one way to people that the product has, and in the webhook's history; reason
    stays on the webhook until somebody switches it on again.
    """
    locked.is_active, locked.disabled_at, locked.disabled_reason, locked.updated_at = False, now, reason, now
    locked.save(update_fields=["is_active", "disabled_at", "disabled_reason", "updated_at"])
    hold_waiting(locked, now=now)
    record(
        "webhook.switched_off",
        subject=locked,
        at=now,
        before={"is_active": True},
        after={"is_active": False},
        reason=reason,
    )
    text = f'Tandem switched off the webhook "{locked.name[:60]}". {reason} What waits is kept until it is on again.'
    for phone in (
        User.objects.filter(role=Role.ADMIN, is_active=True).exclude(phone=None).values_list("phone", flat=True)
    ):
        queue_message(to=str(phone), text=text, purpose="webhook", now=now)
