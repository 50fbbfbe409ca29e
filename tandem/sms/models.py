"""The outbox of text messages."""

from __future__ import annotations

from django.db import models

from tandem.common.queue import Waiting


class Message(Waiting):
    """A text message to be sent: written in the transaction of its cause, sent by the worker, text wiped afterwards.

    sealed_text: encrypted with the installation's secret, for it may hold a one-time code; emptied when the message
    was sent, failed or expired. expires_at: from then on sending it would be of no use (an expired code).
    last_error: why the last attempt failed, in words that hold neither the number nor the text.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed"
        EXPIRED = "expired"

    to = models.CharField(max_length=16)
    sealed_text = models.BinaryField()
    purpose = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    last_error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], condition=models.Q(status="pending"), name="sms_waiting"),
        ]

    def __str__(self) -> str:
        return f"text message {self.pk}"
