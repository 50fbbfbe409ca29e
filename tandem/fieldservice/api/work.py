"""What a worker says of the work done: the fields that completing a visit and a work log have in common."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.common.errors import Invalid
from tandem.common.inputs import DayField, Input
from tandem.common.parsing import strict_json
from tandem.fieldservice.actions.completion import Work
from tandem.fieldservice.api.answers import PARTS
from tandem.fieldservice.rules.parts import FIELD, Part, read_parts
from tandem.files.inputs import PictureField


@extend_schema_field({"oneOf": [PARTS, {"type": "string", "description": "The list as JSON text, for forms."}]})
class PartsField(serializers.Field[Any, Any, Any, Any]):
    """A list of parts, or JSON text of one as multipart forms send it [wire]."""

    def to_internal_value(self, data: Any) -> list[Part]:
        try:
            return read_parts(data, from_json=strict_json)
        except Invalid as refused:
            raise serializers.ValidationError(refused.fields[FIELD]) from None

    def to_representation(self, value: list[Part]) -> list[Part]:
        return value


class WorkIn(Input):
    work_detail = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=10_000)
    parts_replaced = PartsField(required=False, allow_null=True)
    amount_charged = serializers.DecimalField(
        required=False, allow_null=True, max_digits=10, decimal_places=2, min_value=Decimal(0)
    )
    next_service_date = DayField(required=False, allow_null=True)
    image = PictureField(required=False, allow_null=True)


def work_of(body: Mapping[str, Any]) -> Work:
    """The checked body of a form that extends WorkIn; what is absent or null is nothing."""
    return Work(
        detail=body.get("work_detail") or "",
        parts=body.get("parts_replaced") or (),
        amount_charged=body.get("amount_charged") or Decimal(0),
        next_service_date=body.get("next_service_date"),
        image=body.get("image"),
    )
