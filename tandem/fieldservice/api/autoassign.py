"""Contract F §9: giving the waiting visits of a day to workers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import ADMIN, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.errors import Invalid
from tandem.common.inputs import DayField, Defaulting
from tandem.common.rendering import json_answer
from tandem.fieldservice.actions.autoassign import plan_day


class RunIn(Defaulting):
    defaults = ("dry_run",)

    date = DayField(required=False, allow_null=True)
    region = serializers.CharField(required=False, allow_null=True, max_length=50)
    dry_run = serializers.BooleanField(required=False, allow_null=True)


_TEXT = {"type": "string"}
_ID = {"type": "integer", "examples": [501]}
_GIVEN = {
    "type": "object",
    "properties": {
        "id": _ID,
        "assigned_to": {"type": "integer", "examples": [55]},
        "assigned_to_name": _TEXT,
        "scheduled_at": {"type": "string", "examples": ["2025-12-18"]},
        "reasons": {"type": "array", "items": _TEXT},
    },
    "required": ["id", "assigned_to", "assigned_to_name", "scheduled_at", "reasons"],
}
_SKIPPED = {"type": "object", "properties": {"id": _ID, "reason": _TEXT}, "required": ["id", "reason"]}
_RUN = {
    "type": "object",
    "properties": {
        "assigned": {"type": "array", "items": _GIVEN},
        "skipped": {"type": "array", "items": _SKIPPED},
        "dry_run": {"type": "boolean"},
    },
    "required": ["assigned", "skipped", "dry_run"],
}


class AutoassignRun(Endpoint):
    @operation(ADMIN, takes=RunIn, gives=_RUN, apart=True)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Give the waiting visits of a day (today when left out) to workers; `dry_run` only shows the plan."""
        now = moments.now()
        today = moments.day_of(now)
        on = body.get("date") or today
        if on < today:
            raise Invalid.on("date", f"{on} is past. Choose a day from {today} on.")
        last = today + timedelta(days=settings.CRM_BOOKING_WINDOW_DAYS)
        if on > last:
            # Whoever mistypes a year would send all that is overdue there.
            raise Invalid.on("date", f"{on} is too far ahead. Choose a day up to {last}.")
        dry_run = body.get("dry_run", False)
        run = plan_day(on=on, region=body.get("region"), dry_run=dry_run, by=caller(request), now=now)
        return json_answer(
            {
                "assigned": [
                    {
                        "id": given.visit_id,
                        "assigned_to": given.worker_id,
                        "assigned_to_name": given.worker_name,
                        "scheduled_at": str(given.when),
                        "reasons": given.reasons,
                    }
                    for given in run.assigned
                ],
                "skipped": [{"id": skipped.visit_id, "reason": skipped.reason} for skipped in run.skipped],
                "dry_run": run.dry_run,
            }
        )
