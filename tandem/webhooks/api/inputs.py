"""Bodies of webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.common.inputs import DayOrMomentField, Defaulting, Input
from tandem.webhooks import registry
from tandem.webhooks.api.answers import CONDITIONS, EVENTS
from tandem.webhooks.models import DeliveryStatus, Logic, Method
from tandem.webhooks.registry import LISTENED_TO


class _Plain(serializers.Field[Any, Any, Any, Any]):
    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field({"type": "string", "examples": ["Lead"]})
class ModelField(_Plain):
    """The name of a kind of record, in any case."""

    def to_internal_value(self, data: Any) -> str:
        model = registry.model_named(data) if isinstance(data, str) else None
        if model is None:
            raise serializers.ValidationError(f"Use one of: {', '.join(registry.models())}.")
        return model


@extend_schema_field({"type": "string", "enum": list(Method.values)})
class WordField(_Plain):
    """One of a few words, in any case."""

    def __init__(self, words: list[str], **options: Any) -> None:
        super().__init__(**options)
        self.words = words

    def to_internal_value(self, data: Any) -> str:
        word = data.strip().upper() if isinstance(data, str) else ""
        if word not in self.words:
            raise serializers.ValidationError(f"Use one of: {', '.join(self.words)}.")
        return word


@extend_schema_field({"type": "string", "enum": list(Logic.values)})
class LogicField(WordField):
    pass


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "examples": [{"Authorization": "Bearer token", "X-Custom-ID": "{id}"}],
    }
)
class HeadersField(_Plain):
    """Name → value; what they may be is judged by rules/headers.py."""

    default_error_messages = {"invalid": "Expected an object of names and values."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self.fail("invalid")
        return dict(data)


@extend_schema_field(CONDITIONS)
class ConditionsField(_Plain):
    """Rows of {field, operator, value}; judged by rules/conditions.py."""

    default_error_messages = {"invalid": "Expected a list of conditions."}

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("invalid")
        return data


@extend_schema_field(EVENTS)
class EventsField(_Plain):
    default_error_messages = {"invalid": f"Give one or more of: {', '.join(LISTENED_TO)}."}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not data or any(one not in LISTENED_TO for one in data):
            self.fail("invalid")
        return [one for one in LISTENED_TO if one in data]


class WebhookIn(Defaulting):
    """`method` is POST, `condition_logic` AND, `events` all three, `is_active` true when they are left out."""

    defaults: ClassVar[tuple[str, ...]] = ("method", "headers", "is_active", "conditions", "condition_logic", "events")

    name = serializers.CharField(max_length=255)
    model = ModelField()
    url = serializers.CharField(max_length=2000)
    method = WordField(list(Method.values), required=False, allow_null=True)
    headers = HeadersField(required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False, allow_null=True)
    conditions = ConditionsField(required=False, allow_null=True)
    condition_logic = LogicField(list(Logic.values), required=False, allow_null=True)
    events = EventsField(required=False, allow_null=True)


class DescribedWebhookIn(WebhookIn):
    """id: of the stored webhook whose header values the masked ones stand for."""

    defaults = (*WebhookIn.defaults, "id")

    id = serializers.UUIDField(required=False, allow_null=True)


@extend_schema_field(
    {
        "type": ["string", "object"],
        "description": "The id of a webhook, or a whole one, stored or not; masked values of its headers are those of "
        "the webhook with its `id`.",
    }
)
class WebhookOrIdField(_Plain):
    default_error_messages = {"invalid": "Give the id of a webhook, or a whole webhook."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return serializers.UUIDField().to_internal_value(data)
        form = DescribedWebhookIn(data=data)
        form.is_valid(raise_exception=True)
        return form.validated_data


class PreviewIn(Input):
    webhook = WebhookOrIdField()
    record = serializers.CharField(max_length=40)


class RedeliverIn(Input):
    """Days or moments (whole seconds), both inclusive; `to` is now when it is left out."""

    to = DayOrMomentField(required=False, allow_null=True)
    status = serializers.ChoiceField(
        [DeliveryStatus.DELIVERED.value, DeliveryStatus.FAILED.value], required=False, allow_null=True
    )

    def get_fields(self) -> dict[str, Any]:
        return {"from": DayOrMomentField(), **super().get_fields()}  # a name that no class body can assign
