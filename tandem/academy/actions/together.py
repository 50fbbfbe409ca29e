"""Creating and changing many records of one kind at once, in a number of statements that does not grow with them.

What a record may be is decided by the same rules and functions as for a single one; only what they ask of the database
is read once for a whole batch, and what they write is gathered. Imports write so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic
from uuid import UUID

from django.db import models, transaction

from tandem.academy.actions.items import Lists
from tandem.academy.actions.records import Record, as_shown, differing, no_such_files, stamp, told_of_new
from tandem.academy.models import Entity
from tandem.academy.models.record import Described
from tandem.academy.queries import definitions_of, files_there
from tandem.academy.rules.attributes import Definition, merged, new_files
from tandem.accounts.models import User
from tandem.common.errors import NotFound, Refusal
from tandem.events.changes import set_fields
from tandem.events.models import Event
from tandem.events.record import new_event, record_all

CREATED, UPDATED = "created", "updated"


@dataclass(frozen=True)
class Draft:
    """A record to be made or changed. existing: its id, None for a new one. values: the checked body."""

    existing: UUID | None
    values: Mapping[str, Any]


class Together(Generic[Record]):
    """What one kind of record has of its own. An instance serves one batch."""

    entity: ClassVar[Entity]
    model: ClassVar[type[Described]]

    def read(self, drafts: Sequence[Draft], *, lock: bool) -> None:
        """Read what the drafts refer to, and lock what actions lock before a record of this kind."""

    def covers(self, stored: Iterable[Record]) -> bool:
        """Whether what was read is enough for the records as they are now that they are locked."""
        return True

    def made(self, values: Mapping[str, Any]) -> Record:
        """A new record with its own fields, not saved. Raises Invalid."""
        raise NotImplementedError

    def changes(self, record: Record, values: Mapping[str, Any]) -> dict[str, Any]:
        """The own fields of a stored record with their new values. Raises Invalid."""
        raise NotImplementedError

    def told(self, made: Record, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the event of a new record tells."""
        return values

    def beside(self, record: Record, changed: Collection[str] | None, *, by: User, now: datetime) -> list[models.Model]:
        """Rows of another table that belong to the write. changed: names of fields; None for a new record."""
        return []


def write_together(
    kind: Together[Any], drafts: Sequence[Draft], *, by: User, now: datetime, keep: bool
) -> list[str | Refusal]:
    """Create and change records, each with its event. Gives for each draft CREATED, UPDATED, or why it is refused.

    A refused draft keeps none of the others from being written. Each stored record is named once. keep: whether to
    write; then it belongs into the caller's transaction, and what actions lock is locked. About fifteen queries.
    """
    stored = _locked(kind, drafts) if keep else _read(kind, drafts)
    lists = Lists(kind.entity, by=by, now=now)
    lists.read({draft.existing: draft.values for draft in drafts if draft.existing is not None})
    batch = _Batch(kind, lists, by, now)
    outcomes = batch.take(drafts, stored)
    if keep:
        batch.write()
    return outcomes


def _read(kind: Together[Any], drafts: Sequence[Draft]) -> dict[UUID, Any]:
    kind.read(drafts, lock=False)
    return {record.pk: record for record in _stored(kind, drafts)}


def _locked(kind: Together[Any], drafts: Sequence[Draft]) -> dict[UUID, Any]:
    while True:
        # The locks of a try that failed must go, or the next one would take a pipeline's behind the leads'.
        with transaction.atomic():
            kind.read(drafts, lock=True)
            stored = {
                record.pk: record for record in _stored(kind, drafts).select_for_update(of=("self",), no_key=True)
            }
            if kind.covers(stored.values()):
                return stored
            transaction.set_rollback(True)


def _stored(kind: Together[Any], drafts: Sequence[Draft]) -> Any:
    wanted = [draft.existing for draft in drafts if draft.existing is not None]
    return kind.model._default_manager.filter(pk__in=wanted, deleted_at=None).order_by("pk")


