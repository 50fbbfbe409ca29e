"""Writing clients. Contract A §2; CONTRACT §4."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from tandem.academy.actions import follow_ups
from tandem.academy.actions.enrollments import settle
from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.actions.together import Together
from tandem.academy.actions.transfers import call_off_impossible
from tandem.academy.models import Client, Entity, Student
from tandem.accounts.models import User
from tandem.common.errors import Conflict
from tandem.events.record import new_event, record_all


class HasStudents(Conflict):
    code = "has_students"
    message = "This client has students. Delete them first, or send `?cascade=true` to delete them along."


class ClientsTogether(Together[Client]):
    entity, model = Entity.CLIENT, Client

    def made(self, values: Mapping[str, Any]) -> Client:
        return Client(name=values["name"])

    def changes(self, record: Client, values: Mapping[str, Any]) -> dict[str, Any]:
        return _own(values)


def create_client(values: Mapping[str, Any], *, by: User, now: datetime) -> Client:
    """Raises Invalid."""
    with transaction.atomic():
        return create_record(Entity.CLIENT, Client(name=values["name"]), values, by=by, now=now)


def change_client(client: Client, values: Mapping[str, Any], *, by: User, now: datetime) -> Client:
    """Change what was given; absent fields stay. Raises Invalid."""
    with transaction.atomic():
        locked = lock(Client, client.pk)
        change_record(Entity.CLIENT, locked, values, _own(values), by=by, now=now)
    return locked


def delete_client(client: Client, *, cascade: bool = False, by: User, now: datetime) -> None:
    """Delete a client; with cascade its students and their follow-ups too, in one deletion that one restore takes back.

    Raises HasStudents, with their count. Eight queries for up to a thousand follow-ups and students.
    """
    with transaction.atomic():
        # Adding a student locks the same row, so none can appear between the look and the deletion.
        locked = lock(Client, client.pk)
        students: Any = Student.objects.live().filter(client=locked)
        pks = list(students.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))
        if pks and not cascade:
            raise HasStudents(count=len(pks))
        deletion = uuid.uuid4()
        if pks:
            told = follow_ups.delete_with(students, by=by, now=now, deletion=deletion)
            students.update(deleted_at=now, deletion=deletion)
            told += [
                new_event(f"{Entity.STUDENT.value}.deleted", subject=Student(pk=pk), actor=by, at=now) for pk in pks
            ]
            record_all(told)
        delete_record(Entity.CLIENT, locked, by=by, now=now, deletion=deletion)


def restore_client(client: Client, *, by: User, now: datetime) -> None:
    """Bring a client back, with what the same deletion took along: its students, to where their seats are by now, and
    their follow-ups.

    Up to eleven queries per student.
    """
    with transaction.atomic():
        locked = Client.objects.select_for_update(of=("self",), no_key=True).get(pk=client.pk)
        deletion = locked.deletion
        restore_record(Entity.CLIENT, locked, by=by, now=now)
        if deletion is not None:
            for student in (
                Student.objects.filter(deletion=deletion).select_for_update(of=("self",), no_key=True).order_by("pk")
            ):
                restore_record(Entity.STUDENT, student, by=by, now=now)
                settle(student, by=by, now=now)
                call_off_impossible(student, by=by, now=now)
            record_all(follow_ups.restore_with(deletion, by=by, now=now))


def _own(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in ("name",) if name in values}
