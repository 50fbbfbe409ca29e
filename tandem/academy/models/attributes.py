"""Attributes: the fields that users define themselves. Contract A §1."""

from __future__ import annotations

import uuid

from django.db import models

from tandem.academy.models.record import LiveQuerySet
from tandem.common.models import SoftDeleted


class Entity(models.TextChoices):
    """The contract's names of what can have attributes. `service` is a student."""

    CLIENT = "client"
    STUDENT = "service"
    LEAD = "lead"
    FOLLOW_UP = "follow_up"

    @classmethod
    def named(cls, word: str) -> Entity | None:
        """The entity that an address names; `followup` is the other spelling of `follow_up`. None: there is none."""
        word = "follow_up" if word == "followup" else word
        return cls(word) if word in cls.values else None


class AttributeType(models.TextChoices):
    TEXT = "text"
    TEXTAREA = "textarea"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    LIST = "list"
    FILE = "file"


class Attribute(SoftDeleted):
    """One user-defined field. A deleted one hides the stored values; made anew, it shows them again."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    entity = models.CharField(max_length=10, choices=Entity.choices)
    name = models.CharField(max_length=63)
    label = models.CharField(max_length=255)
    type = models.CharField(max_length=10, choices=AttributeType.choices)
    is_required = models.BooleanField(default=False)
    list_values = models.JSONField(default=list)
    description = models.TextField(blank=True)
    order = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = LiveQuerySet["Attribute"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            # Deleted ones count: making the attribute anew brings its row back, and with it the stored values.
            models.UniqueConstraint(fields=["entity", "name"], name="one_attribute_per_entity_and_name"),
        ]
