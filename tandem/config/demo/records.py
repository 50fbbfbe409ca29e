"""What happens to the demo company's leads, clients, students and transfers, step by step.

Each step leaves the same fields and the same event as the action of its name, and asks the same rules; it is only
written later, together with all others. (Through the actions themselves the demo would take minutes to load.)
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from random import Random
from typing import Any
from uuid import UUID

from django.core.files.base import ContentFile
from django.db import models

from tandem.academy.actions.items import as_told
from tandem.academy.models import (
    Client,
    Cohort,
    DetailStatus,
    Enrollment,
    EnrollmentDetail,
    Entity,
    FollowUp,
    Lead,
    Note,
    Pipeline,
    StageChange,
    Student,
    Task,
    TransferRequest,
    TransferStatus,
)
from tandem.academy.models.record import Described, Recorded
from tandem.academy.rules.attributes import Definition, merged
from tandem.academy.rules.conversion import carried
from tandem.academy.rules.stages import stage_to_enter
from tandem.academy.rules.transfers import Offer, Seat, move_to
from tandem.accounts.models import User
from tandem.common import moments
from tandem.config.demo.diary import Diary
from tandem.config.demo.paper import pdf_of
from tandem.files.storage import files

_ENTITY: dict[type[Described], Entity] = {
    Client: Entity.CLIENT,
    Student: Entity.STUDENT,
    Lead: Entity.LEAD,
    FollowUp: Entity.FOLLOW_UP,
}
_OWN: dict[Entity, tuple[str, ...]] = {
    Entity.CLIENT: ("name",),
    Entity.STUDENT: ("name", "client"),
    Entity.LEAD: ("name", "responsible", "pipeline", "stage", "possible_client", "moodle_course_id"),
    Entity.FOLLOW_UP: ("follow_up_date", "comment"),
}


@dataclass(frozen=True)
class Paper:
    """What an attribute of type file is given: a paper that is uploaded for it. title: what it says."""

    title: str


@dataclass
class Records:
    """definitions: the attributes of each entity. stages: of each pipeline, in order. Ids are drawn, not made up anew
    at each loading.
    """

    diary: Diary
    definitions: Mapping[Entity, Iterable[Definition]]
    stages: Mapping[UUID, list[str]]
    ids: Random
    enrollments: list[Enrollment] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    students: list[Student] = field(default_factory=list)
    leads: list[Lead] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)
    stage_changes: list[StageChange] = field(default_factory=list)
    seats: list[EnrollmentDetail] = field(default_factory=list)
    transfers: list[TransferRequest] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    papers: dict[str, Paper] = field(default_factory=dict)  # by key
    _length: defaultdict[tuple[type[models.Model], UUID], int] = field(default_factory=lambda: defaultdict(int))

    def new_id(self) -> UUID:
        return uuid.UUID(int=self.ids.getrandbits(128), version=4)

    # --- clients, students, follow-ups --------------------------------------------------------------------------------
    def add_client(self, name: str, attributes: Mapping[str, Any], *, at: datetime, by: User) -> Client:
        client = Client(name=name)
        self.clients.append(client)
        self._add(client, attributes, at=at, by=by)
        return client

    def add_student(
        self, name: str, client: Client, attributes: Mapping[str, Any], *, at: datetime, by: User
    ) -> Student:
        student = Student(name=name, client=client)
        self.students.append(student)
        self._add(student, attributes, at=at, by=by)
        return student

    def follow_up(
        self, student: Student, comment: str, attributes: Mapping[str, Any], *, on: datetime, at: datetime, by: User
    ) -> None:
        """on: when the contact was, or is to be. Papers are files of the student, who has been there for longer."""
        made = FollowUp(student=student, user=by, follow_up_date=on, comment=comment)
        self.follow_ups.append(made)
        office = student.created_by
        assert office is not None  # somebody of the demo made every student
        uploaded = {
            name: self._upload(student, paper, at=at, by=office)
            for name, paper in attributes.items()
            if isinstance(paper, Paper)
        }
        self._add(made, {**attributes, **uploaded}, at=at, by=by, service=student.pk)

    # --- leads --------------------------------------------------------------------------------------------------------
    def add_lead(
        self,
        name: str,
        attributes: Mapping[str, Any],
        *,
        pipeline: Pipeline | None,
        responsible: User | None,
        possible_client: Client | None,
        moodle_course_id: str,
        at: datetime,
        by: User,
    ) -> Lead:
        """Into the first stage of its pipeline."""
        lead = Lead(
            name=name,
            pipeline=pipeline,
            responsible=responsible,
            possible_client=possible_client,
            moodle_course_id=moodle_course_id,
            stage=stage_to_enter(None, self.stages[pipeline.pk] if pipeline else None),
        )
        self.leads.append(lead)
        self._add(lead, attributes, at=at, by=by)
        self._keep_stage(lead, at=at, by=by)
        return lead

    def move(self, lead: Lead, to: str, *, at: datetime, by: User) -> None:
        stage = stage_to_enter(to, self.stages[lead.pipeline.pk] if lead.pipeline else None)
        self._change("lead.updated", lead, {"stage": stage}, at=at, by=by)
        self._keep_stage(lead, at=at, by=by)

    def convert(
        self,
        lead: Lead,
        enrollment: Enrollment,
        *,
        client_attributes: Mapping[str, Any],
        student_name: str,
        student_attributes: Mapping[str, Any],
        at: datetime,
        by: User,
    ) -> Student:
        """A new client of the lead's name, its first student, and the student's seat."""
        client = self.add_client(
            lead.name, self._carried(lead, Entity.CLIENT, client_attributes, "client_attributes"), at=at, by=by
        )
        given = self._carried(lead, Entity.STUDENT, student_attributes, "service_attributes")
        student = self.add_student(student_name, client, given, at=at, by=by)
        seat = self.seat(student, enrollment, at=at, by=by)
        values = {"converted_to": student, "converted_seat": seat, "possible_client": client}
        self._change("lead.updated", lead, values, at=at, by=by)
        return student

    def delete(self, lead: Lead, *, at: datetime, by: User) -> None:
        lead.deleted_at, lead.deletion = at, self.new_id()
        self.diary.tell("lead.deleted", lead, at=at, by=by)

    # --- tasks and notes ----------------------------------------------------------------------------------------------
    def add_task(self, owner: Described, text: str, *, due: date | None, at: datetime, by: User) -> Task:
        task = Task(task=text, date=due, **self._item(Task, owner, at=at, by=by))
        self.tasks.append(task)
        self._tell_of(owner, "list_of_tasks", [], [as_told(task)], at=at, by=by)
        return task

    def complete(self, owner: Described, task: Task, *, at: datetime, by: User) -> None:
        before = as_told(task)
        task.completed = True
        after = as_told(task)
        self._tell_of(owner, "list_of_tasks", [before], [after], at=at, by=by)

    def add_note(self, owner: Described, text: str, *, at: datetime, by: User) -> None:
        note = Note(note=text, date=at, **self._item(Note, owner, at=at, by=by))
        self.notes.append(note)
        self._tell_of(owner, "list_of_notes", [], [as_told(note)], at=at, by=by)

    # --- seats and transfers ------------------------------------------------------------------------------------------
    def seat(self, student: Student, enrollment: Enrollment, *, at: datetime, by: User) -> EnrollmentDetail:
        seat = self._open_seat(student, enrollment, at=at, by=by)
        origin = {} if student.origin_cohort_id else {"origin_cohort": enrollment.cohort}
        self._place(student, {"actual_cohort": enrollment.cohort, **origin}, at=at, by=by)
        return seat

    def seats_of(self, student: Student) -> list[EnrollmentDetail]:
        """Where the student is taught now, oldest first."""
        return [seat for seat in self.seats if seat.student_id == student.pk and seat.status == DetailStatus.ACTIVE]

    def ask_for_transfer(
        self, student: Student, target: Cohort, *, possible_on: date, at: datetime, by: User
    ) -> TransferRequest:
        request = TransferRequest(
            id=self.new_id(),
            student=student,
            cohort_request=target.name_cohort,
            target_cohort=target,
            possible_transfer_date=possible_on,
            created_by=by,
            created_at=at,
            updated_at=at,
        )
        self.transfers.append(request)
        told = ("student", "cohort_request", "target_cohort", "possible_transfer_date")
        after = {name: getattr(request, name) for name in told}
        self.diary.tell("transfer_request.created", request, at=at, by=by, after=after)
        return request

    def approve(self, request: TransferRequest, *, effective_on: date, at: datetime, by: User) -> None:
        """The student moves at once, unless the day is still to come."""
        decided = {"status": TransferStatus.APPROVED.value, "effective_date": effective_on}
        self._decide("approved", request, decided, at=at, by=by)
        if effective_on <= moments.day_of(at):
            self._carry_out(request, at=at, by=by)

    def reject(self, request: TransferRequest, *, reason: str, at: datetime, by: User) -> None:
        decided = {"status": TransferStatus.REJECTED.value, "reason": reason}
        self._decide("rejected", request, decided, at=at, by=by)

    def cancel(self, request: TransferRequest, *, at: datetime, by: User) -> None:
        self._decide("cancelled", request, {"status": TransferStatus.CANCELLED.value}, at=at, by=by)

    def write(self, *, stored: list[str]) -> None:
        """One query for each table, for each batch. Stage changes in the order of time, for the newest row counts.

        Files are stored before the rows that refer to them are committed; nobody else works with a demo yet. Their keys
        are added to `stored`, each before its file, for one that breaks off leaves something as well.
        """
        for key, paper in self.papers.items():
            stored.append(key)
            files().delete(key)  # what an earlier try left; beside it, this one would get another name
            files().save(key, ContentFile(pdf_of(paper.title)))
        Client.objects.bulk_create(self.clients)
        Student.objects.bulk_create(self.students)
        EnrollmentDetail.objects.bulk_create(self.seats)
        TransferRequest.objects.bulk_create(self.transfers)
        Lead.objects.bulk_create(self.leads)
        StageChange.objects.bulk_create(sorted(self.stage_changes, key=lambda change: change.entered_at))
        FollowUp.objects.bulk_create(self.follow_ups)
        Task.objects.bulk_create(self.tasks)
        Note.objects.bulk_create(self.notes)

    def _add(self, made: Described, attributes: Mapping[str, Any], *, at: datetime, by: User, **facts: Any) -> None:
        entity = _ENTITY[type(made)]
        made.id, made.created_by, made.created_at, made.updated_at = self.new_id(), by, at, at
        papers = {name: value for name, value in attributes.items() if isinstance(value, Paper)}
        given = {name: value for name, value in attributes.items() if name not in papers}
        made.attributes = merged({}, given, self.definitions[entity], creating=True)
        own = {name: getattr(made, name) for name in _OWN[entity]}
        after = facts | {name: value for name, value in own.items() if value not in (None, "")}
        after["attributes"] = made.attributes
        self.diary.tell(f"{entity.value}.created", made, at=at, by=by, after=after)
        for name, paper in papers.items():
            self._fill(made, name, self._upload(made, paper, at=at, by=by), at=at, by=by)

    def _upload(self, owner: Described, paper: Paper, *, at: datetime, by: User) -> str:
        """Gives the key of the file."""
        key = f"{_ENTITY[type(owner)].value}/{owner.pk}/{self.new_id()}.pdf"
        self.papers[key] = paper
        owner.images = [*owner.images, key]
        self._tell_of(owner, "list_of_images", [], [key], at=at, by=by)
        return key

    def _fill(self, owner: Described, name: str, value: Any, *, at: datetime, by: User) -> None:
        entity = _ENTITY[type(owner)]
        owner.attributes = merged(owner.attributes, {name: value}, self.definitions[entity], creating=False)
        told = {"before": {"attributes": {name: None}}, "after": {"attributes": {name: value}}}
        self.diary.tell(f"{entity.value}.updated", owner, at=at, by=by, **told)

    def _carried(self, lead: Lead, entity: Entity, given: Mapping[str, Any], field: str) -> dict[str, Any]:
        attributes = {one.name: lead.attributes.get(one.name) for one in self.definitions[Entity.LEAD]}
        return carried(attributes, self.definitions[entity], given, field=field)

    def _keep_stage(self, lead: Lead, *, at: datetime, by: User) -> None:
        change = StageChange(lead=lead, stage=lead.stage, pipeline=lead.pipeline, entered_at=at, by=by)
        self.stage_changes.append(change)

    def _item(self, model: type[Task] | type[Note], owner: Described, *, at: datetime, by: User) -> dict[str, Any]:
        """The next place of the owner's list."""
        position = self._length[model, owner.pk]
        self._length[model, owner.pk] += 1
        entity = _ENTITY[type(owner)]
        return {
            "id": self.new_id(),
            "entity": entity,
            "record": owner.pk,
            "position": position,
            "user": by,
            "date_created": at,
        }

    def _tell_of(
        self, owner: Described, key: str, before: list[Any], after: list[Any], *, at: datetime, by: User
    ) -> None:
        owner.updated_at = max(owner.updated_at, at)
        told = {"before": {key: before}, "after": {key: after}}
        self.diary.tell(f"{_ENTITY[type(owner)].value}.updated", owner, at=at, by=by, **told)

    def _open_seat(self, student: Student, enrollment: Enrollment, *, at: datetime, by: User) -> EnrollmentDetail:
        seat = EnrollmentDetail(
            id=self.new_id(), enrollment=enrollment, student=student, created_by=by, created_at=at, updated_at=at
        )
        self.seats.append(seat)
        after = {"enrollment": enrollment.pk, "student": student.pk, "status": seat.status}
        self.diary.tell("enrollment_detail.created", seat, at=at, by=by, after=after)
        return seat

    def _place(self, student: Student, cohorts: dict[str, Any], *, at: datetime, by: User) -> None:
        if any(getattr(student, f"{name}_id") != cohort.pk for name, cohort in cohorts.items()):
            self._change("service.updated", student, cohorts, at=at, by=by)

    def _decide(self, how: str, request: TransferRequest, decided: dict[str, Any], *, at: datetime, by: User) -> None:
        values = decided | {"decided_by": by, "decided_at": at}
        self._change(f"transfer_request.{how}", request, values, at=at, by=by)

    def _carry_out(self, request: TransferRequest, *, at: datetime, by: User) -> None:
        student, target = request.student, request.target_cohort
        assert target is not None  # every request of the demo names one
        seats = {seat.pk: seat for seat in self.seats_of(student)}
        offers = {offer.pk: offer for offer in self.enrollments if offer.cohort_id == target.pk}
        plan = move_to(
            target.pk,
            seats=[Seat(pk, seat.enrollment.cohort_id, seat.enrollment.pathway_name) for pk, seat in seats.items()],
            offers=[Offer(pk, offer.pathway_name) for pk, offer in offers.items()],
        )
        for pk in plan.closes:
            closed = {"status": DetailStatus.TRANSFERRED.value, "closed_at": at}
            self._change("enrollment_detail.transferred", seats[pk], closed, at=at, by=by)
        for pk in plan.opens:
            self._open_seat(student, offers[pk], at=at, by=by)
        self._place(student, {"actual_cohort": target}, at=at, by=by)
        self._change("transfer_request.moved", request, {"moved_at": at}, at=at, by=by)

    def _change(self, event: str, record: Recorded, values: dict[str, Any], *, at: datetime, by: User) -> None:
        latest = max(record.updated_at, at)
        self.diary.change(event, record, values, at=at, by=by)
        record.updated_at = latest
