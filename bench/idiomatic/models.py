"""Tandem's tasks and notes with the foreign key to their lead that such a project would give them."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from tandem.academy.models import Entity, Lead


class Item(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    entity = models.CharField(max_length=10, default=Entity.LEAD)
    position = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    date_created = models.DateTimeField()

    class Meta:
        abstract = True


class LeadTask(Item):
    lead = models.ForeignKey(Lead, models.CASCADE, db_column="record", related_name="tasks")
    task = models.TextField()
    date = models.DateField(null=True)
    completed = models.BooleanField(default=False)

    class Meta:
        managed = False
        db_table = "academy_task"
        ordering = ["position", "id"]


class LeadNote(Item):
    lead = models.ForeignKey(Lead, models.CASCADE, db_column="record", related_name="notes")
    note = models.TextField()
    date = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "academy_note"
        ordering = ["position", "id"]
