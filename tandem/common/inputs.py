"""What every request body has in common. Contract §2, the rules marked [wire].

`""` for a field that may be null means null; unknown and read-only keys are ignored; numbers may come as strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from functools import cache
from typing import Any, ClassVar

from django.utils.functional import cached_property
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils.serializer_helpers import BindingDict

from tandem.common import moments
from tandem.common.moments import DayOrMoment

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::00)?")


class Input(serializers.Serializer[Any]):
    """Base of all request bodies: plain fields, no model behind them; `validated_data` is handed to an action.

    All forms of a class share their fields: to copy them for each request, as DRF does, costs as much as to check a
    body. So a field must not ask for its form's `context`; a form may.
    """

    @cached_property
    def fields(self) -> BindingDict:
        return _fields_of(type(self), bool(self.partial))

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        if isinstance(data, Mapping):
            nullable = [(name, field) for name, field in self.fields.items() if field.allow_null]
            empty = {name for name, field in nullable if _is_empty(field, data.get(name))}
            if empty:
                data = {name: None if name in empty else value for name, value in data.items()}
        return super().to_internal_value(data)


def _is_empty(field: Any, value: Any) -> bool:
    """Whether a text is empty to a field; blanks alone are where a field takes them off anyhow."""
    return value == "" or (isinstance(value, str) and getattr(field, "trim_whitespace", False) and not value.strip())


class Defaulting(Input):
    """null for a field of `defaults` says as little as leaving it out; so does "", but for texts that may be empty."""

    defaults: ClassVar[tuple[str, ...]] = ()

    def to_internal_value(self, data: Mapping[str, Any]) -> Any:
        nulls = {name for name in self.defaults if isinstance(data, Mapping) and data.get(name, ...) is None}
        if nulls:
            data = {name: value for name, value in data.items() if name not in nulls}
        found = super().to_internal_value(data)
        for name in self.defaults:
            if name in found and found[name] is None:  # "" was sent, which is null where null is possible
                if getattr(self.fields[name], "allow_blank", False):
                    found[name] = ""
                else:
                    del found[name]
        return found


@cache
def _fields_of(form: type[Input], partial: bool) -> BindingDict:
    owner = form(partial=partial)
    fields = BindingDict(owner)
    for name, field in owner.get_fields().items():
        fields[name] = field
    return fields


class IdField(serializers.IntegerField):
    """The id of a record; bounded, for texts may hold whole numbers that no database lets us ask for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **options)


# The schema says `string` of these and no format: what they accept is wider than any that it knows.
@extend_schema_field(OpenApiTypes.STR)
class ClockField(serializers.Field[Any, Any, Any, Any]):
    """A wall-clock time `HH:MM`, or `HH:MM:00` as time pickers send it."""

    default_error_messages = {"invalid": "Give a time of the day as HH:MM, 00:00 to 23:59."}

    def to_internal_value(self, data: Any) -> time:
        match = _CLOCK.fullmatch(data.strip()) if isinstance(data, str) else None
        if match is None:
            self.fail("invalid")
        return time(int(match[1]), int(match[2]))

    def to_representation(self, value: time) -> str:
        return value.strftime("%H:%M")


@extend_schema_field(OpenApiTypes.STR)
class DayOrMomentField(serializers.Field[Any, Any, Any, Any]):
    """A date or a date-time; what was meant is kept (`moments.DayOrMoment`)."""

    default_error_messages = {"invalid": "Use a date (YYYY-MM-DD) or a date-time (ISO 8601)."}

    def to_internal_value(self, data: Any) -> DayOrMoment:
        if not isinstance(data, str) or len(data) > 40:
            self.fail("invalid")
        try:
            return moments.day_or_moment(data)
        except (ValueError, OverflowError):
            self.fail("invalid")

    def to_representation(self, value: DayOrMoment) -> str:
        return str(value)


@extend_schema_field(OpenApiTypes.STR)
class DayField(DayOrMomentField):
    """A day; of a date-time the site's day."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data).day

    def to_representation(self, value: Any) -> str:
        return str(value)


@extend_schema_field(OpenApiTypes.STR)
class MomentField(DayOrMomentField):
    """A moment; a bare date is that day's midnight in the site's zone."""

    def to_internal_value(self, data: Any) -> Any:
        read = super().to_internal_value(data)
        return read.moment or moments.start_of(read.day)

    def to_representation(self, value: Any) -> str:
        return moments.iso(value)
