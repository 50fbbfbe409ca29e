"""Defining attributes: the fields that users add to clients, students, leads and follow-ups. Contract A §1."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from tandem.academy.models import Attribute, Entity
from tandem.academy.queries import records_with_options, records_with_value
from tandem.academy.rules.attributes import LIST, check_name, check_options
from tandem.accounts.models import User
from tandem.common.constraints import refused_by
from tandem.common.errors import Conflict, Invalid, NotFound
from tandem.common.writing import insert
from tandem.events.changes import change
from tandem.events.record import record

_CHANGEABLE = ("label", "type", "is_required", "list_values", "description", "order")


class AttributeInUse(Conflict):
    code = "attribute_in_use"
    message = "Records hold values of this attribute, so its type stays as it is."


class OptionInUse(Conflict):
    code = "option_in_use"
    message = "Records hold options that are to be removed. Give these records another value first."


def create_attribute(entity: Entity, values: Mapping[str, Any], *, by: User, now: datetime) -> Attribute:
    """Define an attribute. A deleted one of the same name comes back as it is defined now, with the stored values.

    values: `name`, `type` and what else was given of an attribute. Up to four queries. Raises Invalid,
    AttributeInUse when the stored values are of another type, and OptionInUse.
    """
    name = values["name"]
    check_name(entity.value, name)
    given = {"label": name, "list_values": []} | {key: values[key] for key in _CHANGEABLE if key in values}
    check_options(given["type"], given["list_values"])
    taken = Invalid.on("name", "There is an attribute of this name already.")
    with refused_by(Attribute, "one_attribute_per_entity_and_name", taken), transaction.atomic():
        stored = Attribute.objects.select_for_update(no_key=True).filter(entity=entity, name=name).first()
        if stored is None:
            made = Attribute(id=uuid.uuid4(), entity=entity, name=name, created_at=now, updated_at=now, **given)
            insert(made)
            record("attribute.created", subject=made, actor=by, at=now, after={"entity": entity, "name": name, **given})
            return made
        if stored.deleted_at is None:
            raise taken
        _refuse_in_use(stored, given["type"], given["list_values"])
        fresh = {"is_required": False, "description": "", "order": 0, **given}
        before, after = change(stored, at=now, **fresh)
        stored.mark_restored()
        record("attribute.restored", subject=stored, actor=by, at=now, before=before, after=after)
    return stored


def change_attribute(attribute: Attribute, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay, the name always does. Up to four queries.

    Raises Invalid on `list_values`, AttributeInUse and OptionInUse, both with the count of records.
    """
    given = {key: values[key] for key in _CHANGEABLE if key in values}
    with transaction.atomic():
        locked = _locked(attribute)
        type, options = given.get("type", locked.type), given.get("list_values", locked.list_values)
        check_options(type, options)
        _refuse_in_use(locked, type, options)
        before, after = change(locked, at=now, **given)
        if after:
            record("attribute.updated", subject=locked, actor=by, at=now, before=before, after=after)


def delete_attribute(attribute: Attribute, *, by: User, now: datetime) -> None:
    """Take an attribute away. The stored values stay, hidden, and come back with it. Three queries."""
    with transaction.atomic():
        locked = _locked(attribute)
        locked.mark_deleted(now=now)
        record("attribute.deleted", subject=locked, actor=by, at=now)


def _locked(attribute: Attribute) -> Attribute:
    found = Attribute.objects.live().select_for_update(no_key=True).filter(pk=attribute.pk).first()
    if found is None:
        raise NotFound
    return found


# On PostgreSQL a value that somebody stores in this very moment is not seen. It is kept and shown as it is, and may be
# sent back unchanged; only to make every write of a record wait for definitions would shut that out.
def _refuse_in_use(stored: Attribute, type: str, options: Sequence[str]) -> None:
    if type != stored.type:
        count = records_with_value(stored)
        if count:
            raise AttributeInUse(count=count)
    elif type == LIST:
        removed = [option for option in stored.list_values if option not in options]
        count = records_with_options(stored, removed) if removed else 0
        if count:
            raise OptionInUse(count=count)
