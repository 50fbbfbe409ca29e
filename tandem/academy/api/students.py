"""Contract A §3: students, under the contract's word `services`."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.students import (
    change_student,
    create_student,
    delete_student,
    locked_to_restore,
    restore_student,
)
from tandem.academy.api.answers import STUDENT
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.filters import by_attribute
from tandem.academy.api.inputs import DescribedIn
from tandem.academy.api.records import Resource, deleted_or_live
from tandem.academy.models import Client, Entity, Student
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.reading.listing import Listing, by_text, by_uuid
from tandem.common.rendering import empty_answer

_FILTERS = {
    "name": by_text("name__icontains"),
    "search": by_text("name__icontains"),
    "client": by_uuid("client_id"),
    "actual_cohort": by_uuid("actual_cohort_id"),
    **by_attribute(Entity.STUDENT),
}
STUDENTS = Listing(STUDENT, Student.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_STUDENTS = Listing(STUDENT, Student.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Resource(Entity.STUDENT, Student, STUDENT, "service", restore_student, locked_to_restore)


class StudentIn(DescribedIn):
    """The cohorts are no part of it: enrollments and transfers set them."""

    name = serializers.CharField(max_length=255)
    client = serializers.UUIDField()


class StudentList(Endpoint):
    @operation(may("view", "service"), gives=STUDENTS)
    def get(self, request: Request) -> HttpResponse:
        """All students, newest first; `?attributes.<name>=` narrows; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, STUDENTS, DELETED_STUDENTS)

    @operation(may("add", "service"), takes=StudentIn, gives=STUDENT, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a student of a client."""
        student = create_student(body, by=caller(request), now=moments.now())
        return self.record(STUDENT, student.pk, status=201)


class StudentDetail(Endpoint):
    shows, rows = STUDENT, Student.objects.visible_to

    @operation(may("view", "service"), gives=STUDENT)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A student."""
        return self.detail(request, pk)

    @operation(may("change", "service"), takes=StudentIn, gives=STUDENT)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a student; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "service"), takes=StudentIn, gives=STUDENT)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a student; attributes are merged, lists of tasks and notes replaced."""
        change_student(find(Student.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "service"))
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a student."""
        delete_student(find(Student.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()

    def lock(self, pk: Any) -> None:
        """The client that a change names before the student, as the action does."""
        client = self._body.get("client")
        if client is not None:
            list(Client.objects.select_for_update(no_key=True).filter(pk=client).values_list("pk"))
        super().lock(pk)
