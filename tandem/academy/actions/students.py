"""Writing students, the contract's "services". Contract A §3; CONTRACT §4 "Clients / students / leads"."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from tandem.academy.actions import follow_ups
from tandem.academy.actions.enrollments import settle
from tandem.academy.actions.records import change_record, create_record, delete_record, lock, restore_record
from tandem.academy.actions.together import Draft, Together
from tandem.academy.actions.transfers import call_off_impossible
from tandem.academy.models import Client, Entity, Student
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound
from tandem.events.record import record_all


class ClientDeleted(Conflict):
    code = "client_deleted"
    message = "The client of this student is deleted. Restore the client first."


class StudentsTogether(Together[Student]):
    entity, model = Entity.STUDENT, Student

    def read(self, drafts: Sequence[Draft], *, lock: bool) -> None:
        clients: Any = Client.objects.live().filter(pk__in={draft.values.get("client") for draft in drafts})
        if lock:
            clients = clients.select_for_update(of=("self",), no_key=True).order_by("pk")
        self._clients = set(clients.values_list("pk", flat=True))

    def made(self, values: Mapping[str, Any]) -> Student:
        return Student(name=values["name"], client_id=self._client(values["client"]))

    def changes(self, record: Student, values: Mapping[str, Any]) -> dict[str, Any]:
        own = {name: values[name] for name in ("name",) if name in values}
        return own | {"client_id": self._client(values["client"])} if "client" in values else own

    def _client(self, pk: UUID) -> UUID:
        if pk not in self._clients:
            raise _no_client()
        return pk


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
    """Delete a student, and the follow-ups in the same deletion. Six queries for up to a thousand follow-ups."""
    with transaction.atomic():
        locked = lock(Student, student.pk)
        deletion = uuid.uuid4()
        record_all(follow_ups.delete_with(Student.objects.filter(pk=locked.pk), by=by, now=now, deletion=deletion))
        delete_record(Entity.STUDENT, locked, by=by, now=now, deletion=deletion)


def restore_student(student: Student, *, by: User, now: datetime) -> None:
    """Bring a student back, with the follow-ups that went along, to where the seats are by now.

    Up to sixteen queries, and two for each move to come that has become impossible. Raises ClientDeleted.
    """
    with transaction.atomic():
        locked = locked_to_restore(student)
        deletion = locked.deletion
        if locked.deleted_at is not None:
            restore_record(Entity.STUDENT, locked, by=by, now=now)
            settle(locked, by=by, now=now)
            call_off_impossible(locked, by=by, now=now)
        if deletion is not None:
            record_all(follow_ups.restore_with(deletion, by=by, now=now))


def locked_to_restore(student: Student) -> Student:
    """Lock a student, live or deleted; before it the client. Two queries. Raises ClientDeleted."""
    client = Client.objects.select_for_update(no_key=True).get(pk=student.client_id)
    if client.deleted_at is not None:
        raise ClientDeleted
    return Student.objects.select_for_update(of=("self",), no_key=True).get(pk=student.pk)


def _locked_client(pk: UUID) -> Client:
    """The lock keeps the client from being deleted before its new student is there to be seen."""
    try:
        return lock(Client, pk)
    except NotFound:
        raise _no_client() from None


def _no_client() -> Invalid:
    return Invalid.on("client", "There is no such client.")
