"""Contract F §9: reports and the export."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.http import HttpResponse

from tandem.accounts.access import ADMIN
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.reading.answer import Answer, Computed, Day, Text, Whole
from tandem.common.reading.listing import Listing, Order
from tandem.common.reading.query import day_in, month_in, month_of, refuse_backward
from tandem.common.reading.statement import from_replica
from tandem.common.spreadsheet import csv_answer
from tandem.fieldservice import reports
from tandem.fieldservice.api.answers import VISIT
from tandem.fieldservice.models import Card, Visit
from tandem.fieldservice.queries import FREE_DAYS

DAYS_AHEAD = 30

_DAY = {"type": "string", "format": "date"}
_SPAN = {"from": _DAY, "to": _DAY}

WARRANTY_ROW = Answer(
    "WarrantyReportRow",
    Card,
    [
        Whole("card_id", source="id", example=101),
        Text("card_model", source="model", example="AquaPure X1"),
        Whole("customer_id", example=123),
        Text("customer_name", example="Ramesh"),
        Text("customer_phone", source="customer__phone", null=True),
        Text("region", example="rajapalayam"),
        Text("address", example="12 MG Road"),
        Text("city", example="Rajapalayam"),
        Day("warranty_start_date", null=True, example="2025-09-15"),
        Day("warranty_end_date", null=True, example="2026-09-14"),
        Day("last_free_service_date", source=reports.last_free_day, null=True),
        Whole("booked_visit", source=reports.booked_visit, null=True, example=501),
        Computed(
            "free_from",
            {"type": ["string", "null"], "format": "date"},
            takes={
                "starts_on": Day("starts_on", source="warranty_start_date"),
                "ends_on": Day("ends_on", source="warranty_end_date"),
                "card_type": "card_type",
                "free_days": FREE_DAYS,
                "first": Day("first", source=reports.FIRST),
                "last": Day("last", source=reports.LAST),
            },
            compute=reports.free_from,
        ),
    ],
    doc="A machine with a free visit in a month: possible from `free_from`, or booked already.",
)
WARRANTY = Listing(WARRANTY_ROW, reports.warranty_candidates, sifted=True)
UPCOMING = Listing(VISIT, reports.upcoming_visits, orders={"": Order(("day", "schedule_key", "id"))})

_OF_VISIT = {key.name: key for key in VISIT.shown}

# A row of the export; what it shares with the API's answer has the same text there.
EXPORT = Answer(
    "_ExportRow",
    Visit,
    [
        _OF_VISIT["id"],
        Whole("card_id"),
        _OF_VISIT["card_model"],
        Whole("customer_id"),
        _OF_VISIT["customer_name"],
        _OF_VISIT["customer_phone"],
        Text("region", source="card__region"),
        _OF_VISIT["service_type"],
        _OF_VISIT["status"],
        _OF_VISIT["visit_type"],
        _OF_VISIT["preferred_date"],
        _OF_VISIT["preferred_time"],
        _OF_VISIT["scheduled_at"],
        _OF_VISIT["assigned_to"],
        _OF_VISIT["assigned_to_name"],
        _OF_VISIT["amount_charged"],
        _OF_VISIT["completed_at"],
        _OF_VISIT["created_at"],
    ],
)


class WarrantyReport(Endpoint):
    @operation(ADMIN, gives=WARRANTY, query={"month": {"type": "string", "pattern": r"^\d{4}-\d{2}$"}})
    def get(self, request: Request) -> HttpResponse:
        """The machines with a free visit in a month (this one when `month` is left out), possible or booked."""
        month = month_in(request.query_params.dict(), "month") or month_of(moments.today())
        with from_replica():
            return self.page(request, WARRANTY, **reports.span(month.first, month.last))


class UpcomingVisits(Endpoint):
    @operation(ADMIN, gives=UPCOMING, query=_SPAN)
    def get(self, request: Request) -> HttpResponse:
        """The open visits from today to 30 days later, or of another span, by day."""
        asked, last = _span(request)
        first = asked or moments.today()
        last = last or first + timedelta(days=DAYS_AHEAD)
        refuse_backward(first, last, blamed="from" if asked else "to")
        with from_replica():
            return self.page(request, UPCOMING, **reports.span(first, last))


class VisitExport(Endpoint):
    @operation(ADMIN, gives={"type": "string"}, media="text/csv", query=_SPAN, slow=True)
    def get(self, request: Request) -> HttpResponse:
        """All visits as CSV, or those of a span of days."""
        first, last = _span(request)
        refuse_backward(first, last)
        rows = reports.exported_visits(EXPORT.columns(), first=first, last=last)
        return csv_answer(_filename(first, last), [key.name for key in EXPORT.shown], rows)


def _span(request: Request) -> tuple[date | None, date | None]:
    query: dict[str, Any] = request.query_params.dict()
    return day_in(query, "from"), day_in(query, "to")


def _filename(first: date | None, last: date | None) -> str:
    """services-from-2025-12-01-to-2025-12-31.csv; an end that was left open is left out, without both: today's date."""
    ends = [f"-from-{first}" if first else "", f"-to-{last}" if last else ""]
    return f"services{''.join(ends) or f'-{moments.today()}'}.csv"
