"""What the reports and the export read. Contract F §9; CONTRACT §3 "Reports"."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from tandem.common.reading.answer import LeftOut
from tandem.common.reading.statement import Param, adapted, replica
from tandem.common.viewers import Viewer
from tandem.fieldservice.models import Card, CardType, Visit
from tandem.fieldservice.queries import free_days_read, free_visits
from tandem.fieldservice.rules.warranty import Warranty, first_free_day_within

# The span of days that a report is about; its values are filled in when a statement runs.
FIRST = Param("first", models.DateField())
LAST = Param("last", models.DateField())

ROWS_AT_ONCE = 500


def span(first: date, last: date) -> dict[str, Any]:
    """The values of FIRST and LAST."""
    return {"first": adapted(first, models.DateField()), "last": adapted(last, models.DateField())}


def warranty_candidates(viewer: Viewer) -> QuerySet[Any, Any]:
    """The cards that a warranty report may show: warranty and span overlap, or a free visit lies in the span.

    Whether a card is in the report is said by the rule alone (`free_from`); this only spares it the hopeless ones.
    """
    covered = Q(warranty_start_date__lte=LAST, warranty_end_date__gte=FIRST) & ~Q(card_type=CardType.OTHER_MAKE)
    return Card.objects.visible_to(viewer).filter(covered | Q(Exists(_booked())))


def free_from(
    *,
    starts_on: date | None,
    ends_on: date | None,
    card_type: str,
    free_days: Iterable[Mapping[str, Any]],
    first: date,
    last: date,
) -> date | None:
    """The first day of the span on which a visit would be free, today's date regardless; None when only the booked
    free visit is in it. Raises LeftOut when there is neither.
    """
    days = free_days_read(free_days)
    day = first_free_day_within(Warranty(starts_on, ends_on, card_type), free_days=days, first=first, last=last)
    if day is None and not any(first <= free.on <= last for free in days):
        raise LeftOut
    return day


def booked_visit() -> Subquery:
    """The free visit of a card that lies in the span, open or completed; the earliest one."""
    return Subquery(_booked().order_by("free_on", "id").values("id")[:1])


def last_free_day() -> Subquery:
    """The day of a card's latest free visit up to the end of the span, a booked one included."""
    visits = free_visits().filter(card=OuterRef("pk"), free_on__lte=LAST)
    return Subquery(visits.order_by("-free_on").values("free_on")[:1])


def _booked() -> QuerySet[Any, Any]:
    return free_visits().filter(card=OuterRef("pk"), free_on__gte=FIRST, free_on__lte=LAST)


def upcoming_visits(viewer: Viewer) -> QuerySet[Any, Any]:
    """The open visits of the span."""
    return Visit.objects.visible_to(viewer).open().filter(day__gte=FIRST, day__lte=LAST)


def exported_visits(columns: Mapping[str, Any], *, first: date | None, last: date | None) -> Iterator[Sequence[Any]]:
    """The visits of a span of days, by day; None is an open end. columns: name → expression. One query.

    Rows come from a cursor of the database, some at a time. An index gives their order, so nothing is sorted in memory.
    """
    visits = Visit.objects.using(replica()).order_by("day", "pk")
    if first is not None:
        visits = visits.filter(day__gte=first)
    if last is not None:
        visits = visits.filter(day__lte=last)
    return visits.annotate(**columns).values_list(*columns).iterator(chunk_size=ROWS_AT_ONCE)
