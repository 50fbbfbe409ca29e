"""Parts of request bodies that several resources of contract A share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.academy.rules.items import MOST_ITEMS
from tandem.common.inputs import DayField, DayOrMomentField, Input, MomentField

_LISTS = ("list_of_tasks", "list_of_notes")


@extend_schema_field({"type": "object", "additionalProperties": True})
class AttributesField(serializers.Field[Any, Any, Any, Any]):
    """Name → value; what the values may be is defined by the users (rules/attributes.py)."""

    default_error_messages = {"invalid": "Expected an object of attribute names and values."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self.fail("invalid")
        return {str(name): value for name, value in data.items()}

    def to_representation(self, value: Any) -> Any:
        return value


class TaskItem(Input):
    """A task in a list. `user_id`, `user_name` and `date_created` are the server's; what is sent is ignored."""

    id = serializers.UUIDField(required=False, allow_null=True)
    task = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    date = DayField(required=False, allow_null=True)
    completed = serializers.BooleanField(required=False, allow_null=True)

    def validate_completed(self, value: bool | None) -> bool:
        return bool(value)


class NoteItem(Input):
    id = serializers.UUIDField(required=False, allow_null=True)
    note = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    date = MomentField(required=False, allow_null=True)


class DescribedIn(Input):
    """attributes, tasks and notes. A list that is present replaces the stored one, `[]` clears it.

    A new record has no items yet, so the ids of a body that makes one are those of whatever it was copied from.
    """

    attributes = AttributesField(required=False, allow_null=True)
    list_of_tasks = serializers.ListField(child=TaskItem(), required=False, allow_null=True, max_length=MOST_ITEMS)
    list_of_notes = serializers.ListField(child=NoteItem(), required=False, allow_null=True, max_length=MOST_ITEMS)

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        if isinstance(data, Mapping) and not self.partial:
            data = {name: _without_ids(value) if name in _LISTS else value for name, value in data.items()}
        return super().to_internal_value(data)


def _without_ids(items: Any) -> Any:
    if not isinstance(items, list):
        return items
    return [{**item, "id": None} if isinstance(item, Mapping) else item for item in items]


__all__ = ["AttributesField", "DayOrMomentField", "DescribedIn", "NoteItem", "TaskItem"]
