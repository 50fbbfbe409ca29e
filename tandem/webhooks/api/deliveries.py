"""Contract A §13, what was sent: deliveries, sending again, trying out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from django.db import models
from django.http import HttpResponse

from tandem.accounts.access import caller
from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.errors import Invalid
from tandem.common.moments import DayOrMoment
from tandem.common.reading.listing import Listing, Order, by_choice, by_text
from tandem.common.reading.query import refuse_backward
from tandem.common.reading.statement import Param, adapted
from tandem.common.rendering import json_answer
from tandem.common.viewers import Viewer
from tandem.webhooks.actions.deliveries import redeliver, redeliver_all
from tandem.webhooks.actions.trials import Preview, preview, send_test
from tandem.webhooks.actions.webhooks import unsaved_webhook
from tandem.webhooks.api.answers import CONDITION, DELIVERY, DELIVERY_WITH_ANSWERS, HEADERS, WEBHOOK
from tandem.webhooks.api.inputs import PreviewIn, RedeliverIn
from tandem.webhooks.api.webhooks import CHANGE, VIEW
from tandem.webhooks.models import Delivery, DeliveryStatus, Webhook

_KEY = models.UUIDField()
_FILTERS = {
    "status": by_choice("status", DeliveryStatus.values, many=True),
    "type": by_text("type"),
    "record": by_text("record"),
}


def _of_webhook(viewer: Viewer) -> Any:
    webhook: Any = Param("webhook", _KEY)
    return Delivery.objects.filter(webhook=webhook)


# Those of one fan-out are made in one instant: their notices' numbers tell which change was later.
_LATEST_CHANGE_FIRST = {"": Order(("created_at", "sequence", "id"), descending=True)}

DELIVERIES = Listing(DELIVERY, _of_webhook, _FILTERS, _LATEST_CHANGE_FIRST)
DELIVERIES_WITH_ANSWERS = Listing(DELIVERY_WITH_ANSWERS, _of_webhook, _FILTERS, _LATEST_CHANGE_FIRST)

_COUNT = {"type": "object", "properties": {"redelivered": {"type": "integer"}}, "required": ["redelivered"]}
_PREVIEW = {
    "type": "object",
    "properties": {
        "fires": {"type": "boolean"},
        "condition_logic": {"type": "string"},
        "conditions": {
            "type": "array",
            "items": {
                **CONDITION,
                "properties": {**CONDITION["properties"], "found": {}, "holds": {"type": "boolean"}},
                "required": [*CONDITION["required"], "found", "holds"],
            },
        },
        "method": {"type": "string"},
        "url": {"type": "string", "examples": ["https://api.external.com/hooks/8d7c2f5e"]},
        "headers": HEADERS,
        "body": {"type": ["object", "null"]},
    },
    "required": ["fires", "condition_logic", "conditions", "method", "url", "headers", "body"],
}


class DeliveryList(Endpoint):
    @operation(VIEW, gives=DELIVERIES)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """What was sent or is to be sent, newest first. Holders of `change_webhook` see what receivers answered."""
        webhook: Any = find(Webhook.objects.live(), pk)
        listing = DELIVERIES_WITH_ANSWERS if CHANGE.allows(request.user) else DELIVERIES
        return self.page(request, listing, webhook=adapted(webhook.pk, _KEY))


class DeliveryAgain(Endpoint):
    # Deliveries have no ETag: If-Match names the webhook, here and below.
    shows, rows = WEBHOOK, Webhook.objects.visible_to

    @operation(CHANGE, gives=DELIVERY_WITH_ANSWERS)
    def post(self, request: Request, pk: Any, delivery: Any) -> HttpResponse:
        """Send a delivery again, with the same id and body."""
        webhook = find(Webhook.objects.live(), pk)
        again = redeliver(webhook, delivery, by=caller(request), now=moments.now())
        return self.record(DELIVERY_WITH_ANSWERS, again.pk)


class DeliveriesAgain(Endpoint):
    shows, rows = WEBHOOK, Webhook.objects.visible_to

    @operation(CHANGE, takes=RedeliverIn, gives=_COUNT)
    def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Send again what was made in a span of time; `status` narrows it to what failed, or was delivered."""
        webhook, now = find(Webhook.objects.live(), pk), moments.now()
        first, last = body["from"], body.get("to") or DayOrMoment(moments.day_of(now), now)
        start = _begin(first)
        refuse_backward(first.day, last.day)
        refuse_backward(start, last.moment)
        status = body.get("status")
        count = redeliver_all(webhook, start=start, end=_end(last), status=status, by=caller(request), now=now)
        return json_answer({"redelivered": count})


class WebhookTest(Endpoint):
    shows, rows = WEBHOOK, Webhook.objects.visible_to

    @operation(CHANGE, gives=DELIVERY_WITH_ANSWERS, apart=True)
    def post(self, request: Request, pk: Any) -> HttpResponse:
        """Send one event of the newest record at once, whatever `is_active` and the conditions say."""
        made = send_test(find(Webhook.objects.live(), pk), by=caller(request), now=moments.now())
        return self.record(DELIVERY_WITH_ANSWERS, made.pk)


class WebhookPreview(Endpoint):
    @operation(VIEW, takes=PreviewIn, gives=_PREVIEW)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """What a webhook, stored or described in the body, would send of a record. Nothing is sent."""
        given = body["webhook"]
        by = caller(request)
        webhook = _described(given, by) if isinstance(given, dict) else _named(given)
        seen = preview(webhook, body["record"], by=by, now=moments.now())
        return json_answer(_shown(seen, webhook))


def _described(given: dict[str, Any], by: User) -> Webhook:
    stored = Webhook.objects.live().filter(pk=given["id"]).first() if "id" in given else None
    return unsaved_webhook(given, by=by, stored=stored)


def _named(pk: Any) -> Webhook:
    found = Webhook.objects.live().filter(pk=pk).first()
    if found is None:
        raise Invalid.unknown("webhook", pk)
    return found


def _begin(given: DayOrMoment) -> Any:
    return given.moment or moments.start_of(given.day)


def _end(given: DayOrMoment) -> Any:
    """The first instant behind: of a day the next one's midnight, of a moment the next second, for none is finer."""
    if given.moment is not None:
        return given.moment.replace(microsecond=0) + timedelta(seconds=1)
    return moments.start_of(given.day + timedelta(days=1))


def _shown(found: Preview, webhook: Webhook) -> dict[str, Any]:
    return {
        "fires": found.fires,
        "condition_logic": webhook.condition_logic,
        "conditions": [
            {
                "field": verdict.condition.field,
                "operator": verdict.condition.operator,
                "value": verdict.condition.value,
                "found": verdict.found,
                "holds": verdict.holds,
            }
            for verdict in found.conditions
        ],
        "method": webhook.method,
        "url": found.url,
        "headers": found.headers,
        "body": orjson.Fragment(found.body) if found.body is not None else None,
    }
