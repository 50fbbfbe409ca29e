"""Contract F §8: who is there on which day."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import ADMIN, WORKER_OR_ADMIN, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.inputs import DayField, Defaulting, IdField, Input
from tandem.common.reading.listing import Listing, Order, by_choice, by_day, by_id
from tandem.common.reading.query import day_in
from tandem.common.rendering import json_answer
from tandem.fieldservice.actions.attendance import mark_absent, mark_everybody, mark_present
from tandem.fieldservice.api.answers import ATTENDANCE
from tandem.fieldservice.models import Attendance, AttendanceStatus
from tandem.fieldservice.queries import attendance_of, attendance_on

ATTENDANCES = Listing(
    ATTENDANCE,
    Attendance.objects.visible_to,
    filters={
        "user": by_id("user"),
        "date": by_day("date"),
        "status": by_choice("status", AttendanceStatus.values),
    },
    orders={"": Order(("date", "id"), descending=True)},
)

# More people than this in one request are a mistake, and more than a statement of either database takes.
MOST_IN_BULK = 2000

_DAY = {"type": "string", "format": "date"}
_STATUS = {"type": ["string", "null"], "enum": [*AttendanceStatus.values, None]}
_IDS = {"type": "array", "items": {"type": "integer"}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_MARKED = {"detail": {"type": "string"}, "attendance_id": {"type": "integer", "examples": [14]}}


class MarkIn(Input):
    user = IdField()
    date = DayField()


class BulkIn(Defaulting):
    defaults = ("present", "absent")

    date = DayField()
    present = serializers.ListField(child=IdField(), max_length=MOST_IN_BULK, required=False, allow_null=True)
    absent = serializers.ListField(child=IdField(), max_length=MOST_IN_BULK, required=False, allow_null=True)


class AttendanceList(Endpoint):
    @operation(ADMIN, gives=ATTENDANCES)
    def get(self, request: Request) -> HttpResponse:
        """Who was marked how; the newest day first."""
        return self.page(request, ATTENDANCES)


class MarkPresent(Endpoint):
    @operation(ADMIN, takes=MarkIn, gives=_object(**_MARKED))
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Mark a worker present on a day. Marking again changes the same row."""
        marked = mark_present(body["user"], on=body["date"], by=caller(request), now=moments.now())
        return json_answer({"detail": "Marked present", "attendance_id": marked.marks[0].pk})


class MarkAbsent(Endpoint):
    @operation(ADMIN, takes=MarkIn, gives=_object(**_MARKED, affected_visits=_IDS))
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Mark a worker absent on a day; `affected_visits` are that person's open visits of the day."""
        marked = mark_absent(body["user"], on=body["date"], by=caller(request), now=moments.now())
        return json_answer(
            {
                "detail": "Marked absent",
                "attendance_id": marked.marks[0].pk,
                "affected_visits": marked.affected_visits,
            }
        )


class AttendanceMe(Endpoint):
    @operation(WORKER_OR_ADMIN, gives=_object(date=_DAY, status=_STATUS))
    def get(self, request: Request) -> HttpResponse:
        """How the caller is marked today; null when nobody has marked him or her yet."""
        today = moments.today()
        return json_answer({"date": today, "status": attendance_of(caller(request).pk, on=today)})


class AttendanceBulk(Endpoint):
    @operation(
        ADMIN,
        takes=BulkIn,
        gives=_object(
            detail={"type": "string"},
            present_marked={"type": "integer", "examples": [3]},
            absent_marked={"type": "integer", "examples": [2]},
            affected_visits=_IDS,
        ),
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Mark many workers at once: all of them, or nobody when one of them cannot be marked."""
        present, absent = set(body.get("present", [])), set(body.get("absent", []))
        marked = mark_everybody(present=present, absent=absent, on=body["date"], by=caller(request), now=moments.now())
        return json_answer(
            {
                "detail": "Bulk update complete",
                "present_marked": len(present),
                "absent_marked": len(absent),
                "affected_visits": marked.affected_visits,
            }
        )


class AttendanceByDate(Endpoint):
    @operation(
        ADMIN,
        query={"date": _DAY},
        gives=_object(
            date=_DAY,
            total={"type": "integer"},
            records={
                "type": "array",
                "items": _object(user_id={"type": "integer"}, user_name={"type": "string"}, status=_STATUS),
            },
        ),
    )
    def get(self, request: Request) -> HttpResponse:
        """Every worker on one day (today when `date` is left out); `status` is null for who is not marked yet."""
        day = day_in(request.query_params.dict(), "date") or moments.today()
        records = attendance_on(day)
        return json_answer({"date": day, "total": len(records), "records": records})
