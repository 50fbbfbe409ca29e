"""Contract A §4: pipelines and their stages."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.pipelines import (
    HasLeads,
    StageInUse,
    change_pipeline,
    create_pipeline,
    delete_pipeline,
    restore_pipeline,
)
from tandem.academy.api.answers import PIPELINE
from tandem.academy.api.records import Kept, deleted_or_live
from tandem.academy.models import Pipeline
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import Defaulting, Input
from tandem.common.reading.listing import Listing, Order, by_text
from tandem.common.reading.query import uuid_in
from tandem.common.rendering import empty_answer

MOST_STAGES = 200

_FILTERS = {"name": by_text("name__icontains"), "search": by_text("name__icontains", "description__icontains")}
_OLDEST_FIRST = {"": Order(("created_at", "id"))}
PIPELINES = Listing(PIPELINE, Pipeline.objects.visible_to, _FILTERS, _OLDEST_FIRST)
DELETED_PIPELINES = Listing(PIPELINE, Pipeline.objects.deleted_for, _FILTERS, _OLDEST_FIRST)
RESOURCE = Kept("pipeline", Pipeline, PIPELINE, "pipeline", restore_pipeline)


class StageItem(Defaulting):
    """A stage in a list. `id` is that of a stored stage; clients also send ids of their own making for new ones."""

    defaults = ("name", "color")

    id = serializers.CharField(max_length=100, required=False, allow_null=True)
    name = serializers.CharField(max_length=100, required=False, allow_null=True, allow_blank=True)
    color = serializers.CharField(max_length=30, required=False, allow_null=True, allow_blank=True)
    order = serializers.IntegerField(required=False, allow_null=True)


class PipelineIn(Input):
    """A list of stages replaces the stored one; `stage_moves` says where the leads of removed stages go, old → new."""

    name = serializers.CharField(max_length=255)
    description = serializers.CharField(max_length=10_000, required=False, allow_null=True)
    stages = serializers.ListField(child=StageItem(), required=False, allow_null=True, max_length=MOST_STAGES)
    stage_moves = serializers.DictField(
        child=serializers.CharField(max_length=100), required=False, allow_null=True, allow_empty=True
    )


class PipelineList(Endpoint):
    @operation(may("view", "pipeline"), gives=PIPELINES)
    def get(self, request: Request) -> HttpResponse:
        """All pipelines, oldest first; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, PIPELINES, DELETED_PIPELINES)

    @operation(may("add", "pipeline"), takes=PipelineIn, gives=PIPELINE, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a pipeline with its stages."""
        pipeline = create_pipeline(body, by=caller(request), now=moments.now())
        return self.record(PIPELINE, pipeline.pk, status=201)


class PipelineDetail(Endpoint):
    shows, rows = PIPELINE, Pipeline.objects.visible_to

    @operation(may("view", "pipeline"), gives=PIPELINE)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A pipeline."""
        return self.detail(request, pk)

    @operation(may("change", "pipeline"), takes=PipelineIn, gives=PIPELINE, refuses=[StageInUse], slow=True)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a pipeline; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "pipeline"), takes=PipelineIn, gives=PIPELINE, refuses=[StageInUse], slow=True)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a pipeline; a stage that is renamed (same id) takes its leads along."""
        change_pipeline(find(Pipeline.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(
        may("delete", "pipeline"),
        refuses=[HasLeads],
        query={"move_to": {"type": "string", "format": "uuid"}},
        slow=True,
    )
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a pipeline; `?move_to=<pipeline>` takes its leads."""
        pipeline = find(Pipeline.objects.live(), pk)
        move_to = uuid_in(request.query_params.dict(), "move_to")
        delete_pipeline(pipeline, move_to=move_to, by=caller(request), now=moments.now())
        return empty_answer()
