"""Writing students, the contract's "services". Contract A §3; CONTRACT §4 "Clients / students / leads"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.models import Client, Entity, Student
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound


class ClientDeleted(Conflict):
    code = "client_deleted"
    message = "The client of this student is deleted. Restore the client first."


def create_student(values: Mapping[str, Any], *, by: User, now: datetime) -> Student:
    """values: `client` is the client's id. One query more than any new record. Raises Invalid."""
    with transaction.atomic():
        student = Student(name=values["name"], client=_locked_client(values["client"]))
        return create_record(Entity.STUDENT, student, values, by=by, now=now)


def change_student(student: Student, values: Mapping[str, Any], *, by: User, now: datetime) -> None:
    """Change what was given; absent fields stay, and the cohorts always do. Raises Invalid."""
    own: dict[str, Any] = {name: values[name] for name in ("name",) if name in values}
    with transaction.atomic():
        # The client before its students, as when a client is deleted with them.
        if "client" in values:
            own["client"] = _locked_client(values["client"])
        locked = lock(Student, student.pk)
        change_record(Entity.STUDENT, locked, values, own, by=by, now=now)


def delete_student(student: Student, *, by: User, now: datetime) -> None:
    """Three queries. The follow-ups stay, out of reach until the student is back."""
    with transaction.atomic():
        delete_record(Entity.STUDENT, lock(Student, student.pk), by=by, now=now)


def restore_student(student: Student, *, by: User, now: datetime) -> None:
    """Bring a student back. Four queries. Raises ClientDeleted."""
    with transaction.atomic():
        client = Client.objects.select_for_update().get(pk=student.client_id)
        if client.deleted_at is not None:
            raise ClientDeleted
        locked = Student.objects.select_for_update(of=("self",)).get(pk=student.pk)
        restore_record(Entity.STUDENT, locked, by=by, now=now)


def _locked_client(pk: UUID) -> Client:
    """The lock keeps the client from being deleted before its new student is there to be seen."""
    try:
        return lock(Client, pk)
    except NotFound:
        raise Invalid.on("client", "There is no such client.") from None
