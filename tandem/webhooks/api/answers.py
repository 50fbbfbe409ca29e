"""What webhooks and their deliveries look like: each answer declared once (see common/reading/answer.py)."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, DateTimeField, When

from tandem.common.reading.answer import Answer, Choice, Computed, Flag, Json, Moment, Text, Uuid, Whole
from tandem.webhooks.models import Delivery, DeliveryStatus, Logic, Method, Webhook
from tandem.webhooks.models.webhook import readable_headers
from tandem.webhooks.registry import LISTENED_TO
from tandem.webhooks.rules.conditions import OPERATORS
from tandem.webhooks.rules.headers import HIDDEN, masked

CONDITION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "field": {"type": "string", "examples": ["stage"]},
        "operator": {"type": "string", "enum": list(OPERATORS)},
        "value": {},
    },
    "required": ["field", "operator", "value"],
}
CONDITIONS = {
    "type": "array",
    "items": CONDITION,
    "examples": [[{"field": "stage", "operator": "=", "value": "Moodle"}]],
}
HEADERS = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "examples": [{"Authorization": "Be****en", "X-Custom-ID": HIDDEN}],
}
EVENTS = {"type": "array", "items": {"type": "string", "enum": list(LISTENED_TO)}}


def masked_headers(*, sealed: str) -> dict[str, str]:
    """The names with what readers see of the values."""
    return {name: masked(value) for name, value in readable_headers(sealed).items()}


WEBHOOK = Answer(
    "Webhook",
    Webhook,
    [
        Uuid("id"),
        Text("name", example="Notify External System"),
        Text("model", example="Lead"),
        Text("url", example="https://api.external.com/hooks/{id}"),
        Choice("method", options=Method.values, example="POST"),
        Computed("headers", HEADERS, takes={"sealed": "sealed_headers"}, compute=masked_headers),
        Flag("is_active"),
        Json("conditions", shape=CONDITIONS),
        Choice("condition_logic", options=Logic.values),
        Json("events", shape=EVENTS),
        Moment("disabled_at", null=True),
        Text("disabled_reason"),
        Moment("old_secret_until", null=True),
        Whole("created_by", source="created_by_id", null=True),
        Text("created_by_name", source="created_by__name", null=True),
        Moment("created_at"),
        Moment("updated_at"),
    ],
    doc="An address that is told of changes. Values of `headers` are shown masked; `disabled_at` and `disabled_reason` "
    "tell that Tandem itself switched it off; until `old_secret_until` the secret before the present one signs along.",
)

_ATTEMPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "at": {"type": "string", "format": "date-time"},
        "status_code": {"type": ["integer", "null"], "examples": [503]},
        "error": {"type": "string"},
        "duration_ms": {"type": ["integer", "null"]},
    },
    "required": ["at", "status_code", "error", "duration_ms"],
}
_ATTEMPT_WITH_ANSWER = {
    **_ATTEMPT,
    "properties": {**_ATTEMPT["properties"], "answer": {"type": "string"}},
    "required": [*_ATTEMPT["required"], "answer"],
}


def _without_answers(*, tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in attempt.items() if name != "answer"} for attempt in tried]


def _planned() -> Any:
    return Case(When(status=DeliveryStatus.PENDING, then="next_attempt_at"), output_field=DateTimeField(null=True))


_KEYS = [
    Uuid("id"),
    Text("type", example="lead.updated"),
    Text("record"),
    Choice("status", options=DeliveryStatus.values),
    Moment("next_attempt_at", source=_planned, null=True),
    Moment("created_at"),
]

DELIVERY = Answer(
    "Delivery",
    Delivery,
    [
        *_KEYS,
        Computed(
            "attempts",
            {"type": "array", "items": _ATTEMPT},
            takes={"tried": Json("tried")},
            compute=_without_answers,
        ),
    ],
    doc="One message to one webhook. `id` is its `webhook-id`; `next_attempt_at` is null when nothing is planned.",
)
DELIVERY_WITH_ANSWERS = Answer(
    "DeliveryWithAnswers",
    Delivery,
    [*_KEYS, Json("attempts", source="tried", shape={"type": "array", "items": _ATTEMPT_WITH_ANSWER})],
    doc="A delivery with what the receiver answered, the first 2 kB of it, values of the webhook's headers masked; for "
    "holders of `change_webhook`.",
)
