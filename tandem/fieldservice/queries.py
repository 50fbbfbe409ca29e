"""Reads across tables that rules, actions and answers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from functools import cache
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from tandem.accounts.models import Role, User
from tandem.common.reading.answer import Answer, Day, Flag, Nested
from tandem.common.reading.statement import Param, Selection, selection
from tandem.fieldservice.models import Attendance, AttendanceStatus, Card, ServiceType, Visit, VisitStatus
from tandem.fieldservice.rules.warranty import FreeDay, Warranty, next_free_day

# Of people: who may be sent to visits.
ACTIVE_WORKER = Q(role=Role.WORKER, is_active=True)


def free_visits() -> QuerySet[Any, Any]:
    """Every visit that uses up the entitlement: free and not cancelled, open ones too, with its day as `free_on`."""
    return (
        Visit.objects.filter(service_type=ServiceType.FREE)
        .exclude(status=VisitStatus.CANCELLED)
        .annotate(free_on=Coalesce("completed_on", "day"))
    )


_FREE_DAY = Answer(
    "_FreeDay",
    Visit,
    [
        Day("on", source="free_on"),
        Flag(
            "by_rule",
            source=lambda: Case(
                When(service_type_forced=True, then=Value(False)), default=True, output_field=BooleanField()
            ),
        ),
    ],
)

# The free days of a card, read along with the card.
FREE_DAYS = Nested(
    "free_days", answer=_FREE_DAY, rows=lambda: free_visits().filter(card=OuterRef("pk")).order_by("free_on", "id")
)


def next_free_service_date(
    *, starts_on: date | None, ends_on: date | None, card_type: str, free_days: Iterable[Mapping[str, Any]], today: date
) -> date | None:
    """The next day, from today on, on which a visit to this card would be free; None when none is left."""
    warranty = Warranty(starts_on, ends_on, card_type)
    return next_free_day(warranty, free_days=free_days_read(free_days), since=today)


def free_days_read(rows: Iterable[Mapping[str, Any]]) -> tuple[FreeDay, ...]:
    """The rule's view of `FREE_DAYS`, as it was read."""
    return tuple(FreeDay(date.fromisoformat(row["on"]), by_rule=row["by_rule"]) for row in rows)


def warranty_of(card: Card) -> Warranty:
    return Warranty(card.warranty_start_date, card.warranty_end_date, card.card_type)


def free_days_of(card: Card, *, without: Visit | None = None) -> tuple[FreeDay, ...]:
    """The free days of a card, for a decision on another visit than `without`. One query.

    To decide by it, hold the lock of the card's row: only then can no other booking use the entitlement meanwhile.
    """
    rows = _free_days_of().run({"card": card.pk, "without": without.pk if without is not None else 0})
    return tuple(FreeDay(on, by_rule=not forced) for on, forced in rows)


@cache
def _free_days_of() -> Selection:
    # No visit has the id 0.
    visits = free_visits().filter(card=Param("card")).exclude(pk=Param("without"))
    return selection(visits.values_list("free_on", "service_type_forced"))


def free_days_of_cards(cards: Iterable[int]) -> dict[int, dict[int, FreeDay]]:
    """The free days of some cards: card id → visit id → day; cards without one are missing. One query."""
    rows = free_visits().filter(card__in=list(cards)).values_list("card", "pk", "free_on", "service_type_forced")
    found: dict[int, dict[int, FreeDay]] = {}
    for card, visit, on, forced in rows:
        found.setdefault(card, {})[visit] = FreeDay(on, by_rule=not forced)
    return found


def worker_absent(worker_id: int, on: date) -> bool:
    """Say whether an admin marked this worker absent on that day; without a mark he or she is there. One query."""
    return Attendance.objects.filter(user=worker_id, date=on, status=AttendanceStatus.ABSENT).exists()


def attendance_of(worker_id: int, on: date) -> str | None:
    """How somebody is marked on a day; None when nobody has marked him or her. One query."""
    return Attendance.objects.filter(user=worker_id, date=on).values_list("status", flat=True).first()


def attendance_on(day: date) -> list[dict[str, Any]]:
    """Every active worker, and whoever else is marked, with the mark of that day or None; by name. One query."""
    marks = Attendance.objects.filter(user=OuterRef("pk"), date=day)
    people = User.objects.filter(ACTIVE_WORKER | Q(Exists(marks)))
    rows = people.annotate(user_id=F("pk"), user_name=F("name"), status=Subquery(marks.values("status")))
    shown: list[Any] = list(rows.order_by("name", "pk").values("user_id", "user_name", "status"))
    return shown
