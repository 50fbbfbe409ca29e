"""Recording what happened, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db import connection, models

from tandem.common import context, moments
from tandem.common.writing import insert
from tandem.events.models import Event

AT_ONCE = 1000  # events that one statement writes

# Each is called with the events that were just written, in the transaction of their change, behind its last write to
# the record. Filled at start-up by config, which knows those who want to hear.
followers: list[Callable[[Sequence[Event]], None]] = []


def record(
    type: str,
    *,
    subject: models.Model,
    at: datetime,
    actor: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Event:
    """Write the event of a change. `type` is `<subject>.<past participle>`; its first word names the subject.

    before / after: the changed fields (see `change`). actor: None when the product itself acted. One query, and those
    of the followers. Call it behind the last write of the change: followers look at the record as it is then.
    Raises RuntimeError outside a transaction: an event and its change are written together or not at all.
    """
    _refuse_outside_of_transactions(type)
    event = new_event(type, subject=subject, at=at, actor=actor, before=before, after=after, **facts)
    insert(event)
    _tell([event])
    return event


def record_all(events: Sequence[Event]) -> None:
    """As `record`, for the events of one change to many records (`new_event`). A query for each thousand of them."""
    if not events:
        return
    _refuse_outside_of_transactions(events[0].type)
    Event.objects.bulk_create(events, batch_size=AT_ONCE)
    _tell(events)


def _refuse_outside_of_transactions(type: str) -> None:
    if not connection.in_atomic_block:
        raise RuntimeError(f"{type}: an event is recorded in the transaction of its change")


def _tell(events: Sequence[Event]) -> None:
    for follower in followers:
        follower(events)


def new_event(
    type: str,
    *,
    subject: models.Model,
    at: datetime,
    actor: models.Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **facts: Any,
) -> Event:
    """The event that `record` would write, not yet saved: for `record_all`."""
    return Event(
        type=type,
        at=at,
        subject_type=type.partition(".")[0],
        subject_id=str(subject.pk),
        actor=actor,  # type: ignore[misc]
        request_id=context.request_id.get(),
        before=plain(before or {}),
        after=plain(after or {}),
        facts=plain(facts),
    )


def plain(value: Any) -> Any:
    """A value in the shapes of the API's JSON: moments in UTC, days, times of day as HH:MM, decimals of two places and
    ids as text.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return moments.iso(value)
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, models.Model):
        return plain(value.pk)
    if value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, time):
        return value.isoformat("minutes")
    return value.isoformat() if isinstance(value, date) else str(value)
