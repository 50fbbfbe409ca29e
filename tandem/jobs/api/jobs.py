"""How far a job is, for whoever started it."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Value, When
from django.http import HttpResponse

from tandem.common.endpoint import SIGNED_IN, Endpoint, Request, operation
from tandem.common.reading.answer import Answer, Choice, Json, Moment, Text, Uuid, Whole
from tandem.jobs.models import Job

_NOW = Case(When(status=Job.Status.PENDING, lease_until__isnull=False, then=Value("running")), default=F("status"))

JOB = Answer(
    "Job",
    Job,
    [
        Uuid("id"),
        Text("kind", example="import"),
        Choice("status", source=_NOW, options=["pending", "running", "done", "failed"]),
        Whole("total", example=10_000),
        Whole("done", example=4_200),
        Json("result", shape={"type": "object", "additionalProperties": True}, null=True),
        Moment("created_at"),
        Moment("finished_at", null=True),
    ],
    doc="Work in the background. `done` of `total` pieces are checked; `result` comes in the end.",
)


class JobDetail(Endpoint):
    shows, rows = JOB, Job.objects.visible_to

    @operation(SIGNED_IN, gives=JOB)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A job: how far it is, and what came of it. Seen by whoever started it, and by admins."""
        return self.detail(request, pk)
