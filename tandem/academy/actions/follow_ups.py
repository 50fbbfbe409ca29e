"""Writing follow-ups. Contract A §6; CONTRACT §4 "Follow-ups"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.models import Entity, FollowUp, Student
from tandem.accounts.models import User

_CHANGEABLE = ("follow_up_date", "comment")


def create_follow_up(student: Student, values: Mapping[str, Any], *, by: User, now: datetime) -> FollowUp:
    """Note a contact with a student; it stays its maker's. Raises Invalid."""
    own = {name: values[name] for name in _CHANGEABLE if name in values}
    with transaction.atomic():
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
    """Three queries."""
    with transaction.atomic():
        locked = FollowUp.objects.select_for_update(of=("self",)).get(pk=follow_up.pk)
        restore_record(Entity.FOLLOW_UP, locked, by=by, now=now)
