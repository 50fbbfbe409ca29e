"""A lead becomes a client, a student and a seat, in one transaction. Beyond contract A."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from tandem.academy.actions.clients import create_client
from tandem.academy.actions.enrollments import seat_student
from tandem.academy.actions.records import change_record, lock
from tandem.academy.actions.students import create_student
from tandem.academy.models import Client, Enrollment, EnrollmentDetail, Entity, Lead, Student
from tandem.academy.queries import definitions_of, files_there, shown_attributes
from tandem.academy.rules.attributes import new_files
from tandem.academy.rules.conversion import STAYS, carried, check_kept, meant
from tandem.accounts.models import User
from tandem.common.errors import Conflict, Invalid, NotFound


class ConvertedDeleted(Conflict):
    code = "converted_deleted"
    message = "What this lead became is deleted. An admin can restore it."


class SeatNotTaken(Conflict):
    code = "converted_without_seat"
    message = "This lead was converted before, without a seat there. Enroll the student that it became."


@dataclass(frozen=True)
class Converted:
    """What a lead became. seat: None when none was asked for. is_new: now, not at an earlier call.

    client_is_new: it was made now, not named or known before.
    """

    client: Client
    student: Student
    seat: EnrollmentDetail | None
    is_new: bool = True
    client_is_new: bool = False


def convert_lead(lead: Lead, values: Mapping[str, Any], *, by: User, now: datetime) -> Converted:
    """Make a client and a student of a lead, and seat the student if the body names an enrollment or a cohort.

    values: the checked body. With `dry_run` all is tried and taken back. A converted lead stays as it is, and tells
    what it became. Who may convert may make all that it takes. Up to 30 queries. Raises Invalid and NotFound; of a
    converted lead ConvertedDeleted, and SeatNotTaken.
    """
    with transaction.atomic():
        locked = lock(Lead, lead.pk)
        if locked.converted_to is not None:
            return _as_converted(locked, locked.converted_to, values)
        enrollment = _enrollment(values)
        known = _known_client(locked, values)
        if known is not None:
            _check_kept(locked, known, values)
        client = known or _new_client(locked, values, by=by, now=now)
        student = _student(locked, client, values, by=by, now=now)
        seat = seat_student(student, enrollment=enrollment, by=by, now=now) if enrollment else None
        own = {"converted_to": student, "converted_seat": seat, "possible_client": client}
        change_record(Entity.LEAD, locked, {}, own, by=by, now=now)
        if values.get("dry_run"):
            transaction.set_rollback(True)
    return Converted(client, student, seat, client_is_new=known is None)


def _as_converted(lead: Lead, student: Student, values: Mapping[str, Any]) -> Converted:
    """What a converted lead became, as far as it is still there. Up to three queries."""
    client = student.client
    went_along = client.deleted_at is not None and student.deletion == client.deletion
    gone: list[tuple[Entity, Client | Student]] = [(Entity.CLIENT, client)] if client.deleted_at is not None else []
    gone += [(Entity.STUDENT, student)] if student.deleted_at is not None and not went_along else []
    if gone:
        raise ConvertedDeleted(restore=[{"entity": entity.value, "id": record.pk} for entity, record in gone])
    return Converted(client, student, _seat_taken(lead, student, values), is_new=False)


def _seat_taken(lead: Lead, student: Student, values: Mapping[str, Any]) -> EnrollmentDetail | None:
    """The seat in the enrollment or cohort that the body names, else the one that came with the conversion.

    A seat that a transfer has closed is one, too: it was taken, and the same request is to get the same answer.
    """
    seats = EnrollmentDetail.objects.live().filter(student=student)
    if values.get("enrollment"):
        seats = seats.filter(enrollment=values["enrollment"])
    elif values.get("cohort"):
        seats = seats.filter(enrollment__cohort=values["cohort"])
    else:
        return seats.filter(pk=lead.converted_seat_id).first() if lead.converted_seat_id else None
    found = list(seats.order_by("-created_at", "-id"))
    if not found:
        raise SeatNotTaken(student=student.pk)
    return next((seat for seat in found if seat.pk == lead.converted_seat_id), found[0])


def _enrollment(values: Mapping[str, Any]) -> Enrollment | None:
    if values.get("enrollment"):
        found = Enrollment.objects.live().filter(pk=values["enrollment"]).first()
        if found is None:
            raise Invalid.unknown("enrollment", values["enrollment"])
        return found
    if not values.get("cohort"):
        return None
    choices = list(Enrollment.objects.live().filter(cohort=values["cohort"], cohort__deleted_at=None)[:2])
    if len(choices) != 1:
        raise Invalid.on("cohort", "This cohort has not exactly one enrollment. Name the `enrollment` instead.")
    return choices[0]


def _known_client(lead: Lead, values: Mapping[str, Any]) -> Client | None:
    """The client that is named; else, unless the body names a new one, the lead's own; None for a new one."""
    if values.get("client"):
        try:
            return lock(Client, values["client"])
        except NotFound:
            raise Invalid.unknown("client", values["client"]) from None
    if values.get("client_name") or lead.possible_client is None or lead.possible_client.deleted_at is not None:
        return None
    return lead.possible_client


def _check_kept(lead: Lead, client: Client, values: Mapping[str, Any]) -> None:
    """Refuse what a body says of a client that is there already, but for what it is anyhow."""
    if values.get("client_name") not in (None, client.name):
        raise Invalid.on("client_name", STAYS)
    if values.get("client_attributes"):
        with _told_of("client_attributes"):
            said = meant(shown_attributes(lead), values["client_attributes"], field="client_attributes")
            check_kept(client.attributes, said, definitions_of(Entity.CLIENT))


def _new_client(lead: Lead, values: Mapping[str, Any], *, by: User, now: datetime) -> Client:
    made: dict[str, Any] = {"name": values.get("client_name") or lead.name}
    with _told_of("client_attributes"):
        given = values.get("client_attributes")
        made["attributes"] = _attributes(lead, Entity.CLIENT, given, field="client_attributes", by=by)
        return create_client(made, by=by, now=now)


def _student(lead: Lead, client: Client, values: Mapping[str, Any], *, by: User, now: datetime) -> Student:
    made: dict[str, Any] = {"name": values.get("student_name") or lead.name, "client": client.pk}
    with _told_of("service_attributes"):
        given = values.get("service_attributes")
        made["attributes"] = _attributes(lead, Entity.STUDENT, given, field="service_attributes", by=by)
        return create_student(made, by=by, now=now)


def _attributes(lead: Lead, entity: Entity, given: Mapping[str, Any] | None, *, field: str, by: User) -> dict[str, Any]:
    """The attributes of a new record; files that nobody asked for come along only where they are there to be seen."""
    definitions = list(definitions_of(entity))
    found = carried(shown_attributes(lead), definitions, given, field=field)
    unasked = new_files({}, {name: found[name] for name in found.keys() - (given or {}).keys()}, definitions)
    there = files_there(unasked.values(), viewer=by) if unasked else set()
    return {name: value for name, value in found.items() if name not in unasked or value in there}


@contextmanager
def _told_of(field: str) -> Iterator[None]:
    """What is wrong with the attributes of a new record is wrong with this field of the body."""
    try:
        yield
    except Invalid as refused:
        raise Invalid({field if name == "attributes" else name: why for name, why in refused.fields.items()}) from None
