"""Contract A §5: leads."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.leads import (
    change_lead,
    create_lead,
    delete_lead,
    locked_to_change,
    locked_to_restore,
    reassign_leads,
    restore_lead,
)
from tandem.academy.api.answers import LEAD, STAGE_ENTRY
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.filters import by_attribute
from tandem.academy.api.inputs import DescribedIn
from tandem.academy.api.records import Resource, deleted_or_live
from tandem.academy.models import Entity, Lead, StageChange
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import IdField, Input
from tandem.common.reading.listing import Listing, Order, by_id, by_text, by_uuid, by_word
from tandem.common.reading.statement import Param, adapted
from tandem.common.rendering import empty_answer, json_answer
from tandem.common.viewers import Viewer

_FILTERS = {
    "name": by_text("name__icontains"),
    "search": by_text("name__icontains"),
    "responsible": by_id("responsible_id"),
    "stage": by_word("stage__lower"),
    "pipeline": by_uuid("pipeline_id"),
    "pipeline_id": by_uuid("pipeline_id"),
    "possible_client": by_uuid("possible_client_id"),
    **by_attribute(Entity.LEAD),
}
LEADS = Listing(LEAD, Lead.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_LEADS = Listing(LEAD, Lead.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Resource(Entity.LEAD, Lead, LEAD, "lead", restore_lead, locked_to_restore)


_KEY = models.UUIDField()


def _stages_of_a_lead(viewer: Viewer) -> Any:
    lead: Any = Param("lead", _KEY)
    return StageChange.objects.filter(lead=lead)


STAGES_OF_A_LEAD = Listing(STAGE_ENTRY, _stages_of_a_lead, orders={"": Order(("id",))})


class LeadIn(DescribedIn):
    name = serializers.CharField(max_length=255)
    responsible = IdField(required=False, allow_null=True)
    pipeline = serializers.UUIDField(required=False, allow_null=True)
    stage = serializers.CharField(max_length=100, required=False, allow_null=True)
    possible_client = serializers.UUIDField(required=False, allow_null=True)
    moodle_course_id = serializers.CharField(max_length=100, required=False, allow_null=True)
    pipeline_id = serializers.UUIDField(required=False, allow_null=True)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        """`pipeline_id`, the name of the filter, is another name of `pipeline`."""
        if "pipeline_id" not in values:
            return values
        pipeline = values.pop("pipeline_id")
        if values.setdefault("pipeline", pipeline) != pipeline:
            raise serializers.ValidationError(
                {"pipeline_id": ["`pipeline` and `pipeline_id` differ. Send one of them."]}
            )
        return values


class ReassignIn(Input):
    from_user = IdField()
    to_user = IdField()


class LeadList(Endpoint):
    @operation(may("view", "lead"), gives=LEADS)
    def get(self, request: Request) -> HttpResponse:
        """All leads, newest first; `?attributes.<name>=` narrows; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, LEADS, DELETED_LEADS)

    @operation(may("add", "lead"), takes=LeadIn, gives=LEAD, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a lead; without a stage it stands in the first of its pipeline, else in "Prospecting"."""
        lead = create_lead(body, by=caller(request), now=moments.now())
        return self.record(LEAD, lead.pk, status=201)


class LeadDetail(Endpoint):
    shows, rows = LEAD, Lead.objects.visible_to

    @operation(may("view", "lead"), gives=LEAD)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A lead."""
        return self.detail(request, pk)

    @operation(may("change", "lead"), takes=LeadIn, gives=LEAD)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a lead; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "lead"), takes=LeadIn, gives=LEAD)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a lead; another pipeline without a stage means its first one."""
        change_lead(find(Lead.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "lead"))
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a lead."""
        delete_lead(find(Lead.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()

    def lock(self, pk: Any) -> None:
        """The pipeline before the lead, as the action does."""
        locked_to_change(find(Lead.objects.live(), pk), self._body)


class LeadStages(Endpoint):
    @operation(may("view", "lead"), gives=STAGES_OF_A_LEAD)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """The stages that a lead went through, oldest first."""
        lead: Any = find(Lead.objects.live(), pk)
        return self.page(request, STAGES_OF_A_LEAD, lead=adapted(lead.pk, _KEY))


class LeadsReassign(Endpoint):
    @operation(
        may("change", "lead"),
        takes=ReassignIn,
        gives={"type": "object", "properties": {"reassigned": {"type": "integer"}}, "required": ["reassigned"]},
        slow=True,
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Hand all leads of one person to another."""
        count = reassign_leads(**body, by=caller(request), now=moments.now())
        return json_answer({"reassigned": count})
