"""Changing a record: only what differs is written, and both sides are kept for the event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from tandem.events.telling import telling_of

Sides = tuple[dict[str, Any], dict[str, Any]]


def change(record: models.Model, *, at: datetime | None = None, **values: Any) -> Sides:
    """Set fields of a locked record and save those that differ. Gives (before, after) of them, in the API's shapes.

    Nothing is written when nothing differs. Both sides are empty when nothing differs that a GET shows (see
    `events.telling`). One query at most. Foreign keys are given by their field name with an instance or None, or as
    `<field>_id`. at: becomes `updated_at` when something differs.
    """
    before, after = _set(record, values)
    if after:
        changed = list(after)
        if at is not None:
            setattr(record, "updated_at", at)  # noqa: B010 - not every model has it, and mypy knows
            changed.append("updated_at")
        record.save(update_fields=changed)
    return _told(record, before, after)


def set_fields(record: models.Model, **values: Any) -> Sides:
    """As `change`, without saving anything: for records that are written later, many at once."""
    return _told(record, *_set(record, values))


def _set(record: models.Model, values: dict[str, Any]) -> Sides:
    """The columns that differ, as they are stored."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in values.items():
        field: Any = record._meta.get_field(name)
        old = getattr(record, field.attname)
        setattr(record, name, value)
        new = getattr(record, field.attname)
        if old != new:
            before[field.name], after[field.name] = old, new
    return before, after


def _told(record: models.Model, before: dict[str, Any], after: dict[str, Any]) -> Sides:
    return telling_of(type(record)).sides(before, after, same=lambda column: getattr(record, column))
