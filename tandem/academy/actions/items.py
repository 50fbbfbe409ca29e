"""Writing tasks and notes: whole lists, and one item at a time. Contract A §2; CONTRACT §4 "Tasks and notes".

Whoever writes holds the lock of the record's row, so whole-list writes and single ones stand in one order, and each
event tells what really changed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q

from tandem.academy.models import Entity, Note, Task
from tandem.academy.rules.items import MOST_ITEMS, Item, replaced
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound
from tandem.events.changes import change
from tandem.events.record import plain

TASKS, NOTES = "list_of_tasks", "list_of_notes"
Row = Task | Note
_MODELS: dict[str, type[Row]] = {TASKS: Task, NOTES: Note}


class NoSuchItem(NotFound):
    code = "no_such_item"
    message = "This record has no such task or note."


class TooManyItems(Conflict):
    code = "too_many_items"
    message = f"A record can have {MOST_ITEMS} tasks and as many notes. Delete some first."


class Lists:
    """Replaces lists of tasks and notes of any number of records, whose rows are locked: what is to be written is
    gathered, and written at once. Each record takes part once."""

    def __init__(self, entity: Entity, *, by: User, now: datetime) -> None:
        self._entity, self._by, self._now = entity, by, now
        self._stored: dict[type[Row], dict[UUID, list[Any]]] = {Task: {}, Note: {}}
        self._dropped: dict[type[Row], list[UUID]] = {Task: [], Note: []}
        self._changed: dict[type[Row], list[Any]] = {Task: [], Note: []}
        self._fresh: dict[type[Row], list[Any]] = {Task: [], Note: []}

    def read(self, records: Mapping[UUID, Mapping[str, Any]]) -> None:
        """Read the items that will be replaced. records: id → values, as for `replace`. One query for each kind."""
        for key, model in _MODELS.items():
            wanted = [pk for pk, values in records.items() if values.get(key) is not None]
            found: defaultdict[UUID, list[Any]] = defaultdict(list)
            if wanted:
                for row in _ordered(model).filter(record__in=wanted):
                    found[row.record].append(row)
            self._stored[model] |= found

    def replace(self, record: UUID, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Replace the lists that were given; absent ones stay. Gives (before, after) of the lists that change.

        values: may hold `list_of_tasks` and `list_of_notes`, lists of checked items. No query. Raises Invalid on the
        list; then nothing of this record will be written.
        """
        plans = {
            key: self._planned(model, key, record, values[key])
            for key, model in _MODELS.items()
            if values.get(key) is not None
        }
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for key, plan in plans.items():
            model = _MODELS[key]
            self._dropped[model] += plan.dropped
            self._changed[model] += plan.changed
            self._fresh[model] += plan.fresh
            if plan.old != plan.new:
                before[key], after[key] = plan.old, plan.new
        return before, after

    def write(self) -> None:
        """Up to three queries for each kind of item."""
        for model in _MODELS.values():
            manager: Any = model._default_manager
            if self._dropped[model]:
                manager.filter(pk__in=self._dropped[model]).delete()
            if self._changed[model]:
                manager.bulk_update(self._changed[model], ["position", *_fields(model)])
            if self._fresh[model]:
                manager.bulk_create(self._fresh[model])

    def _planned(self, model: type[Row], field: str, record: UUID, given: Sequence[Mapping[str, Any]]) -> _Planned:
        text = _text_of(model)
        for item in given:
            if not (item.get(text) or "").strip():
                raise Invalid.on(field, f"Every item needs its `{text}`.")
        stored: dict[UUID, Any] = {row.pk: row for row in self._stored[model].get(record, ())}
        has_day = model is Task
        known = [Item(row.pk, getattr(row, text), row.date if has_day else None) for row in stored.values()]
        sent = [Item(item.get("id"), item[text], item.get("date") if has_day else None) for item in given]
        plan = replaced(known, sent, field=field)
        planned = _Planned([as_told(row) for row in stored.values()], dropped=plan.dropped)
        for position, (takes, item) in enumerate(zip(plan.takes, given, strict=True)):
            if takes is None:
                row = _made(model, self._entity, record, item, position, by=self._by, now=self._now)
                planned.fresh.append(row)
            else:
                row = stored[takes]
                if _set(row, {**_values(model, item), "position": position}):
                    planned.changed.append(row)
            planned.new.append(as_told(row))
        return planned


@dataclass
class _Planned:
    """old, new: the list before and after, as events keep it. dropped: ids; changed, fresh: rows to be written."""

    old: list[Any]
    new: list[Any] = field(default_factory=list)
    dropped: list[UUID] = field(default_factory=list)
    changed: list[Any] = field(default_factory=list)
    fresh: list[Any] = field(default_factory=list)


def write_lists(
    entity: Entity, record: UUID, values: Mapping[str, Any], *, by: User, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Replace the lists that were given; absent ones stay. Gives (before, after) of the lists that changed.

    values: may hold `list_of_tasks` and `list_of_notes`, lists of checked items. Up to four queries for each list.
    Raises Invalid on the list.
    """
    lists = Lists(entity, by=by, now=now)
    lists.read({record: values})
    told = lists.replace(record, values)
    lists.write()
    return told


def add_item(
    model: type[Row], entity: Entity, record: UUID, values: Mapping[str, Any], *, by: User, now: datetime
) -> dict[str, Any]:
    """Add one to the end of the list; gives it as events show it. Two queries.

    Raises TooManyItems, and Invalid on the text.
    """
    text = _text_of(model)
    if not (values.get(text) or "").strip():
        raise Invalid.on(text, "This field is required.")
    # The record's row is locked, so none of two who add at the same time sees a number that is no longer so.
    stored = _rows(model, record).aggregate(count=Count("*"), last=Max("position"))
    if stored["count"] >= MOST_ITEMS:
        raise TooManyItems
    position = 0 if stored["last"] is None else stored["last"] + 1
    row = _made(model, entity, record, values, position, by=by, now=now)
    row.save(force_insert=True)
    return as_told(row)


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
    before = as_told(row)
    change(row, **{name: values[name] for name in _fields(model) if name in values})
    return before, as_told(row)


def delete_item(model: type[Row], record: UUID, pk: UUID) -> tuple[dict[str, Any], int]:
    """Delete one item; gives what it was, and how many stood before it. Three queries. Raises NoSuchItem."""
    row = _item(model, record, pk)
    gone = as_told(row)
    earlier = Q(position__lt=row.position) | Q(position=row.position, id__lt=row.pk)
    place = _rows(model, record).filter(earlier).count()
    row.delete()
    return gone, place


def _item(model: type[Row], record: UUID, pk: UUID) -> Any:
    found = _rows(model, record).filter(pk=pk).first()
    if found is None:
        raise NoSuchItem
    return found


def _rows(model: type[Row], record: UUID) -> Any:
    return _ordered(model).filter(record=record)


def _ordered(model: type[Row]) -> Any:
    return model._default_manager.select_related("user").order_by("position", "id")


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


def as_told(row: Any) -> dict[str, Any]:
    """An item as events keep it, with the keys that the API shows."""
    fields = {name: plain(getattr(row, name)) for name in _fields(type(row))}
    author = {"user_id": row.user_id, "user_name": row.user.name if row.user else None}
    return {"id": str(row.pk), **fields, "date_created": plain(row.date_created), **author}
