"""Writing tasks and notes: whole lists, and one item at a time. Contract A §2; CONTRACT §4 "Tasks and notes".

Whoever writes holds the lock of the record's row, so whole-list writes and single ones stand in one order, and each
event tells what really changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from tandem.academy.models import Entity, Note, Task
from tandem.academy.rules.items import Item, replaced
from tandem.accounts.models import User
from tandem.common.errors import Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import plain

TASKS, NOTES = "list_of_tasks", "list_of_notes"
Row = Task | Note


class NoSuchItem(NotFound):
    code = "no_such_item"
    message = "This record has no such task or note."


def write_lists(
    entity: Entity, record: UUID, values: Mapping[str, Any], *, by: User, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Replace the lists that were given; absent ones stay. Gives (before, after) of the lists that changed.

    values: may hold `list_of_tasks` and `list_of_notes`, lists of checked items. Up to four queries for each list.
    Raises Invalid on the list.
    """
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for field, model in ((TASKS, Task), (NOTES, Note)):
        if values.get(field) is None:
            continue
        old, new = _replace(model, field, entity, record, values[field], by=by, now=now)
        if old != new:
            before[field], after[field] = old, new
    return before, after


def _replace(
    model: type[Row],
    field: str,
    entity: Entity,
    record: UUID,
    given: Sequence[Mapping[str, Any]],
    *,
    by: User,
    now: datetime,
) -> tuple[list[Any], list[Any]]:
    text = _text_of(model)
    for item in given:
        if not (item.get(text) or "").strip():
            raise Invalid.on(field, f"Every item needs its `{text}`.")
    stored: dict[UUID, Any] = {row.pk: row for row in _rows(model, record)}
    old = [_shown(row) for row in stored.values()]
    has_day = model is Task
    known = [Item(row.pk, getattr(row, text), row.date if has_day else None) for row in stored.values()]
    sent = [Item(item.get("id"), item[text], item.get("date") if has_day else None) for item in given]
    plan = replaced(known, sent, field=field)
    new: list[Any] = []
    fresh: list[Any] = []
    changed: list[Any] = []
    for position, (takes, item) in enumerate(zip(plan.takes, given, strict=True)):
        if takes is None:
            row = _made(model, entity, record, item, position, by=by, now=now)
            fresh.append(row)
        else:
            row = stored[takes]
            if _set(row, {**_values(model, item), "position": position}):
                changed.append(row)
        new.append(_shown(row))
    manager: Any = model._default_manager
    if plan.dropped:
        manager.filter(pk__in=plan.dropped).delete()
    if changed:
        manager.bulk_update(changed, ["position", *_fields(model)])
    if fresh:
        manager.bulk_create(fresh)
    return old, new


def add_item(
    model: type[Row], entity: Entity, record: UUID, values: Mapping[str, Any], *, by: User, now: datetime
) -> dict[str, Any]:
    """Add one to the end of the list; gives it as events show it. Two queries. Raises Invalid on the text."""
    text = _text_of(model)
    if not (values.get(text) or "").strip():
        raise Invalid.on(text, "This field is required.")
    last = _rows(model, record).aggregate(last=Max("position"))["last"]
    row = _made(model, entity, record, values, 0 if last is None else last + 1, by=by, now=now)
    row.save(force_insert=True)
    return _shown(row)


def change_item(
    model: type[Row], record: UUID, pk: UUID, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change the given fields of one item. Gives (before, after), alike when nothing differs. Two queries.

    Raises NoSuchItem, and Invalid on an empty text.
    """
    text = _text_of(model)
    if text in values and not (values[text] or "").strip():
        raise Invalid.on(text, "This field may not be blank.")
    row = _item(model, record, pk)
    before = _shown(row)
    change(row, **{name: values[name] for name in _fields(model) if name in values})
    return before, _shown(row)


def delete_item(model: type[Row], record: UUID, pk: UUID) -> dict[str, Any]:
    """Delete one item; gives what it was. Two queries. Raises NoSuchItem."""
    row = _item(model, record, pk)
    gone = _shown(row)
    row.delete()
    return gone


def _item(model: type[Row], record: UUID, pk: UUID) -> Any:
    found = _rows(model, record).filter(pk=pk).first()
    if found is None:
        raise NoSuchItem
    return found


def _rows(model: type[Row], record: UUID) -> Any:
    return model._default_manager.filter(record=record).order_by("position", "id")


def _made(
    model: type[Row], entity: Entity, record: UUID, item: Mapping[str, Any], position: int, *, by: User, now: datetime
) -> Any:
    values = _values(model, item)
    if model is Note and values.get("date") is None:
        values["date"] = now
    return model(id=uuid.uuid4(), entity=entity, record=record, position=position, user=by, date_created=now, **values)


def _values(model: type[Row], item: Mapping[str, Any]) -> dict[str, Any]:
    """The writable fields that an item gives. A note keeps its moment when none is given."""
    given = {name: item[name] for name in _fields(model) if name in item}
    if model is Note and given.get("date", ...) is None:
        del given["date"]
    return given


def _set(row: Any, values: Mapping[str, Any]) -> bool:
    differs = False
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
            differs = True
    return differs


def _fields(model: type[Row]) -> tuple[str, ...]:
    return ("task", "date", "completed") if model is Task else ("note", "date")


def _text_of(model: type[Row]) -> str:
    return "task" if model is Task else "note"


def _shown(row: Any) -> dict[str, Any]:
    """An item as events keep it."""
    fields = {name: plain(getattr(row, name)) for name in _fields(type(row))}
    return {"id": str(row.pk), **fields, "user_id": row.user_id, "date_created": plain(row.date_created)}
