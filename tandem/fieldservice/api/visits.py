"""Contract F §4: visits, from booking to cancelling. Paths and keys keep the contract's word, services."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import ADMIN, CUSTOMER_OR_ADMIN, FIELD, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import ClockField, DayField, DayOrMomentField, Defaulting, IdField, Input
from tandem.common.reading.listing import BeforeAnywhere, Listing, Order, by_choice, by_day, by_id, by_text
from tandem.fieldservice.actions.visits import (
    Booking,
    DuplicateVisit,
    VisitClosed,
    WorkerAbsent,
    WorkHasBegun,
    assign_worker,
    book_visit,
    cancel_visit,
    change_visit,
    reschedule_visit,
)
from tandem.fieldservice.api.answers import VISIT, VISIT_DETAIL
from tandem.fieldservice.models import Card, ServiceType, Visit, VisitStatus, VisitType
from tandem.fieldservice.rules.states import InvalidTransition

VISITS = Listing(
    VISIT,
    Visit.objects.visible_to,
    filters={
        "status": by_choice("status", VisitStatus.values, many=True),
        "assigned_to": by_id("assigned_to"),
        "card": by_id("card"),
        "customer": by_id("customer"),
        "from": by_day("day__gte", implies=lambda day: Q(schedule_key__gte=BeforeAnywhere(day))),
        "to": by_day("day__lte"),
        "search": by_text(
            "description__icontains",
            "card__model__icontains",
            "card__customer_name__icontains",
            "customer__name__icontains",
            "customer__phone__contains",
            phones=True,
            doc="Part of the description, the machine's model, or the customer's name or phone.",
        ),
    },
    orders={
        "scheduled": Order(("schedule_key", "created_at", "id")),
        "created": Order(("created_at", "id")),
    },
)

_SERVICE_TYPES = ["auto", *ServiceType.values]
_DETAIL = {"type": "string"}
_CHANGE_REFUSALS = [DuplicateVisit, VisitClosed, WorkHasBegun, InvalidTransition, WorkerAbsent]


class VisitIn(Defaulting):
    """What is said of a visit both when it is booked and when it is changed."""

    description = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=5000)
    service_type = serializers.ChoiceField(_SERVICE_TYPES, required=False, allow_null=True)
    visit_type = serializers.ChoiceField(VisitType.choices, required=False, allow_null=True)
    preferred_date = DayField(required=False, allow_null=True)
    preferred_time = ClockField(required=False, allow_null=True)
    scheduled_at = DayOrMomentField(required=False, allow_null=True)
    assigned_to = IdField(required=False, allow_null=True)
    force = serializers.BooleanField(required=False, allow_null=True)


class BookingIn(VisitIn):
    defaults = ("description", "visit_type", "force")

    card = IdField()


class VisitChangeIn(VisitIn):
    defaults = ("description", "service_type", "visit_type", "preferred_date", "force", "status")

    next_service_date = DayField(required=False, allow_null=True)
    status = serializers.ChoiceField(VisitStatus.choices, required=False, allow_null=True)


class AssignIn(Defaulting):
    defaults = ("force",)

    assigned_to = IdField()
    scheduled_at = DayOrMomentField(required=False, allow_null=True)
    force = serializers.BooleanField(required=False, allow_null=True)


class RescheduleIn(Input):
    scheduled_at = DayOrMomentField()


class CancelIn(Input):
    reason = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=255)


class VisitList(Endpoint):
    @operation(FIELD, gives=VISITS)
    def get(self, request: Request) -> HttpResponse:
        """The visits that the caller may see; those with a fixed day first, by that day."""
        return self.page(request, VISITS)

    @operation(
        CUSTOMER_OR_ADMIN,
        takes=BookingIn,
        gives=VISIT,
        status=201,
        adds={"next_steps": {"type": "string", "examples": ["admin will assign"]}},
        refuses=[DuplicateVisit, WorkerAbsent],
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Book a visit: a customer for the own machine, an admin for any. The server decides whether it is free."""
        booking = Booking(
            card=body["card"],
            preferred_date=body.get("preferred_date"),
            preferred_time=body.get("preferred_time"),
            description=body.get("description", ""),
            visit_type=body.get("visit_type", VisitType.ONSITE),
            asked=body.get("service_type") or "auto",
            scheduled=body.get("scheduled_at"),
            assigned_to=body.get("assigned_to"),
            force=body.get("force", False),
        )
        visit = book_visit(booking, by=caller(request), now=moments.now())
        return self.record(VISIT, visit.pk, status=201, next_steps=_NEXT_STEPS[VisitStatus(visit.status)])


_NEXT_STEPS = {
    VisitStatus.PENDING: "admin will assign",
    VisitStatus.SCHEDULED: "admin will assign a worker for the fixed day",
    VisitStatus.ASSIGNED: "the worker will come",
}


class OfVisit(Endpoint):
    """What all addresses of one visit share: its detail with the ETag, and the order of locks, card before visit."""

    shows, rows = VISIT_DETAIL, Visit.objects.visible_to

    def lock(self, pk: int) -> None:
        # `visits__pk`, not `visits`: the field itself finds nothing for a number that no column can hold.
        list(Card.objects.select_for_update(of=("self",), no_key=True).filter(visits__pk=pk).values_list("pk"))
        super().lock(pk)

    def visit(self, request: Request, pk: int) -> Visit:
        return find(Visit.objects.visible_to(caller(request)), pk)


class VisitDetail(OfVisit):
    @operation(FIELD, gives=VISIT_DETAIL)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """A visit with its work logs and its feedback."""
        return self.detail(request, pk)

    @operation(FIELD, takes=VisitChangeIn, gives=VISIT_DETAIL, refuses=_CHANGE_REFUSALS)
    def put(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a visit; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(FIELD, takes=VisitChangeIn, gives=VISIT_DETAIL, refuses=_CHANGE_REFUSALS)
    def patch(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a visit: what the caller's role may (docs/contracts)."""
        change_visit(self.visit(request, pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)


class VisitAssign(OfVisit):
    @operation(
        ADMIN,
        takes=AssignIn,
        gives=VISIT,
        adds={"detail": _DETAIL},
        refuses=[WorkerAbsent, InvalidTransition, DuplicateVisit],
    )
    def post(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Put a named worker on a visit, and fix its day if `scheduled_at` is given."""
        assign_worker(
            self.visit(request, pk),
            to=body["assigned_to"],
            scheduled=body.get("scheduled_at"),
            force=body.get("force", False),
            by=caller(request),
            now=moments.now(),
        )
        return self.record(VISIT, pk, first="assigned")


class VisitReschedule(OfVisit):
    @operation(
        CUSTOMER_OR_ADMIN,
        takes=RescheduleIn,
        gives=VISIT,
        adds={"detail": _DETAIL},
        refuses=[WorkHasBegun, InvalidTransition, DuplicateVisit],
    )
    def post(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Fix another day: the owner until the work has begun, or an admin."""
        visit = self.visit(request, pk)
        reschedule_visit(visit, to=body["scheduled_at"], by=caller(request), now=moments.now())
        return self.record(VISIT, pk, first="rescheduled")


class VisitCancel(OfVisit):
    @operation(
        CUSTOMER_OR_ADMIN,
        takes=CancelIn,
        gives=VISIT,
        adds={"detail": _DETAIL},
        refuses=[WorkHasBegun, InvalidTransition],
    )
    def post(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Call a visit off: the owner until the work has begun, or an admin."""
        visit = self.visit(request, pk)
        cancel_visit(visit, reason=body.get("reason") or "", by=caller(request), now=moments.now())
        return self.record(VISIT, pk, first="cancelled")
