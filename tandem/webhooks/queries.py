"""Who is told and how much waits, for whatever watches an installation."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Min

from tandem.common import queue
from tandem.webhooks.models import Delivery, Notice, Webhook


def oldest_due(*, now: datetime) -> datetime | None:
    """Since when the oldest notice, or delivery to a receiver that does not fail, could have been worked on.

    None when nothing is due. What a failing receiver makes wait is its own affair. Two queries.
    """
    well = Webhook.objects.active().filter(failing_since=None)
    found = [
        Notice.objects.aggregate(oldest=Min("at"))["oldest"],
        queue.oldest_due(Delivery.objects.filter(webhook__in=well), now=now),
    ]
    return min((one for one in found if one is not None), default=None)


def waiting(*, now: datetime) -> dict[str, tuple[str, float]]:
    """Figure → what it means, its value. Five queries."""
    oldest, oldest_of_all = oldest_due(now=now), queue.oldest_due(Delivery.objects.all(), now=now)
    return {
        "notices_waiting": ("Changes of which no deliveries are made yet.", Notice.objects.count()),
        "waiting": ("Deliveries that are not done yet.", queue.waiting(Delivery.objects.all())),
        "oldest_due_seconds": ("For how long the oldest due delivery has been due.", _age(oldest_of_all, now)),
        "oldest_due_well_seconds": (
            "The same, of receivers that do not fail, and of changes of which no deliveries are made yet.",
            _age(oldest, now),
        ),
    }


def switched_off() -> list[str]:
    """The names of webhooks that Tandem itself switched off. One query."""
    return list(Webhook.objects.live().exclude(disabled_at=None).order_by("disabled_at").values_list("name", flat=True))


def is_anybody_told() -> bool:
    """One query."""
    return Webhook.objects.active().exists()


def _age(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
