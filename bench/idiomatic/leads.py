from __future__ import annotations

from typing import Any

from django.core.files.storage import default_storage
from django.db import transaction
from rest_framework import serializers

from bench.idiomatic.models import LeadNote, LeadTask
from tandem.academy.models import Client, Entity, Lead, Pipeline, StageChange
from tandem.academy.queries import definitions_of
from tandem.academy.rules.attributes import merged
from tandem.academy.rules.stages import stage_to_enter
from tandem.accounts.models import User
from tandem.common import moments


class TaskSerializer(serializers.ModelSerializer):
    user_id = serializers.IntegerField(read_only=True)
    user_name = serializers.CharField(source="user.name", read_only=True, default=None)

    class Meta:
        model = LeadTask
        fields = ["id", "task", "date", "completed", "date_created", "user_id", "user_name"]
        read_only_fields = ["id", "date_created"]


class NoteSerializer(serializers.ModelSerializer):
    user_id = serializers.IntegerField(read_only=True)
    user_name = serializers.CharField(source="user.name", read_only=True, default=None)

    class Meta:
        model = LeadNote
        fields = ["id", "note", "date", "date_created", "user_id", "user_name"]
        read_only_fields = ["id", "date_created"]


class LeadSerializer(serializers.ModelSerializer):
    responsible = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.filter(is_active=True, role__in=["admin", "office"]), required=False, allow_null=True
    )
    responsible_name = serializers.CharField(source="responsible.name", read_only=True, default=None)
    pipeline = serializers.PrimaryKeyRelatedField(queryset=Pipeline.objects.live(), required=False, allow_null=True)
    pipeline_name = serializers.CharField(source="pipeline.name", read_only=True, default=None)
    stage = serializers.CharField(max_length=100, required=False)
    possible_client = serializers.PrimaryKeyRelatedField(
        queryset=Client.objects.live(), required=False, allow_null=True
    )
    possible_client_name = serializers.CharField(source="possible_client.name", read_only=True, default=None)
    attributes = serializers.JSONField(required=False)
    list_of_tasks = TaskSerializer(source="tasks", many=True, required=False)
    list_of_notes = NoteSerializer(source="notes", many=True, required=False)
    list_of_images = serializers.SerializerMethodField()
    created_by_name = serializers.CharField(source="created_by.name", read_only=True, default=None)

    class Meta:
        model = Lead
        fields = [
            "id",
            "name",
            "responsible",
            "responsible_name",
            "pipeline",
            "pipeline_name",
            "stage",
            "possible_client",
            "possible_client_name",
            "moodle_course_id",
            "converted_to",
            "converted_seat",
            "attributes",
            "list_of_tasks",
            "list_of_notes",
            "list_of_images",
            "created_by",
            "created_by_name",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["converted_to", "converted_seat", "created_by", "created_at", "updated_at"]

    def get_list_of_images(self, lead: Lead) -> list[str]:
        return [default_storage.url(key) for key in lead.images]

    def to_representation(self, lead: Lead) -> dict[str, Any]:
        shown = super().to_representation(lead)
        defined = self.context["defined"]
        shown["attributes"] = {name: value for name, value in shown["attributes"].items() if name in defined}
        shown["moodle_course_id"] = shown["moodle_course_id"] or None
        return shown

    def validate_attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        return merged({}, given, definitions_of(Entity.LEAD), creating=True)

    @transaction.atomic
    def create(self, values: dict[str, Any]) -> Lead:
        now = moments.now()
        tasks, notes = values.pop("tasks", []), values.pop("notes", [])
        pipeline = values.get("pipeline")
        stages = [stage.name for stage in pipeline.stages.order_by("position")] if pipeline else None
        values["stage"] = stage_to_enter(values.get("stage"), stages)
        lead = Lead.objects.create(**values, created_at=now, updated_at=now)
        own = {"lead": lead, "user": lead.created_by, "date_created": now}
        LeadTask.objects.bulk_create([LeadTask(**own, position=nth, **task) for nth, task in enumerate(tasks)])
        LeadNote.objects.bulk_create([LeadNote(**own, position=nth, **note) for nth, note in enumerate(notes)])
        StageChange.objects.create(lead=lead, stage=lead.stage, pipeline=pipeline, entered_at=now, by=lead.created_by)
        return lead
