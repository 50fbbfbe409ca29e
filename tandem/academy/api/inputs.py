"""Parts of request bodies that several resources of contract A share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.common.inputs import DayField, DayOrMomentField, Input, MomentField

MOST_ITEMS = 1000


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


class PersonField(serializers.IntegerField):
    """The id of a user; bounded, for no database takes any whole number that JSON can hold."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **options)


class TaskItem(Input):
    """A task in a list. `user_id`, `user_name` and `date_created` are the server's; what is sent is ignored."""

    id = serializers.UUIDField(required=False, allow_null=True)
    task = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    date = DayField(required=False, allow_null=True)
    completed = serializers.BooleanField(required=False)


class NoteItem(Input):
    id = serializers.UUIDField(required=False, allow_null=True)
    note = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    date = MomentField(required=False, allow_null=True)


class DescribedIn(Input):
    """attributes, tasks and notes. A list that is present replaces the stored one, `[]` clears it."""

    attributes = AttributesField(required=False, allow_null=True)
    list_of_tasks = serializers.ListField(child=TaskItem(), required=False, allow_null=True, max_length=MOST_ITEMS)
    list_of_notes = serializers.ListField(child=NoteItem(), required=False, allow_null=True, max_length=MOST_ITEMS)


__all__ = ["AttributesField", "DayOrMomentField", "DescribedIn", "NoteItem", "PersonField", "TaskItem"]
