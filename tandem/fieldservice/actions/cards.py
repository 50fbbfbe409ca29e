"""Writing cards. Contract F §3; CONTRACT §3 "Card"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.db import transaction

from tandem.accounts.models import Role, User
from tandem.common.errors import Conflict, Forbidden, Invalid
from tandem.common.reading.statement import Param, Records
from tandem.common.writing import insert
from tandem.events.changes import change
from tandem.events.record import record
from tandem.fieldservice.actions.visits import hand_over
from tandem.fieldservice.models import Card, Visit

# What a customer does not decide about the own machine, even where customers may register machines themselves. Their
# apps send whole cards, so it is ignored, as what is read-only to everybody.
ADMIN_ONLY = frozenset(
    {"warranty_start_date", "warranty_end_date", "amc_start_date", "amc_end_date", "card_type", "customer", "is_active"}
)


class OpenVisits(Conflict):
    code = "open_visits"
    message = "This machine has open visits. Complete or cancel them first."


def create_card(values: Mapping[str, Any], *, by: User, now: datetime) -> Card:
    """Register a machine. values: checked fields of a card, `customer` an id. Four queries.

    Raises Invalid on `customer` (not a customer) and on dates that contradict, Forbidden when a customer names somebody
    else.
    """
    values = _permitted(values, by=by)
    customer = by if by.role == Role.CUSTOMER else _customer(values.get("customer"))
    _check_dates(values)
    with transaction.atomic():
        card = Card(**{**values, "customer": customer, "created_at": now, "updated_at": now})
        card.customer_name = card.customer_name or customer.name
        insert(card)
        record("card.created", subject=card, actor=by, at=now, after=_known(card, values))
    return card


def change_card(card: Card, values: Mapping[str, Any], *, by: User, now: datetime) -> Card:
    """Change the given fields of a machine. Up to four queries; raises as `create_card`.

    With another customer a name that was the old one's follows, and the open visits become the new one's; their codes
    become void, for they went to the old one's phone. Up to six queries then, and two for each visit and code.
    """
    values = dict(_permitted(values, by=by))
    with transaction.atomic():
        card = Card.objects.select_for_update(of=("self",), no_key=True).get(pk=card.pk)
        if values.get("customer") == card.customer_id:
            del values["customer"]  # a whole card that comes back; whoever owns it may be a worker by now
        gets_another = "customer" in values
        if gets_another:
            values["customer"] = _customer(values["customer"])
            if card.customer_name == card.customer.name:
                values.setdefault("customer_name", "")
        if values.get("customer_name") == "":
            values["customer_name"] = (values.get("customer") or card.customer).name
        _check_dates({**_dates_of(card), **values})
        before, after = change(card, at=now, **values)
        voided = hand_over(card, to=card.customer, by=by, now=now) if gets_another else []
        if after:
            facts = {"codes_voided": voided} if voided else {}
            record("card.updated", subject=card, actor=by, at=now, before=before, after=after, **facts)
    return card


def delete_card(card: Card, *, by: User, now: datetime) -> None:
    """Take a machine out of every list; it can be restored. Raises OpenVisits. Four queries."""
    with transaction.atomic():
        # Booking locks the same row, so no visit can be booked between the look and the deletion.
        card = Card.objects.select_for_update(of=("self",), no_key=True).get(pk=card.pk)
        open_visits = list(Visit.objects.open().filter(card=card).order_by("pk").values_list("pk", flat=True)[:50])
        if open_visits:
            raise OpenVisits(visits=open_visits)
        card.mark_deleted(now=now)
        record("card.deleted", subject=card, actor=by, at=now)


def restore_card(card: Card, *, by: User, now: datetime) -> None:
    """Bring a deleted machine back. Two queries; restoring one that is not deleted changes nothing."""
    with transaction.atomic():
        card = Card.objects.select_for_update(of=("self",), no_key=True).get(pk=card.pk)
        if card.deleted_at is None:
            return
        card.mark_restored()
        record("card.restored", subject=card, actor=by, at=now)


def _permitted(values: Mapping[str, Any], *, by: User) -> Mapping[str, Any]:
    if by.role == Role.ADMIN:
        return values
    if values.get("customer") not in (None, by.pk):
        raise Forbidden("You can register machines for yourself only.")
    return {name: value for name, value in values.items() if name not in ADMIN_ONLY}


def _customer(pk: int | None) -> User:
    customer = _customers().first(pk=pk) if pk is not None else None
    if customer is None:
        raise Invalid.on("customer", "This is not a customer. Give the id of a user with the role customer.")
    return customer


@cache
def _customers() -> Records[User]:
    return Records(User.objects.filter(pk=Param("pk"), role=Role.CUSTOMER))


def _dates_of(card: Card) -> dict[str, Any]:
    names = ("warranty_start_date", "warranty_end_date", "amc_start_date", "amc_end_date")
    return {name: getattr(card, name) for name in names}


def _check_dates(values: Mapping[str, Any]) -> None:
    for kind in ("warranty", "amc"):
        starts_on, ends_on = values.get(f"{kind}_start_date"), values.get(f"{kind}_end_date")
        if starts_on and ends_on and ends_on < starts_on:
            raise Invalid.on(f"{kind}_end_date", "This day lies before the start.")


def _known(card: Card, values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "customer": card.customer_id, "customer_name": card.customer_name, "model": card.model}
