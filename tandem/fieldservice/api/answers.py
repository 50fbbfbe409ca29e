"""What contract F's resources look like: each answer declared once (see common/reading/answer.py)."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, CharField, F, OuterRef, TextField, Value, When
from django.db.models.functions import Cast, Concat

from tandem.common.reading.answer import (
    Answer,
    Choice,
    Clock,
    Computed,
    Day,
    Flag,
    Json,
    Moment,
    Money,
    Nested,
    PlainText,
    Text,
    UtcText,
    Whole,
)
from tandem.fieldservice.models import (
    Attendance,
    AttendanceStatus,
    Card,
    CardType,
    Feedback,
    ServiceEntry,
    ServiceType,
    Visit,
    VisitStatus,
    VisitType,
)
from tandem.fieldservice.models.visit import VisitQuerySet
from tandem.fieldservice.queries import FREE_DAYS, next_free_service_date
from tandem.files.links import link_to

VISITS_OF_A_CARD = 20

_PART = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "name": {"type": "string"},
        "qty": {"type": "integer", "minimum": 1},
        "price": {"type": "string", "pattern": r"^\d+\.\d\d$"},
        "serial_number": {"type": "string"},
    },
}
PARTS = {"type": "array", "items": _PART}

ENTRY = Answer(
    "ServiceEntry",
    ServiceEntry,
    [
        Whole("id"),
        Whole("service", source="visit_id", example=501),
        Whole("performed_by", source="performed_by_id"),
        Text("performed_by_name", source="performed_by__name"),
        Text("work_detail", example="Replaced valve, cleaned filter"),
        Json("parts_replaced", shape=PARTS),
        Money("amount_charged", example="120.00"),
        Day("next_service_date", null=True),
        Moment("created_at"),
        Computed(
            "image",
            {"type": ["string", "null"], "format": "uri-reference"},
            takes={"key": "image"},
            compute=link_to,
            now=True,
        ),
    ],
    doc="A work log of a visit. `image`: a link to the picture that is good for 12 to 24 hours.",
)


def _customer_name(visit: str = "") -> Any:
    """The name that the card has for its owner; that of the person where the machine is another's by now."""
    is_still_theirs = {f"{visit}customer": F(f"{visit}card__customer")}
    name = When(**is_still_theirs, then=F(f"{visit}card__customer_name"))
    return Case(name, default=F(f"{visit}customer__name"), output_field=CharField())


FEEDBACK = Answer(
    "Feedback",
    Feedback,
    [
        Whole("id"),
        Whole("service", source="visit_id", example=501),
        Whole("customer", source="visit__customer_id"),
        Text("customer_name", source=lambda: _customer_name("visit__")),
        Whole("worker", source="visit__assigned_to_id", null=True),
        Text("worker_name", source="visit__assigned_to__name", null=True),
        Whole("rating", example=5),
        Text("comments", example="Great"),
        Moment("created_at"),
    ],
    doc="A customer's rating of a completed visit.",
)


def _scheduled_at() -> Any:
    """What was meant: a day without a time stays a date."""
    day = PlainText("scheduled_on", postgresql="%(expressions)s::text", sqlite="%(expressions)s")
    return Case(When(scheduled_has_time=True, then=UtcText("scheduled_at")), default=day, output_field=TextField())


_VISIT = [
    Whole("id", example=501),
    Whole("card", source="card_id", example=101),
    Text("card_model", source="card__model", example="AquaPure X1"),
    Whole("customer", source="customer_id", example=123),
    Text("customer_name", source=lambda: _customer_name(), example="Ramesh"),
    Text("customer_phone", source="customer__phone", null=True),
    Text("description", example="Not dispensing water"),
    Choice("service_type", options=ServiceType.values, example="free"),
    Text("service_type_reason"),
    Choice("status", options=VisitStatus.values, example="pending"),
    Choice("visit_type", options=VisitType.values, example="onsite"),
    Day("preferred_date", example="2025-12-18"),
    Clock("preferred_time", null=True, example="10:00"),
    Text("scheduled_at", source=_scheduled_at, null=True, example="2025-12-18"),
    Whole("assigned_to", source="assigned_to_id", null=True),
    Text("assigned_to_name", source="assigned_to__name", null=True),
    Text("assigned_to_phone", source="assigned_to__phone", null=True),
    Whole("requested_by", source="requested_by_id"),
    Money("amount_charged", example="0.00"),
    Day("next_service_date", null=True),
    Moment("otp_requested_at", null=True),
    Moment("otp_expires_at", null=True),
    Moment("completed_at", null=True),
    Moment("cancelled_at", null=True),
    Text("cancel_reason"),
    Moment("created_at"),
    Moment("updated_at"),
]

