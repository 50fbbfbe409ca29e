"""From events to notices: the outbox of webhooks, written in the transaction of the change. CONTRACT §6.

A notice keeps the record as the API shows it at that moment. So what is told is what was so, however late it is told;
a change that is rolled back tells nothing, and one that is committed is never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from django.db.models import CharField

from tandem.common.endpoint import written
from tandem.common.hints import announce
from tandem.common.reading.answer import Answer, Nested
from tandem.common.reading.many import read_many
from tandem.common.reading.statement import Param, Selection, selection
from tandem.common.writing import insert
from tandem.events.models import Event
from tandem.webhooks import registry
from tandem.webhooks.models import Notice, Webhook
from tandem.webhooks.registry import CREATED, DELETED, RESTORED, Told
from tandem.webhooks.rules.previous import whole_list

AT_ONCE = 500  # notices that one statement writes


def follow(events: Sequence[Event]) -> None:
    """Leave notices of events that some active webhook listens to. Belongs into the transaction of the change.

    One query for each kind of record that may be told of, where nobody listens; else two more for up to 500 of them,
    and one when attributes have changed.
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
    before = _Before(told.shows, heard)
    if len(heard) == 1:
        event = heard[0]
        insert(_notice(told, event, written(told.shows, event.subject_id), before, listeners))
    elif heard:
        texts = read_many(told.shows, [event.subject_id for event in heard])
        notices = [_notice(told, event, texts[event.subject_id], before, listeners) for event in heard]
        Notice.objects.bulk_create(notices, batch_size=AT_ONCE)


class _Before:
    """The fields that events changed, as the answer showed them before.

    Events keep what is stored, where that lasts and what is shown does not (the key of a file, and a link to it), and
    of a list of items those that differ.
    """

    def __init__(self, answer: Answer, events: Sequence[Event]) -> None:
        """One query when a value of a key changed that the answer amends, however many events."""
        self._lists = [key.name for key in answer.shown if isinstance(key, Nested) and key.many]
        self._computed = {key.name: key for key in answer.computed if len(key.takes) == 1}
        self._amended = {key.name: key for key in answer.amended}
        asked = [key for key in answer.amended if any(key.name in event.before for event in events)]
        self._told: dict[str, Any] = {}
        if asked:
            expressions = {f"a{n}": key.told_json().expression() for n, key in enumerate(asked)}
            rows = answer.model._default_manager.filter(pk=events[0].subject_id)
            row = rows.annotate(**expressions).values_list(*expressions)[0]
            self._told = {key.name: orjson.loads(text) for key, text in zip(asked, row, strict=True) if text}

    def of(self, event: Event, text: str) -> dict[str, Any]:
        """text: the record after the event, as JSON."""
        shown = {name: self._shown(name, value) for name, value in event.before.items()}
        if lists := [name for name in self._lists if name in shown]:
            now, place = orjson.loads(text), event.facts.get("place", 0)
            for name in lists:
                shown[name] = whole_list(now[name], event.before[name], event.after.get(name, []), place=place)
        return shown

    def _shown(self, name: str, value: Any) -> Any:
        if name in self._told:
            return self._amended[name].amend(value, self._told[name])
        if name in self._computed:
            computed = self._computed[name]
            return computed.result(dict.fromkeys(computed.takes, value))
        return value


def _notice(told: Told, event: Event, text: str, before: _Before, listeners: Mapping[str, Sequence[str]]) -> Notice:
    kind = told.kind_of(event.type)
    return Notice(
        sequence=event.pk,
        model=told.model,
        type=told.type_of(event.type),
        kind=kind,
        record=event.subject_id,
        at=event.at,
        data=text,
        previous=before.of(event, text),
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
