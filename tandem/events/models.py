"""The events table: audit trail and webhook source at once."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Event(models.Model):
    """One business fact, written in the transaction of the change that it tells of.

    type: `<subject>.<past participle>`, e.g. `visit.booked`. actor: None when the product itself acted.
    before / after: the changed fields only, in the shapes of the API. facts: what else belongs to it (a reason).
    """

    type = models.CharField(max_length=60)
    at = models.DateTimeField()
    subject_type = models.CharField(max_length=30)
    subject_id = models.CharField(max_length=40)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False)
    request_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["subject_type", "subject_id", "id"], name="events_of_a_record")]

    def __str__(self) -> str:
        return f"event {self.pk}: {self.type}"
