"""What clients, students, leads and their kin have in common."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from tandem.common.models import SoftDeleted
from tandem.common.viewers import Viewer

Record = TypeVar("Record", bound=models.Model)
LIVE = Q(deleted_at=None)


class Recorded(models.Model):
    """Who made a record and when."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        default_permissions = ()  # the rights of contract A hang on the user model
        abstract = True


class LiveQuerySet(models.QuerySet[Record]):
    """Permissions of contract A are per kind of record, not per row: whoever may see one, sees all that are live."""

    def live(self) -> Any:
        return self.filter(deleted_at=None)

    def visible_to(self, viewer: Viewer) -> Any:
        return self.live()

    def deleted_for(self, viewer: Viewer) -> Any:
        return self.exclude(deleted_at=None)


class ContainmentIndex(GinIndex):
    """GIN over a JSON column, for `@>`. SQLite has no such index, and does without at its sizes."""

    def __init__(self, *expressions: Any, **options: Any) -> None:
        super().__init__(*expressions, opclasses=options.pop("opclasses", ["jsonb_path_ops"]), **options)

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **options: Any) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return _NOTHING
        return super().create_sql(model, schema_editor, using=using, **options)

    def remove_sql(self, model: Any, schema_editor: Any, **options: Any) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return _NOTHING
        return super().remove_sql(model, schema_editor, **options)


_NOTHING = "SELECT 1"  # a migration has to execute something


class Described(SoftDeleted, Recorded):
    """A record with user-defined attributes and pictures. attributes: name → typed value; rules/attributes.py.

    images: storage keys of pictures, oldest first.
    """

    name = models.CharField(max_length=255)
    attributes = models.JSONField(default=dict)
    images = models.JSONField(default=list)

    class Meta:
        abstract = True
