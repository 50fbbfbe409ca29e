"""Contract A §8: enrollments."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.enrollments import (
    EnrollmentInUse,
    change_enrollment,
    create_enrollment,
    delete_enrollment,
    locked_to_restore,
    restore_enrollment,
)
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.records import Kept, deleted_or_live
from tandem.academy.api.teaching_answers import ENROLLMENT
from tandem.academy.models import Cohort, Enrollment
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import IdField, Input
from tandem.common.reading.listing import Listing, by_id, by_text, by_uuid
from tandem.common.rendering import empty_answer

_FILTERS = {
    "cohort": by_uuid("cohort_id"),
    "instructor": by_id("instructor_id"),
    "pathway_name": by_text("pathway_name__icontains"),
    "search": by_text("pathway_name__icontains", "cohort__name_cohort__icontains", doc="Part of either name."),
}
ENROLLMENTS = Listing(ENROLLMENT, Enrollment.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_ENROLLMENTS = Listing(ENROLLMENT, Enrollment.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Kept("enrollment", Enrollment, ENROLLMENT, "enrollment", restore_enrollment, locked_to_restore)


class AssistantItem(Input):
    """`name` is the user's; what is sent is ignored."""

    id = IdField()


class EnrollmentIn(Input):
    cohort = serializers.UUIDField()
    instructor = IdField(required=False, allow_null=True)
    pathway_name = serializers.CharField(max_length=255)
    teaching_assistants = serializers.ListField(child=AssistantItem(), required=False, allow_null=True, max_length=100)


class EnrollmentList(Endpoint):
    @operation(may("view", "enrollment"), gives=ENROLLMENTS)
    def get(self, request: Request) -> HttpResponse:
        """All enrollments, newest first; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, ENROLLMENTS, DELETED_ENROLLMENTS)

    @operation(may("add", "enrollment"), takes=EnrollmentIn, gives=ENROLLMENT, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create an enrollment."""
        return self.record(ENROLLMENT, create_enrollment(body, by=caller(request), now=moments.now()).pk, status=201)


class EnrollmentDetail(Endpoint):
    shows, rows = ENROLLMENT, Enrollment.objects.visible_to

    def lock(self, pk: Any) -> None:
        # Actions lock the cohort before its enrollments.
        cohort = self._body.get("cohort")
        if cohort is not None:
            list(Cohort.objects.select_for_update(no_key=True).filter(pk=cohort).values_list("pk"))
        super().lock(pk)

    @operation(may("view", "enrollment"), gives=ENROLLMENT)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """An enrollment."""
        return self.detail(request, pk)

    @operation(may("change", "enrollment"), takes=EnrollmentIn, gives=ENROLLMENT, refuses=[EnrollmentInUse])
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change an enrollment; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "enrollment"), takes=EnrollmentIn, gives=ENROLLMENT, refuses=[EnrollmentInUse])
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change an enrollment; the list of assistants is replaced."""
        change_enrollment(find(Enrollment.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "enrollment"), refuses=[EnrollmentInUse])
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete an enrollment without students."""
        delete_enrollment(find(Enrollment.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()
