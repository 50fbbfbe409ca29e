"""What happened in the demo company, kept until it is written as events in the order of time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from tandem.accounts.models import User
from tandem.events.changes import set_fields
from tandem.events.models import Event
from tandem.events.record import new_event


class Diary:
    """Subjects and what facts speak of may still be without a primary key when they are told of; not when written."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []

    def tell(
        self,
        type: str,
        subject: models.Model,
        *,
        at: datetime,
        by: User | None,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
        **facts: Any,
    ) -> None:
        self._told.append(
            {"type": type, "subject": subject, "at": at, "actor": by, "before": before, "after": after, **facts}
        )

    def change(
        self,
        type: str,
        subject: models.Model,
        values: dict[str, Any],
        *,
        at: datetime,
        by: User | None,
        untold: frozenset[str] = frozenset(),
        **facts: Any,
    ) -> None:
        """Set fields of a record that is not written yet, and tell of those that differ; of `untold` ones never."""
        before, after = set_fields(subject, **values)
        for name in untold:
            before.pop(name, None)
            after.pop(name, None)
        subject.updated_at = at  # type: ignore[attr-defined]
        self.tell(type, subject, at=at, by=by, before=before, after=after, **facts)

    def write(self) -> None:
        """One query for each thousand or so events. Events of one moment keep the order in which they were told."""
        in_order = sorted(self._told, key=lambda told: told["at"])
        Event.objects.bulk_create([new_event(**told) for told in in_order])
