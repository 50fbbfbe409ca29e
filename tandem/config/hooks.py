"""Where the parts of the house are joined: what webhooks may be told of, and who follows whose events."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tandem.academy.api.answers import CLIENT, FOLLOW_UP, LEAD, STUDENT
from tandem.academy.models import Client, Entity, FollowUp, Lead, Student
from tandem.academy.queries import definitions_of
from tandem.accounts.access import FIELD, may
from tandem.events.record import followers
from tandem.fieldservice.actions import people
from tandem.fieldservice.api.answers import CARD, FEEDBACK, VISIT
from tandem.fieldservice.models import Card, Feedback, Visit
from tandem.webhooks import registry
from tandem.webhooks.actions import notices
from tandem.webhooks.registry import Told
from tandem.webhooks.rules.conditions import Kind

_KINDS = {"number": Kind.NUMBER, "boolean": Kind.BOOLEAN, "date": Kind.DATE}


def _attributes(entity: Entity) -> Callable[[], Mapping[str, Kind]]:
    return lambda: {one.name: _KINDS.get(one.type, Kind.ANY) for one in definitions_of(entity)}


# The contract's four first. A visit is told without its entries and a card without its visits: what `data` holds
# changes with the record's own events only.
TOLD = (
    Told("Lead", "lead", LEAD, Lead.objects.visible_to, may("view", "lead"), attributes=_attributes(Entity.LEAD)),
    Told(
        "Client",
        "client",
        CLIENT,
        Client.objects.visible_to,
        may("view", "client"),
        attributes=_attributes(Entity.CLIENT),
    ),
    Told(
        "Service",
        "service",
        STUDENT,
        Student.objects.visible_to,
        may("view", "service"),
        attributes=_attributes(Entity.STUDENT),
    ),
    Told(
        "FollowUp",
        "follow_up",
        FOLLOW_UP,
        FollowUp.objects.visible_to,
        may("view", "followup"),
        attributes=_attributes(Entity.FOLLOW_UP),
    ),
    Told("Visit", "visit", VISIT, Visit.objects.visible_to, FIELD, births=frozenset({"booked"}), keeps_types=True),
    Told("Card", "card", CARD, Card.objects.visible_to, FIELD, keeps_types=True),
    Told(
        "Feedback",
        "feedback",
        FEEDBACK,
        Feedback.objects.visible_to,
        FIELD,
        births=frozenset({"given"}),
        keeps_types=True,
    ),
)


def join() -> None:
    registry.register(TOLD)
    for follower in (notices.follow, people.follow):
        if follower not in followers:
            followers.append(follower)
