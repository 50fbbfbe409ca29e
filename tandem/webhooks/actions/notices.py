"""From events to notices: the outbox of webhooks, written in the transaction of the change. CONTRACT §6.

A notice keeps the record as the API shows it at that moment. So what is told is what was so, however late it is told;
a change that is rolled back tells nothing, and one that is committed is never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db.models import CharField

from tandem.common.endpoint import written
from tandem.common.hints import announce
from tandem.common.reading.many import read_many
from tandem.common.reading.statement import Param, Selection, selection
from tandem.common.writing import insert
from tandem.events.models import Event
from tandem.webhooks import registry
from tandem.webhooks.models import Notice, Webhook
from tandem.webhooks.registry import CREATED, DELETED, RESTORED, Told

AT_ONCE = 500  # notices that one statement writes


def follow(events: Sequence[Event]) -> None:
    """Leave notices of events that some active webhook listens to. Belongs into the transaction of the change.

    One query for each kind of record that may be told of, where nobody listens; else two more for up to 500 of them.
    """
    by_kind: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_kind[event.subject_type].append(event)
    for subject, some in by_kind.items():
        told = registry.by_subject(subject)
        if told is not None:
            _leave_notices(told, [event for event in some if _is_a_change(told, event)])


def _is_a_change(told: Told, event: Event) -> bool:
    """A wrong code, say, is an event of a visit and changes nothing of it."""
    return bool(event.before or event.after) or told.kind_of(event.type) in (CREATED, DELETED, RESTORED)


def _leave_notices(told: Told, events: Sequence[Event]) -> None:
    listeners = _listeners(told.model) if events else {}
    heard = [event for event in events if _hearing(listeners, told.kind_of(event.type))]
    if heard:
        announce()
    if len(heard) == 1:
        event = heard[0]
        insert(_notice(told, event, written(told.shows, event.subject_id), listeners))
    elif heard:
        texts = read_many(told.shows, [event.subject_id for event in heard])
        notices = [_notice(told, event, texts[event.subject_id], listeners) for event in heard]
        Notice.objects.bulk_create(notices, batch_size=AT_ONCE)


def _notice(told: Told, event: Event, text: str, listeners: Mapping[str, Sequence[str]]) -> Notice:
    kind = told.kind_of(event.type)
    return Notice(
        sequence=event.pk,
        model=told.model,
        type=told.type_of(event.type),
        kind=kind,
        record=event.subject_id,
        at=event.at,
        data=text,
        previous=event.before,
        webhooks=_hearing(listeners, kind),
    )


def _hearing(listeners: Mapping[str, Sequence[str]], kind: str) -> list[str]:
    wanted = CREATED if kind == RESTORED else kind
    return [webhook for webhook, events in listeners.items() if wanted in events]


def _listeners(model: str) -> dict[str, Sequence[str]]:
    """The active webhooks of a kind of record: id → the events that they listen to. One query."""
    return {str(pk): events for pk, events in _statement().run({"model": model})}


@cache
def _statement() -> Selection:
    of_model: Any = Param("model", CharField())
    return selection(Webhook.objects.active().filter(model=of_model).order_by("created_at").values_list("pk", "events"))
