"""What writing clients, students and leads has in common: attributes, lists of items, events, deleting, restoring."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db import transaction

from tandem.academy.actions.items import add_item, change_item, delete_item, write_lists
from tandem.academy.models import Entity, Note, Task
from tandem.academy.models.record import Described
from tandem.academy.queries import definitions_of, files_there
from tandem.academy.rules.attributes import NO_SUCH_FILE, merged, new_files
from tandem.accounts.models import User
from tandem.common.errors import Invalid, NotFound
from tandem.common.models import SoftDeleted
from tandem.common.writing import insert
from tandem.events.changes import change
from tandem.events.record import record

Record = TypeVar("Record", bound=Described)
Kept = TypeVar("Kept", bound=SoftDeleted)

_NULL_WHEN_EMPTY = ("moodle_course_id",)  # texts that the API shows so


def create_record(entity: Entity, made: Record, values: Mapping[str, Any], *, by: User, now: datetime) -> Record:
    """Store a new record with its attributes and items, and its event. Belongs into the action's transaction.

    made: the unsaved record with its own fields set. values: the checked body. Three queries and up to three a list.
    Raises Invalid.
    """
    stamp(made, by=by, now=now)
    made.attributes = written_attributes(entity, {}, values.get("attributes"), creating=True, by=by)
    insert(made)
    _, items = write_lists(entity, made.pk, values, by=by, now=now)
    record(f"{entity.value}.created", subject=made, actor=by, at=now, after=told_of_new(made, {**values, **items}))
    return made


def stamp(made: Described, *, by: User, now: datetime) -> None:
    """A new record's id, and who made it and when."""
    made.id, made.created_by, made.created_at, made.updated_at = uuid.uuid4(), by, now, now


def told_of_new(made: Described, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the event of a new record tells: what was given, and the attributes as they are stored.

    values: the checked body, with its lists as they were written.
    """
    after = {name: value for name, value in values.items() if name != "attributes" and value not in (None, [], "")}
    return {**after, "attributes": made.attributes}


def change_record(
    entity: Entity, locked: Record, values: Mapping[str, Any], own: Mapping[str, Any], *, by: User, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change a locked record, its attributes and its lists; one event when anything differs. Gives (before, after).

    own: its own fields with their new values. values: the checked body, for attributes and lists. Raises Invalid.
    """
    own = dict(own)
    if values.get("attributes") is not None:
        given = values["attributes"]
        own["attributes"] = written_attributes(entity, locked.attributes, given, creating=False, by=by)
    before, after = change(locked, at=now, **own)
    if "attributes" in after:
        before["attributes"], after["attributes"] = differing(before["attributes"], after["attributes"])
    items_before, items_after = write_lists(entity, locked.pk, values, by=by, now=now)
    if items_after and not after:
        _touch(locked, now)
    before, after = as_shown(before) | items_before, as_shown(after) | items_after
    if after:
        record(f"{entity.value}.updated", subject=locked, actor=by, at=now, before=before, after=after)
    return before, after


def written_attributes(
    entity: Entity, stored: Mapping[str, Any], given: Mapping[str, Any] | None, *, creating: bool, by: User
) -> dict[str, Any]:
    """The attributes after a write, with files that are there and that the writer may see.

    One query, and two for each kind of record whose files are new here. Raises Invalid on `attributes`.
    """
    definitions = definitions_of(entity)
    after = merged(stored, given, definitions, creating=creating)
    files = new_files(stored, after, definitions)
    there = files_there(files.values(), viewer=by) if files else set()
    if wrong := no_such_files(files, there):
        raise wrong
    return after


def no_such_files(files: Mapping[str, str], there: Collection[str]) -> Invalid | None:
    """The refusal of files, by attribute, that are not there; None when all are."""
    wrong = {name: [NO_SUCH_FILE] for name, key in files.items() if key not in there}
    return Invalid({"attributes": wrong}) if wrong else None


def as_shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Changed fields of a record as the API shows them."""
    return {name: None if value == "" and name in _NULL_WHEN_EMPTY else value for name, value in values.items()}


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the attributes changed, before and after."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}


def lock(model: type[Kept], pk: Any) -> Kept:
    """The live record, its row locked. Raises NotFound. One query."""
    rows: Any = model._default_manager
    found: Kept | None = rows.select_for_update(of=("self",), no_key=True).filter(pk=pk, deleted_at=None).first()
    if found is None:
        raise NotFound
    return found


def add_to(
    entity: Entity,
    owner: Described,
    model: type[Task] | type[Note],
    values: Mapping[str, Any],
    *,
    by: User,
    now: datetime,
) -> None:
    """Add a task or a note to a record. Six queries; raises TooManyItems and Invalid."""

    def write() -> _Written:
        return _Written({}, add_item(model, entity, owner.pk, values, by=by, now=now))

    _on_item(entity, owner, model, write, by=by, now=now)


def change_in(
    entity: Entity,
    owner: Described,
    model: type[Task] | type[Note],
    pk: UUID,
    values: Mapping[str, Any],
    *,
    by: User,
    now: datetime,
) -> None:
    """Change a task or a note of a record. Six queries; raises NoSuchItem and Invalid."""
    _on_item(entity, owner, model, lambda: _Written(*change_item(model, owner.pk, pk, values)), by=by, now=now)


def delete_from(
    entity: Entity, owner: Described, model: type[Task] | type[Note], pk: UUID, *, by: User, now: datetime
) -> None:
    """Delete a task or a note of a record; it stays in the history. Seven queries; raises NoSuchItem."""

    def write() -> _Written:
        gone, place = delete_item(model, owner.pk, pk)
        return _Written(gone, {}, {"place": place})

    _on_item(entity, owner, model, write, by=by, now=now)


class _Written(NamedTuple):
    """One item before and after, empty when it was not there. facts: what else the event tells."""

    old: dict[str, Any]
    new: dict[str, Any]
    facts: Mapping[str, Any] = MappingProxyType({})


def _on_item(
    entity: Entity,
    owner: Described,
    model: type[Task] | type[Note],
    write: Callable[[], _Written],
    *,
    by: User,
    now: datetime,
) -> None:
    """Change one item. The event keeps this item alone: with whole lists a history would grow with their square."""
    key = "list_of_tasks" if model is Task else "list_of_notes"
    with transaction.atomic():
        locked = lock(type(owner), owner.pk)
        old, new, facts = write()
        if old == new:
            return
        _touch(locked, now)
        before, after = ({key: [item] if item else []} for item in (old, new))
        record(f"{entity.value}.updated", subject=locked, actor=by, at=now, before=before, after=after, **facts)


def delete_record(kind: str, locked: SoftDeleted, *, by: User, now: datetime, deletion: UUID | None = None) -> None:
    """Take a locked record out of every list. kind: an Entity, or another first word of events. Two queries.

    deletion: that of the record which takes this one along.
    """
    locked.mark_deleted(now=now, deletion=deletion)
    record(f"{kind}.deleted", subject=locked, actor=by, at=now)


def restore_record(kind: str, locked: SoftDeleted, *, by: User, now: datetime) -> None:
    """Bring a locked record back. Two queries; one that is not deleted stays as it is."""
    if locked.deleted_at is not None:
        locked.mark_restored()
        record(f"{kind}.restored", subject=locked, actor=by, at=now)


def _touch(locked: Described, now: datetime) -> None:
    locked.updated_at = now
    locked.save(update_fields=["updated_at"])
