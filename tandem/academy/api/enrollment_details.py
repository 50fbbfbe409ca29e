"""Contract A §9: the seats of students in enrollments."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.enrollments import (
    AlreadyEnrolled,
    delete_seat,
    enroll,
    locked_seat_to_restore,
    restore_seat,
)
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.records import Kept, deleted_or_live
from tandem.academy.api.teaching_answers import ENROLLMENT_DETAIL
from tandem.academy.models import DetailStatus, EnrollmentDetail, Student
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import Input
from tandem.common.reading.listing import Listing, by_choice, by_uuid, parameters_in
from tandem.common.rendering import empty_answer

_FILTERS = {"enrollment": by_uuid("enrollment_id"), "student": by_uuid("student_id")}
_STATUS = {"status": by_choice("status", [*DetailStatus.values, "all"])}  # all: the endpoint picks EVERY_SEAT for it
SEATS = Listing(ENROLLMENT_DETAIL, EnrollmentDetail.objects.visible_to, {**_FILTERS, **_STATUS}, NEWEST_FIRST)
EVERY_SEAT = Listing(ENROLLMENT_DETAIL, EnrollmentDetail.objects.visible_to, _FILTERS, NEWEST_FIRST)
ACTIVE_SEATS = Listing(
    ENROLLMENT_DETAIL,
    lambda viewer: EnrollmentDetail.objects.visible_to(viewer).filter(status=DetailStatus.ACTIVE),
    _FILTERS,
    NEWEST_FIRST,
)
DELETED_SEATS = Listing(ENROLLMENT_DETAIL, EnrollmentDetail.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Kept(
    "enrollment_detail", EnrollmentDetail, ENROLLMENT_DETAIL, "enrollmentdetail", restore_seat, locked_seat_to_restore
)


class SeatIn(Input):
    enrollment = serializers.UUIDField()
    student = serializers.UUIDField()


class SeatList(Endpoint):
    @operation(may("view", "enrollmentdetail"), gives=SEATS)
    def get(self, request: Request) -> HttpResponse:
        """Who is in which enrollment, newest first: now, or ever with `?student=` or `?status=all`.

        `?deleted=true` (admins): only deleted ones.
        """
        return deleted_or_live(self, request, _asked(request), DELETED_SEATS)

    @operation(
        may("add", "enrollmentdetail"), takes=SeatIn, gives=ENROLLMENT_DETAIL, status=201, refuses=[AlreadyEnrolled]
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Put a student into an enrollment, and so into its cohort."""
        seat = enroll(body["student"], body["enrollment"], by=caller(request), now=moments.now())
        return self.record(ENROLLMENT_DETAIL, seat.pk, status=201)


class SeatDetail(Endpoint):
    shows, rows = ENROLLMENT_DETAIL, EnrollmentDetail.objects.visible_to

    def lock(self, pk: Any) -> None:
        # Actions lock the student before the seats.
        list(Student.objects.select_for_update(no_key=True).filter(details=pk).values_list("pk"))
        super().lock(pk)

    @operation(may("view", "enrollmentdetail"), gives=ENROLLMENT_DETAIL)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A student in an enrollment."""
        return self.detail(request, pk)

    @operation(may("delete", "enrollmentdetail"))
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Take a student out; the cohort becomes that of the newest other enrollment, or none."""
        delete_seat(find(EnrollmentDetail.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()


def _asked(request: Request) -> Listing:
    query = parameters_in(request.query_params.dict())
    status = query.get("status")
    if status == "all" or (query.get("student") and not status):
        return EVERY_SEAT
    return SEATS if status else ACTIVE_SEATS
