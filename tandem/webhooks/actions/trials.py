"""Trying a webhook out: what it would send, and sending it once. CONTRACT §6 `test/`; the preview is beyond it."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.endpoint import written
from tandem.common.errors import Invalid
from tandem.events.models import Event
from tandem.events.record import record
from tandem.webhooks import registry
from tandem.webhooks.actions.fan_out import body_of
from tandem.webhooks.actions.readers import check_reader, kind_for
from tandem.webhooks.letters import Letter, Outcome, attempt, letter
from tandem.webhooks.models import Delivery, DeliveryStatus, Notice, Webhook
from tandem.webhooks.models.webhook import readable_headers
from tandem.webhooks.outgoing import Client
from tandem.webhooks.registry import Told
from tandem.webhooks.rules.conditions import Condition, Verdict, fires, verdicts
from tandem.webhooks.rules.headers import masked
from tandem.webhooks.rules.placeholders import filled_header, filled_url
from tandem.webhooks.samples import sample


@dataclass(frozen=True)
class Preview:
    """What a webhook would send of a record. headers: masked. body: JSON text; None for GET and DELETE."""

    fires: bool
    conditions: list[Verdict]
    url: str
    headers: dict[str, str]
    body: str | None


def preview(webhook: Webhook, record: str, *, by: User, now: datetime) -> Preview:
    """Look what a webhook, stored or not, would make of a record; nothing is sent or stored. Up to four queries.

    Raises Forbidden for who does not see the records of the kind, Invalid on `record` when the caller sees no such one.
    """
    told = kind_for(webhook.model, by=by)
    pk = _seen(told, record, by)
    text = written(told.shows, pk)
    data = orjson.loads(text)
    rows = [Condition(**row) for row in webhook.conditions]
    judged = verdicts(rows, data, fields=told.fields, zone=moments.site_zone())
    headers = readable_headers(webhook.sealed_headers)
    return Preview(
        fires=fires(judged, webhook.condition_logic),
        conditions=judged,
        url=filled_url(webhook.url, data),
        headers={name: masked(filled_header(value, data)) for name, value in headers.items()},
        body=_body(webhook, told, text, str(pk), uuid.UUID(int=0), now=now) if webhook.has_body else None,
    )


def send_test(webhook: Webhook, *, by: User, now: datetime) -> Delivery:
    """Send one signed event of the newest record, or of a sample one, and keep what came of it. Up to 15 seconds.

    Whatever `is_active` and the conditions say; it is tried once. Never in a transaction. Five queries.
    Raises Forbidden.
    """
    check_reader(webhook, by=by)
    told = registry.by_model(webhook.model)
    pk = _newest(told)
    text = written(told.shows, pk) if pk is not None else orjson.dumps(sample(told.shows)).decode()
    made = Delivery(webhook=webhook, sequence=0, is_test=True, next_attempt_at=now, created_at=now, answered=True)
    made.type, made.record = _type(webhook, told), str(orjson.loads(text)["id"])
    made.body = _body(webhook, told, text, made.record, made.pk, now=now)
    outcome = asyncio.run(_sent(letter(webhook, made.pk, made.body, now=now), at=now))
    made.status = DeliveryStatus.DELIVERED if outcome.is_success else DeliveryStatus.FAILED
    made.attempts, made.tried, made.failures = 1, [outcome.told()], int(not outcome.is_success)
    with transaction.atomic():
        made.save(force_insert=True)
        record("webhook.tested", subject=webhook, actor=by, at=now, delivery=made.pk, status=made.status)
    return made


async def _sent(sent: Letter, *, at: datetime) -> Outcome:
    async with Client() as client:
        return await attempt(client, sent, at=at)


def _seen(told: Told, record: str, by: User) -> Any:
    """The id of a record that the caller sees."""
    try:
        pk = told.shows.model._meta.pk.to_python(record)
        is_there = abs(pk) < 2**63 if isinstance(pk, int) else True
    except Exception:
        is_there = False
    if not is_there or not told.rows(by).filter(pk=pk).exists():
        raise Invalid.unknown("record", record)
    return pk


def _newest(told: Told) -> Any:
    """The id of the newest record that is not deleted; None when there is none."""
    rows = told.shows.model._default_manager.order_by("-created_at", "-pk")
    if any(field.name == "deleted_at" for field in told.shows.model._meta.fields):
        rows = rows.filter(deleted_at=None)
    return rows.values_list("pk", flat=True).first()


def _type(webhook: Webhook, told: Told) -> str:
    """That of the first kind of event which the webhook listens to."""
    word = webhook.events[0]
    return f"{told.subject}.{min(told.births) if word == registry.CREATED else word}"


def _body(webhook: Webhook, told: Told, text: str, pk: str, delivery: UUID, *, now: datetime) -> str:
    """The body of an event that did not happen. Its sequence is that of the record's newest event, 0 without any."""
    events = Event.objects.filter(subject_type=told.subject, subject_id=pk).order_by("-pk")
    notice = Notice(
        sequence=events.values_list("pk", flat=True).first() or 0,
        model=told.model,
        type=_type(webhook, told),
        at=now,
        data=text,
        previous={},
    )
    return body_of(notice, delivery)
