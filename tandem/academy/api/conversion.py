"""A lead becomes a client, a student and a seat. Beyond contract A."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.conversion import Converted, ConvertedDeleted, SeatNotTaken, convert_lead
from tandem.academy.actions.enrollments import AlreadyEnrolled
from tandem.academy.api.answers import LEAD
from tandem.academy.api.inputs import AttributesField
from tandem.academy.duplicates import Duplicate, duplicates_of
from tandem.academy.models import Entity, Lead
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, Who, find, operation
from tandem.common.inputs import Defaulting
from tandem.common.rendering import json_answer

# One business act, carried out by those who sell: docs/decisions/0004-who-converts-leads.md.
_CHANGE, _ADD = may("change", "lead"), may("add", "client")
_CONVERTERS = Who(f"{_CHANGE.name} and {_ADD.name}", lambda user: _CHANGE.allows(user) and _ADD.allows(user))

_ID = {"type": "string", "format": "uuid"}
_ID_OR_NULL = {"type": ["string", "null"], "format": "uuid"}
_KEYS = {
    "lead": _ID,
    "client": _ID_OR_NULL,
    "client_name": {"type": "string"},
    "student": _ID_OR_NULL,
    "student_name": {"type": "string"},
    "enrollment": _ID_OR_NULL,
    "enrollment_detail": _ID_OR_NULL,
    "duplicates": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "entity": {"type": "string", "enum": [Entity.CLIENT.value, Entity.STUDENT.value]},
                "id": _ID,
                "name": {"type": "string"},
                "by": {"type": "array", "items": {"type": "string", "enum": ["phone", "email", "name"]}},
            },
            "required": ["entity", "id", "name", "by"],
        },
    },
    "dry_run": {"type": "boolean"},
}


class ConvertIn(Defaulting):
    """`client` names an existing one, `client_name` a new one; `enrollment`, or the only one of `cohort`, gives a seat.

    `client_attributes` and `service_attributes`: values, or `{"from": "<attribute of the lead>"}`. What is not in them
    is taken from the lead's attribute of the same name.
    """

    defaults = ("dry_run",)

    client = serializers.UUIDField(required=False, allow_null=True)
    client_name = serializers.CharField(max_length=255, required=False, allow_null=True)
    student_name = serializers.CharField(max_length=255, required=False, allow_null=True)
    enrollment = serializers.UUIDField(required=False, allow_null=True)
    cohort = serializers.UUIDField(required=False, allow_null=True)
    client_attributes = AttributesField(required=False, allow_null=True)
    service_attributes = AttributesField(required=False, allow_null=True)
    dry_run = serializers.BooleanField(required=False, allow_null=True)


class LeadConvert(Endpoint):
    shows, rows = LEAD, Lead.objects.visible_to

    @operation(
        _CONVERTERS,
        takes=ConvertIn,
        gives={"type": "object", "properties": _KEYS, "required": list(_KEYS)},
        refuses=[AlreadyEnrolled, ConvertedDeleted, SeatNotTaken],
    )
    def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Make a client and a student of a lead, and give the student a seat; a second time tells the same."""
        lead: Lead = find(Lead.objects.live(), pk)
        done = convert_lead(lead, body, by=caller(request), now=moments.now())
        names = {"client_name": done.client.name, "student_name": done.student.name}
        alike = duplicates_of(lead, other_than={done.client.pk, done.student.pk}, viewer=caller(request), **names)
        return json_answer(_shown(lead, done, alike, dry_run=bool(body.get("dry_run"))))


def _shown(lead: Lead, done: Converted, alike: list[Duplicate], *, dry_run: bool) -> dict[str, Any]:
    """What a dry run would have made has no id."""
    tried = dry_run and done.is_new
    seat = done.seat
    return {
        "lead": lead.pk,
        "client": None if tried and done.client_is_new else done.client.pk,
        "client_name": done.client.name,
        "student": None if tried else done.student.pk,
        "student_name": done.student.name,
        "enrollment": seat.enrollment_id if seat else None,
        "enrollment_detail": None if tried or seat is None else seat.pk,
        "duplicates": [{"entity": one.entity, "id": one.pk, "name": one.name, "by": one.by} for one in alike],
        "dry_run": dry_run,
    }
