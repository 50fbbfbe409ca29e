"""Reads that rules and actions of contract A share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache, reduce
from itertools import chain
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Case, CharField, DateField, OuterRef, QuerySet, Subquery, Value, When

from tandem.academy.models import RECORDS, Attribute, Entity, Lead, Task
from tandem.academy.models.containment import has_value
from tandem.academy.rules.attributes import FILE, FILES_OF, Definition
from tandem.accounts.models import User
from tandem.accounts.queries import has_right
from tandem.common import moments
from tandem.common.reading.statement import Param, Selection, selection
from tandem.common.viewers import Viewer
from tandem.files.keys import owner_in

HAVE_TASKS = (Entity.CLIENT, Entity.STUDENT, Entity.LEAD)


def definitions_of(entity: Entity) -> list[Definition]:
    """The attributes that an entity has now, in their order. One query."""
    return [
        Definition(name, type, bool(is_required), tuple(list_values), moments.site_zone())
        for name, type, is_required, list_values in _definitions().run({"entity": entity.value})
    ]


@cache
def _definitions() -> Selection:
    live = Attribute.objects.filter(entity=Param("entity", CharField()), deleted_at=None)
    columns = ("name", "type", "is_required", "list_values")
    return selection(live.order_by("order", "created_at", "id").values_list(*columns))


def shown_attributes(lead: Lead) -> dict[str, Any]:
    """All attributes that leads have now, with the values of this one; None for none. One query."""
    return {definition.name: lead.attributes.get(definition.name) for definition in definitions_of(Entity.LEAD)}


def records_with_value(attribute: Attribute) -> int:
    """How many records hold a value of an attribute, deleted records (they may come back) included. One query.

    It reads the whole table of the entity: the GIN index answers which records hold a value, not which hold any. A
    second index for this would cost on every write; the question is asked only when the type of an attribute changes.
    """
    return int(_records_of(attribute).filter(attributes__has_key=attribute.name).count())


def records_with_options(attribute: Attribute, options: Iterable[str]) -> int:
    """How many records hold one of these options (at least one is given), deleted ones included. One query.

    On PostgreSQL the GIN index serves it.
    """
    return int(_records_of(attribute).filter(reduce(or_, (has_value(attribute.name, one) for one in options))).count())


def records_with_file(key: str) -> int:
    """How many records, deleted ones included, hold this file in an attribute. One query for each file attribute.

    Those of deleted attributes count: they show their values again when they are defined anew.
    """
    attributes = Attribute.objects.filter(type=FILE)
    return sum(_records_of(one).filter(has_value(one.name, key)).count() for one in attributes)


def files_there(keys: Iterable[str], *, viewer: User) -> set[str]:
    """Which of these keys are files of live records that the viewer may see. Two queries for each kind of record."""
    by_entity: defaultdict[Entity, dict[str, UUID]] = defaultdict(dict)
    for key in keys:
        owner = owner_in(key)
        if owner is not None and owner.entity in FILES_OF and (pk := _uuid(owner.pk)):
            by_entity[Entity(owner.entity)][key] = pk
    found: set[str] = set()
    for entity, asked in by_entity.items():
        if viewer.is_admin or has_right(viewer, f"view_{entity.value}"):
            rows = _live(entity).filter(pk__in=set(asked.values())).values_list("images", flat=True)
            found |= asked.keys() & set(chain.from_iterable(rows))
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _records_of(attribute: Attribute) -> Any:
    return RECORDS[Entity(attribute.entity)]._default_manager.all()


def open_tasks_of(viewer: Viewer) -> QuerySet[Task]:
    """The open tasks that the viewer wrote, and all open ones of leads that the viewer is responsible for.

    Of live records only. Rows carry `record_name` and `overdue`. Its Params: `today`, a day; `sees_client`,
    `sees_service`, `sees_lead`: the entity's own name, or "" for one that the viewer may not see.
    """
    # Two indexed look-ups: with "or" between them PostgreSQL would read every open task there is.
    written = Task.objects.filter(user=viewer.pk, completed=False)
    leads = Lead.objects.live().filter(responsible=viewer.pk)
    # Without asking for the entity (no two records have the same id) the index alone answers.
    on_leads = Task.objects.filter(record__in=leads.values("pk"), completed=False)
    mine = written.values("pk").union(on_leads.values("pk"))
    sees = [Param(f"sees_{entity.value}", CharField(max_length=10)) for entity in HAVE_TASKS]
    today: Any = Param("today", DateField())
    names = (
        When(entity=entity, then=Subquery(_live(entity).filter(pk=OuterRef("record")).values("name")))
        for entity in HAVE_TASKS
    )
    return (
        Task.objects.filter(pk__in=mine, entity__in=sees)
        .annotate(record_name=Case(*names), overdue=Case(When(date__lt=today, then=Value(True)), default=Value(False)))
        .filter(record_name__isnull=False)
    )


def _live(entity: Entity) -> Any:
    return RECORDS[entity]._default_manager.filter(deleted_at=None)