VISIT = Answer("Visit", Visit, _VISIT, doc="A visit to a machine; the contract's word in paths is `services`.")

VISIT_DETAIL = VISIT.with_keys(
    "VisitDetail",
    Nested("entries", answer=ENTRY, rows=lambda: ServiceEntry.objects.filter(visit=OuterRef("pk")).order_by("id")),
    Nested(
        "feedback", answer=FEEDBACK, rows=lambda: Feedback.objects.filter(visit=OuterRef("pk")), many=False, null=True
    ),
    doc="A visit with its work logs and its feedback.",
)

VISIT_WITH_ENTRIES = VISIT.with_keys(
    "VisitWithEntries",
    Nested("entries", answer=ENTRY, rows=lambda: ServiceEntry.objects.filter(visit=OuterRef("pk")).order_by("id")),
)

CARD = Answer(
    "Card",
    Card,
    [
        Whole("id", example=101),
        Text("model", example="AquaPure X1"),
        Whole("customer", source="customer_id", example=123),
        Text("customer_name", example="Ramesh"),
        Text("customer_phone", source="customer__phone", null=True),
        Choice("card_type", options=CardType.values, example="normal"),
        Text("region", example="rajapalayam"),
        Text("address", example="12 MG Road"),
        Text("city", example="Rajapalayam"),
        Text("postal_code", example="626117"),
        Day("date_of_installation", null=True, example="2025-09-15"),
        Day("warranty_start_date", null=True, example="2025-09-15"),
        Day("warranty_end_date", null=True, example="2026-09-14"),
        Day("amc_start_date", null=True),
        Day("amc_end_date", null=True),
        Flag("is_active"),
        Moment("created_at"),
        Moment("updated_at"),
    ],
    doc="A customer's installed machine.",
)


def _newest_visits() -> VisitQuerySet:
    return Visit.objects.filter(card=OuterRef("pk")).order_by("-created_at", "-id")


CARD_DETAIL = CARD.with_keys(
    "CardDetail",
    Text("services_url", source=lambda: Concat(Value("/api/crm/services/?card="), Cast("id", CharField()))),
    Nested(
        "services",
        answer=VISIT_WITH_ENTRIES,
        rows=lambda viewer: _newest_visits().shown_on_card_to(viewer)[:VISITS_OF_A_CARD],
        asks_who=True,
    ),
    Computed(
        "next_free_service_date",
        {"type": ["string", "null"], "format": "date"},
        takes={
            "starts_on": Day("starts_on", source="warranty_start_date"),
            "ends_on": Day("ends_on", source="warranty_end_date"),
            "card_type": "card_type",
            "free_days": FREE_DAYS,
        },
        compute=next_free_service_date,
        today=True,
    ),
    doc="A card with its newest visits and the next day on which a visit would be free.",
)

ATTENDANCE = Answer(
    "Attendance",
    Attendance,
    [
        Whole("id", example=14),
        Whole("user", source="user_id", example=3),
        Text("user_name", source="user__name"),
        Day("date", example="2025-12-12"),
        Choice("status", options=AttendanceStatus.values, example="present"),
        Whole("marked_by", source="marked_by_id", example=1),
        Moment("created_at", example="2025-12-12T09:12:00Z"),
    ],
    doc="Whether a worker is there on a day.",
)
