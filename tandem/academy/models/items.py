"""Tasks and notes of clients, students and leads. Contract A §2 "Manage Client Tasks and Notes".

The contract shows them as arrays of their record; here each is a row, so that two people who edit different items at
the same time never lose each other's work.
"""

from __future__ import annotations

import uuid
from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from tandem.academy.models.attributes import Entity

NO_DAY = date(9999, 12, 31)


class Item(models.Model):
    """entity and record: whose it is. position: its place in the array; new ones go to the end."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entity = models.CharField(max_length=10, choices=Entity.choices)
    record = models.UUIDField()
    position = models.PositiveIntegerField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    date_created = models.DateTimeField()

    class Meta:
        default_permissions = ()
        abstract = True


class Task(Item):
    """due: the date, or a day behind all others: what lists of tasks are ordered by, where keys are never null."""

    task = models.TextField()
    date = models.DateField(null=True)
    completed = models.BooleanField(default=False)
    due = models.GeneratedField(
        expression=Coalesce("date", models.Value(NO_DAY)), output_field=models.DateField(), db_persist=True
    )

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["record", "position", "id"], name="tasks_of_record"),
            models.Index(fields=["user", "due", "id"], condition=Q(completed=False), name="open_tasks_of_person"),
            models.Index(fields=["record", "due", "id"], condition=Q(completed=False), name="open_tasks_of_record"),
        ]


class Note(Item):
    note = models.TextField()
    date = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["record", "position", "id"], name="notes_of_record")]