@dataclass
class _Batch:
    """What is to be written of the drafts that were taken."""

    kind: Together[Any]
    lists: Lists
    by: User
    now: datetime
    made: list[Any] = field(default_factory=list)
    changed: list[Any] = field(default_factory=list)
    changed_fields: set[str] = field(default_factory=set)
    beside: list[models.Model] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def take(self, drafts: Sequence[Draft], stored: Mapping[UUID, Any]) -> list[str | Refusal]:
        definitions = definitions_of(self.kind.entity)
        records: list[Any] = []
        for draft in drafts:
            try:
                records.append(self._checked(draft, stored, definitions))
            except Refusal as refused:
                records.append(refused)
        self._check_files(records, definitions)
        outcomes: list[str | Refusal] = []
        for draft, checked in zip(drafts, records, strict=True):
            try:
                outcomes.append(checked if isinstance(checked, Refusal) else self._take(draft, checked))
            except Refusal as refused:
                outcomes.append(refused)
        return outcomes

    def write(self) -> None:
        manager: Any = self.kind.model._default_manager
        manager.bulk_create(self.made)
        if self.changed_fields:
            # The rows are there and locked: one statement that inserts, and updates where it meets them.
            fields = {"unique_fields": ["id"], "update_fields": sorted(self.changed_fields)}
            manager.bulk_create(self.changed, update_conflicts=True, **fields)
        self.lists.write()
        if self.beside:
            type(self.beside[0])._default_manager.bulk_create(self.beside)
        record_all(self.events)

    def _checked(self, draft: Draft, stored: Mapping[UUID, Any], definitions: Sequence[Definition]) -> _Checked:
        given = draft.values.get("attributes")
        if draft.existing is None:
            made = self.kind.made(draft.values)
            return _Checked(made, {}, {}, merged({}, given, definitions, creating=True))
        record = stored.get(draft.existing)
        if record is None:
            raise NotFound
        own = self.kind.changes(record, draft.values)
        before = record.attributes
        return _Checked(record, own, before, merged(before, given, definitions, creating=False))

    def _check_files(self, records: list[Any], definitions: Sequence[Definition]) -> None:
        """Put a refusal in the place of records that refer to files that are not there."""
        files = {
            place: new_files(one.before, one.after, definitions)
            for place, one in enumerate(records)
            if isinstance(one, _Checked)
        }
        keys = {key for of_one in files.values() for key in of_one.values()}
        there = files_there(keys, viewer=self.by) if keys else set()
        for place, of_one in files.items():
            if wrong := no_such_files(of_one, there):
                records[place] = wrong

    def _take(self, draft: Draft, checked: _Checked) -> str:
        return self._create(draft, checked) if draft.existing is None else self._change(draft, checked)

    def _create(self, draft: Draft, checked: _Checked) -> str:
        made = checked.record
        made.attributes = checked.after
        stamp(made, by=self.by, now=self.now)
        _, items = self.lists.replace(made.pk, draft.values)
        self.made.append(made)
        self.beside += self.kind.beside(made, None, by=self.by, now=self.now)
        after = told_of_new(made, {**self.kind.told(made, draft.values), **items})
        self._tell("created", made, {}, after)
        return CREATED

    def _change(self, draft: Draft, checked: _Checked) -> str:
        record = checked.record
        items_before, items_after = self.lists.replace(record.pk, draft.values)
        before, after = set_fields(record, **checked.own, attributes=checked.after)
        changed = set(after)
        if "attributes" in after:
            before["attributes"], after["attributes"] = differing(before["attributes"], after["attributes"])
        if after or items_after:
            record.updated_at = self.now
            self.changed.append(record)
            self.changed_fields |= {*changed, "updated_at"}
            self.beside += self.kind.beside(record, changed, by=self.by, now=self.now)
            self._tell("updated", record, as_shown(before) | items_before, as_shown(after) | items_after)
        return UPDATED

    def _tell(self, what: str, record: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        type = f"{self.kind.entity.value}.{what}"
        self.events.append(new_event(type, subject=record, actor=self.by, at=self.now, before=before, after=after))


@dataclass(frozen=True)
class _Checked:
    """own: new values of own fields of a stored record. before, after: its attributes."""

    record: Any
    own: Mapping[str, Any]
    before: Mapping[str, Any]
    after: dict[str, Any]
