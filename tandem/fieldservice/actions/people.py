"""What a change of a person means for machines and visits. It follows the person's own event, in its transaction."""

from __future__ import annotations

from collections.abc import Sequence

from tandem.accounts.models import Role
from tandem.events.changes import change
from tandem.events.models import Event
from tandem.events.record import record
from tandem.fieldservice.actions.visits import take_off, void_codes_of
from tandem.fieldservice.models import Card


def follow(events: Sequence[Event]) -> None:
    """No query for events of anything else than people, nor for what means nothing here."""
    for event in events:
        if event.subject_type == "user" and event.before:
            _follow(event)


def _follow(event: Event) -> None:
    pk, before, after = int(event.subject_id), event.before, event.after
    if "name" in before:  # first: everybody locks cards before visits
        _rename(pk, before["name"], after["name"], event)
    if "phone" in before:
        void_codes_of(pk, by=event.actor, now=event.at)
    if after.get("is_active") is False or before.get("role") == Role.WORKER:
        take_off(pk, by=event.actor, now=event.at)


def _rename(customer: int, old: str, new: str, event: Event) -> None:
    """Cards that were called by their owner's name still are. One query, and two for each card."""
    cards = Card.objects.filter(customer=customer, customer_name=old).order_by("pk")
    for card in cards.select_for_update(of=("self",), no_key=True):
        before, after = change(card, at=event.at, customer_name=new)
        record("card.updated", subject=card, actor=event.actor, at=event.at, before=before, after=after)
