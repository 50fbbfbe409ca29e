"""The history of one record: its events, newest first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import CharField, QuerySet

from tandem.common.reading.answer import Answer, Json, Moment, Text, Whole
from tandem.common.reading.listing import Listing, Order
from tandem.common.reading.statement import Param
from tandem.common.viewers import Viewer
from tandem.events.models import Event

_VALUES = {"type": "object", "additionalProperties": True}

EVENT = Answer(
    "Event",
    Event,
    [
        Whole("id"),
        Text("type", example="visit.booked"),
        Moment("at"),
        Whole("actor", source="actor_id", null=True),
        Text("actor_name", source="actor__name", null=True),
        Text("request_id"),
        Json("before", shape=_VALUES),
        Json("after", shape=_VALUES),
        Json("facts", shape=_VALUES),
    ],
    doc="One thing that happened to a record. `actor` is null when the product itself acted.",
)


def history_of(
    subject_type: str, *, seen: Callable[[QuerySet[Event], Viewer], QuerySet[Event]] | None = None
) -> Listing:
    """The listing of one kind of record; bind the record with `subject=str(pk)`.

    seen: which of its events a viewer sees who sees the record; left out: all of them.
    """

    def rows(viewer: Viewer) -> QuerySet[Any, Any]:
        subject: Any = Param("subject", CharField(max_length=40))
        events = Event.objects.filter(subject_type=subject_type, subject_id=subject)
        return seen(events, viewer) if seen else events

    return Listing(EVENT, rows, orders={"": Order(("id",), descending=True)})
