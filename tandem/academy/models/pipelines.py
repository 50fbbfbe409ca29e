"""Pipelines and their stages. Contract A §4."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Lower

from tandem.academy.models.record import LiveQuerySet, Recorded
from tandem.common.models import SoftDeleted


class Pipeline(SoftDeleted, Recorded):
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True)

    objects = LiveQuerySet["Pipeline"].as_manager()

    class Meta:
        default_permissions = ()


class Stage(models.Model):
    """A stage keeps its id for as long as it exists, through renames and new orders. position: from 1 on."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    pipeline = models.ForeignKey(Pipeline, models.CASCADE, related_name="stages")
    name = models.CharField(max_length=100)
    color = models.CharField(max_length=30, blank=True)
    position = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint("pipeline", Lower("name"), name="one_stage_per_name_and_pipeline")]
