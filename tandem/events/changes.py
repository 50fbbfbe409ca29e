"""Changing a record: only what differs is written, and both sides are kept for the event."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from tandem.events.record import plain


def change(record: models.Model, *, at: datetime | None = None, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Set fields of a locked record and save those that differ. Gives (before, after) of them, in the API's shapes.

    Both are empty when nothing differs; then nothing is written. One query at most. Foreign keys are given by their
    field name with an instance or None, or as `<field>_id`. at: becomes `updated_at` when something differs.
    """
    before, after = set_fields(record, **values)
    if after:
        changed = list(after)
        if at is not None:
            setattr(record, "updated_at", at)  # noqa: B010 - not every model has it, and mypy knows
            changed.append("updated_at")
        record.save(update_fields=changed)
    return before, after


def set_fields(record: models.Model, **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """As `change`, without saving anything: for records that are written later, many at once."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, value in values.items():
        field: Any = record._meta.get_field(name)
        old = getattr(record, field.attname)
        setattr(record, name, value)
        new = getattr(record, field.attname)
        if old != new:
            before[field.name], after[field.name] = plain(old), plain(new)
    return before, after
