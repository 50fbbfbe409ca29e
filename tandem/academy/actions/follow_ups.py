"""Writing follow-ups. Contract A §6; CONTRACT §4 "Follow-ups"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction

from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.actions.stages import in_batches
from tandem.academy.models import Entity, FollowUp, Student
from tandem.accounts.models import User
from tandem.events.models import Event
from tandem.events.record import new_event

_CHANGEABLE = ("follow_up_date", "comment")


def create_follow_up(student: Student, values: Mapping[str, Any], *, by: User, now: datetime) -> FollowUp:
    """Note a contact with a student; it stays its maker's.

    Raises Invalid, and NotFound when the student is deleted meanwhile.
    """
    own = {name: values[name] for name in _CHANGEABLE if name in values}
    with transaction.atomic():
        # Whoever deletes the student holds its row, so all of its follow-ups go along, and all of them are told.
        lock(Student, student.pk)
        made = FollowUp(student=student, user=by, **own)
        return create_record(Entity.FOLLOW_UP, made, {"service": student.pk, **values}, by=by, now=now)


def change_follow_up(follow_up: FollowUp, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay, student and user always do. Raises Invalid."""
    own = {name: values[name] for name in _CHANGEABLE if name in values}
    with transaction.atomic():
        locked = lock(FollowUp, follow_up.pk)
        change_record(Entity.FOLLOW_UP, locked, values, own, by=by, now=now)


def delete_follow_up(follow_up: FollowUp, *, by: User, now: datetime) -> None:
    """Three queries."""
    with transaction.atomic():
        delete_record(Entity.FOLLOW_UP, lock(FollowUp, follow_up.pk), by=by, now=now)


def restore_follow_up(follow_up: FollowUp, *, by: User, now: datetime) -> None:
    """Four queries. Raises NotFound when the student is deleted meanwhile."""
    with transaction.atomic():
        lock(Student, follow_up.student_id)
        locked = FollowUp.objects.select_for_update(of=("self",), no_key=True).get(pk=follow_up.pk)
        restore_record(Entity.FOLLOW_UP, locked, by=by, now=now)


def delete_with(students: models.QuerySet[Student, Any], *, by: User, now: datetime, deletion: UUID) -> list[Event]:
    """Take the follow-ups of locked students along in their deletion; gives the events, to be recorded.

    Two queries, and one more for each further thousand follow-ups.
    """
    rows = FollowUp.objects.live().filter(student__in=students)
    return _marked(rows, "deleted", by=by, now=now, deleted_at=now, deletion=deletion)


def restore_with(deletion: UUID, *, by: User, now: datetime) -> list[Event]:
    """Bring back the follow-ups that a deletion took along; gives the events, to be recorded. As `delete_with`."""
    rows = FollowUp.objects.filter(deletion=deletion)
    return _marked(rows, "restored", by=by, now=now, deleted_at=None, deletion=None)


def _marked(rows: Any, word: str, *, by: User, now: datetime, **marks: Any) -> list[Event]:
    pks: Sequence[UUID] = list(
        rows.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True)
    )
    for some in in_batches(pks):
        FollowUp.objects.filter(pk__in=some).update(**marks)
    type = f"{Entity.FOLLOW_UP.value}.{word}"
    return [new_event(type, subject=FollowUp(pk=pk), actor=by, at=now) for pk in pks]
