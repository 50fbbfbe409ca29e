"""`?attributes.<name>=<value>`: lists narrowed by user-defined attributes. CONTRACT §4.

A value of type list may be stored alone or within a list of options, so both forms match (models/containment.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from django.db import models
from django.db.models import F, Q

from tandem.academy.models import Entity
from tandem.academy.models.containment import Contains, within
from tandem.academy.queries import definitions_of
from tandem.academy.rules.attributes import WrongValue, typed
from tandem.common.errors import Invalid
from tandem.common.reading.listing import Filter, NotThisType, text_in
from tandem.common.reading.statement import Param

PREFIX = "attributes."
MOST = 20  # parameters of one request


@dataclass(frozen=True)
class AttributeFilter(Filter):
    """All `attributes.…` parameters of a list; each gives two values, the bare one and the one in a list."""

    @property
    def plans_anew(self) -> bool:
        return True  # half of the leads may be hot, and one has this telephone number

    def condition(self, names: Sequence[str]) -> Q:
        holds = [Q(Contains(F("attributes"), Param(name, self.column))) for name in names]
        return reduce(and_, (or_(*pair) for pair in zip(holds[::2], holds[1::2], strict=True)))


def by_attribute(entity: Entity) -> dict[str, Filter]:
    """The filter of an entity's list, under its prefix."""
    schema = {"type": "string"}
    doc = "attributes.<name>=<value>: lists only what has this value."
    return {
        PREFIX: AttributeFilter(
            (), lambda given: _values(entity, given), models.TextField(), schema, doc=doc, family=True
        )
    }


def _values(entity: Entity, given: Mapping[str, str]) -> tuple[str, ...]:
    """One query. Raises Invalid with every parameter that is wrong."""
    if len(given) > MOST:
        raise Invalid.on(PREFIX + next(iter(given)), f"No more than {MOST} attributes at a time, please.")
    defined = {definition.name: definition for definition in definitions_of(entity)}
    values: list[str] = []
    wrong: dict[str, list[str]] = {}
    for name, raw in given.items():
        try:
            if name not in defined:
                raise WrongValue("There is no such attribute.")
            value = typed(defined[name], text_in(raw))
        except (WrongValue, NotThisType) as refused:
            wrong[PREFIX + name] = [str(refused)]
            continue
        values += within(name, value)
    if wrong:
        raise Invalid(wrong)
    return tuple(values)
