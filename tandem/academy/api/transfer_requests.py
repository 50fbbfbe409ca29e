"""Contract A §10: transfer requests."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.transfers import (
    AlreadyDecided,
    AlreadyPending,
    approve_transfer,
    change_transfer,
    create_transfer,
    delete_transfer,
    reject_transfer,
    restore_transfer,
)
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.records import Kept, deleted_or_live
from tandem.academy.api.teaching_answers import TRANSFER_REQUEST
from tandem.academy.models import TransferRequest, TransferStatus
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, Who, find, operation
from tandem.common.inputs import DayField, Defaulting, Input
from tandem.common.reading.listing import Listing, by_choice, by_uuid
from tandem.common.rendering import empty_answer

_FILTERS = {
    "student": by_uuid("student_id"),
    "status": by_choice("status", TransferStatus.values, many=True),
    "target_cohort": by_uuid("target_cohort_id"),
}
TRANSFERS = Listing(TRANSFER_REQUEST, TransferRequest.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_TRANSFERS = Listing(TRANSFER_REQUEST, TransferRequest.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Kept("transfer_request", TransferRequest, TRANSFER_REQUEST, "transferrequest", restore_transfer)

_VIEW, _CHANGE = may("view", "transferrequest"), may("change", "transferrequest")
_CHANGE_OR_AUTHOR = Who(f"{_CHANGE.name}; authors, to cancel", lambda user: _CHANGE.allows(user) or _VIEW.allows(user))


class TransferIn(Defaulting):
    """`cohort_request` or `target_cohort` is needed."""

    defaults: ClassVar[tuple[str, ...]] = ("cohort_request",)

    student = serializers.UUIDField()
    cohort_request = serializers.CharField(max_length=255, required=False, allow_null=True, allow_blank=True)
    target_cohort = serializers.UUIDField(required=False, allow_null=True)
    possible_transfer_date = DayField(required=False, allow_null=True)


class TransferChangeIn(TransferIn):
    defaults = (*TransferIn.defaults, "status")

    status = serializers.ChoiceField(TransferStatus.choices, required=False, allow_null=True)


class ApproveIn(Input):
    target_cohort = serializers.UUIDField(required=False, allow_null=True)
    effective_date = DayField(required=False, allow_null=True)


class RejectIn(Defaulting):
    defaults = ("reason",)

    reason = serializers.CharField(max_length=255, required=False, allow_null=True, allow_blank=True)


class TransferList(Endpoint):
    @operation(_VIEW, gives=TRANSFERS)
    def get(self, request: Request) -> HttpResponse:
        """All transfer requests, newest first; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, TRANSFERS, DELETED_TRANSFERS)

    @operation(
        may("add", "transferrequest"), takes=TransferIn, gives=TRANSFER_REQUEST, status=201, refuses=[AlreadyPending]
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Ask for a student's transfer to another cohort."""
        made = create_transfer(body, by=caller(request), now=moments.now())
        return self.record(TRANSFER_REQUEST, made.pk, status=201)


class TransferDetail(Endpoint):
    shows, rows = TRANSFER_REQUEST, TransferRequest.objects.visible_to

    @operation(_VIEW, gives=TRANSFER_REQUEST)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A transfer request."""
        return self.detail(request, pk)

    @operation(
        _CHANGE_OR_AUTHOR, takes=TransferChangeIn, gives=TRANSFER_REQUEST, refuses=[AlreadyDecided, AlreadyPending]
    )
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a transfer request; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(
        _CHANGE_OR_AUTHOR, takes=TransferChangeIn, gives=TRANSFER_REQUEST, refuses=[AlreadyDecided, AlreadyPending]
    )
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a request that is not decided, or cancel it with `status: cancelled`."""
        user = caller(request)
        found = find(TransferRequest.objects.live(), pk)
        change_transfer(found, body, by=user, may_change=_CHANGE.allows(user), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "transferrequest"))
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a transfer request; one that is approved for a day to come is not carried out."""
        delete_transfer(find(TransferRequest.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()


class TransferApprove(Endpoint):
    shows, rows = TRANSFER_REQUEST, TransferRequest.objects.visible_to

    @operation(_CHANGE, takes=ApproveIn, gives=TRANSFER_REQUEST, refuses=[AlreadyDecided])
    def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Approve a request: the student moves at once, or on `effective_date` when that is a day to come."""
        now = moments.now()
        approve_transfer(
            find(TransferRequest.objects.live(), pk),
            target_cohort=body.get("target_cohort"),
            effective_on=body.get("effective_date"),
            by=caller(request),
            today=moments.day_of(now),
            now=now,
        )
        return self.detail(request, pk)


class TransferReject(Endpoint):
    shows, rows = TRANSFER_REQUEST, TransferRequest.objects.visible_to

    @operation(_CHANGE, takes=RejectIn, gives=TRANSFER_REQUEST, refuses=[AlreadyDecided])
    def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Reject a request."""
        found = find(TransferRequest.objects.live(), pk)
        reject_transfer(found, reason=body.get("reason", ""), by=caller(request), now=moments.now())
        return self.detail(request, pk)
