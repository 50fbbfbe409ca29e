"""Jobs that people start and look after."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models

from tandem.common.queue import Waiting
from tandem.common.viewers import Viewer


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, viewer: Viewer) -> Any:
        return self.all() if viewer.role == "admin" else self.filter(by=viewer.pk)


class Job(Waiting):
    """kind: who knows how to do it (`runner.Kinds`). parameters: what that one needs to know.

    content: a file that it works on, in the database because a worker may be on another machine; emptied in the end.
    done, total: pieces, for people who wait. state: what a successor needs to go on (`runner.go_on`).
    result: what is told about it in the end.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=20)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    parameters = models.JSONField(default=dict)
    content = models.BinaryField()
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    state = models.JSONField(default=dict)
    result = models.JSONField(null=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["next_attempt_at", "id"], condition=models.Q(status="pending"), name="jobs_waiting"),
            models.Index(fields=["finished_at"], name="jobs_by_end"),
        ]
