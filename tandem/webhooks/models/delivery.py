"""What is to be told: notices of changes, and of each notice one delivery for each webhook that it concerns."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from tandem.common.queue import Waiting
from tandem.webhooks.models.webhook import Webhook


class Notice(models.Model):
    """A change that some webhook may have to be told of: written in the transaction of the change, gone when the
    worker has made deliveries of it.

    sequence: the id of the event; those of one record increase in the order of its changes. kind: of created, updated,
    deleted, restored. data: the record as JSON text, as the API showed it in that transaction. previous: the changed
    fields. webhooks: ids of those that were active then and listen to this kind.
    """

    sequence = models.BigIntegerField(primary_key=True)
    model = models.CharField(max_length=20)
    type = models.CharField(max_length=60)
    kind = models.CharField(max_length=10)
    record = models.CharField(max_length=40)
    at = models.DateTimeField()
    data = models.TextField()
    previous = models.JSONField(default=dict)
    webhooks = models.JSONField(default=list)

    class Meta:
        default_permissions = ()


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    HELD = "held"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def unanswered(self) -> DeliveryQuerySet:
        """Those whose first attempt has not come to an end."""
        return self.filter(status=DeliveryStatus.PENDING, answered=False)

    def in_order(self) -> DeliveryQuerySet:
        """Those before which nothing of the same record has to be tried first at the same webhook."""
        earlier = Delivery.objects.unanswered().filter(
            webhook=OuterRef("webhook"), record=OuterRef("record"), sequence__lt=OuterRef("sequence")
        )
        return self.filter(~Exists(earlier))

    def begin_anew(self, status: str, *, now: datetime) -> int:
        """Let them wait from now on as if they had never been tried, so in order too; gives how many. One query.

        A test stays out of the order: it says nothing of how its record has changed.
        """
        return self.update(status=status, next_attempt_at=now, failures=0, answered=F("is_test"), lease_until=None)


class Delivery(Waiting):
    """One message to one webhook; its id is the `webhook-id` of every attempt.

    sequence: that of the notice; 0 for a test. body: JSON text, the same in all attempts. answered: the first attempt
    since it began to wait came to an end, whatever it was. failures: attempts that failed since then, which the
    schedule counts. tried: what came of each attempt: {at, status_code, error, duration_ms, answer}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, models.PROTECT, related_name="deliveries", db_index=False)
    sequence = models.BigIntegerField()
    is_test = models.BooleanField(default=False)
    type = models.CharField(max_length=60)
    record = models.CharField(max_length=40)
    body = models.TextField()
    status = models.CharField(max_length=10, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    answered = models.BooleanField(default=False)
    failures = models.PositiveSmallIntegerField(default=0)
    tried = models.JSONField(default=list)
    created_at = models.DateTimeField()

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "sequence"], condition=Q(is_test=False), name="one_delivery_per_webhook_and_notice"
            ),
        ]
        indexes = [
            models.Index(fields=["webhook", "-created_at", "-id"], name="deliveries_newest_first"),
            models.Index(
                fields=["webhook", "next_attempt_at", "sequence"], condition=Q(status="pending"), name="deliveries_due"
            ),
            models.Index(
                fields=["webhook", "lease_until"],
                condition=Q(status="pending", lease_until__isnull=False),
                name="deliveries_being_tried",
            ),
            models.Index(
                fields=["webhook", "record", "sequence"],
                condition=Q(status="pending", answered=False),
                name="deliveries_not_tried_yet",
            ),
            models.Index(fields=["created_at"], name="deliveries_by_age"),
        ]

    def tell(self) -> dict[str, Any]:
        """For log lines."""
        return {"webhook": str(self.webhook_id), "delivery": str(self.pk), "type": self.type}

    def __str__(self) -> str:
        return f"delivery {self.pk}"
