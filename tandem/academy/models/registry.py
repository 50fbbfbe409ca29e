"""Which table holds the records that the contract calls by an entity's name."""

from __future__ import annotations

from tandem.academy.models.attributes import Entity
from tandem.academy.models.people import Client, FollowUp, Lead, Student
from tandem.academy.models.record import Described

RECORDS: dict[Entity, type[Described]] = {
    Entity.CLIENT: Client,
    Entity.STUDENT: Student,
    Entity.LEAD: Lead,
    Entity.FOLLOW_UP: FollowUp,
}
