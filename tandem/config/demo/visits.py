"""What happens to the demo company's visits, step by step.

Each step leaves the same fields and the same event as the action of its name, and asks the same rules; it is only
written later, together with all others. (Through the actions themselves the demo would take minutes to load.)
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.moments import DayOrMoment
from tandem.config.demo.diary import Diary
from tandem.fieldservice.actions.completion import Work
from tandem.fieldservice.actions.visits import NO_CODE, schedule
from tandem.fieldservice.models import Card, Feedback, ServiceEntry, Visit
from tandem.fieldservice.queries import warranty_of
from tandem.fieldservice.rules import otp, states
from tandem.fieldservice.rules.warranty import FREE, Decision, FreeDay, decide, decide_again

_CODE_FIELDS = frozenset(field.name for field in Visit._meta.fields if field.name.startswith("otp_"))


@dataclass
class Visits:
    diary: Diary
    all: list[Visit] = field(default_factory=list)
    entries: list[ServiceEntry] = field(default_factory=list)
    ratings: list[Feedback] = field(default_factory=list)
    _of_card: dict[int, list[Visit]] = field(default_factory=dict)

    def book(
        self,
        card: Card,
        *,
        on: date,
        preferred_time: time | None,
        visit_type: str,
        description: str,
        asked: str = "auto",
        at: datetime,
        by: User,
    ) -> Visit:
        decision = decide(warranty_of(card), free_days=self._free_days(card), on=on, asked=asked, by_admin=by.is_admin)
        visit = Visit(
            card=card,
            customer=card.customer,
            description=description,
            visit_type=visit_type,
            preferred_date=on,
            preferred_time=preferred_time,
            status=states.PENDING,
            amount_charged=Decimal("0.00"),
            requested_by=by,
            created_at=at,
            updated_at=at,
            **_decided(decision),
        )
        self.all.append(visit)
        self._of_card.setdefault(card.pk, []).append(visit)
        after = {"card": card.pk, "status": visit.status, "day": on, **_decided(decision)}
        self.diary.tell("visit.booked", visit, at=at, by=by, after=after, description=description)
        return visit

    def reschedule(self, visit: Visit, *, to: date, at: datetime, by: User) -> None:
        status = states.after_reschedule(visit.status, has_worker=visit.assigned_to_id is not None)
        before = Decision(visit.service_type, visit.service_type_reason, visit.service_type_forced)
        free_days = self._free_days(visit.card, without=visit)
        again = decide_again(before, warranty_of(visit.card), free_days=free_days, on=to, by_admin=by.is_admin)
        values = {**schedule(DayOrMoment(to)), "status": status, **NO_CODE, **_decided(again)}
        self._change("visit.rescheduled", visit, values, at=at, by=by)

    def assign(self, visit: Visit, worker: User, *, clock: time, at: datetime, by: User) -> None:
        """By hand, with the time at which the worker comes."""
        when = DayOrMoment(day_of(visit), moments.at_time(day_of(visit), clock))
        values = {"status": states.move(visit.status, states.ASSIGNED), **NO_CODE, **schedule(when)}
        self._change("visit.assigned", visit, values | {"assigned_to": worker}, at=at, by=by, forced=False)

    def auto_assign(self, visit: Visit, worker: User, *, at: datetime) -> None:
        """By the planner; the time that was asked for stays."""
        day, clock = day_of(visit), visit.preferred_time
        when = DayOrMoment(day, moments.at_time(day, clock) if clock else None)
        values = {**schedule(when), "status": states.move(visit.status, states.SCHEDULED), "assigned_to": worker}
        reasons = [f"works in {worker.region}" if worker.region else f"goes to any region, also {visit.card.region}"]
        self._change("visit.scheduled", visit, values, at=at, by=None, reasons=reasons)

    def cancel(self, visit: Visit, *, reason: str, at: datetime, by: User) -> None:
        values = {"status": states.move(visit.status, states.CANCELLED), "cancelled_at": at, "cancel_reason": reason}
        self._change("visit.cancelled", visit, values | NO_CODE, at=at, by=by)

    def start(self, visit: Visit, *, at: datetime) -> None:
        status = states.move_by_hand(visit.status, states.IN_PROGRESS, has_worker=visit.assigned_to_id is not None)
        self._change("visit.started", visit, {"status": status}, at=at, by=visit.assigned_to)

    def request_code(self, visit: Visit, *, at: datetime) -> None:
        """No message is left to be sent, and the digest is one that no code fits: the demo never sends anything."""
        values = {
            "status": states.move(visit.status, states.AWAITING_OTP),
            "otp_hash": secrets.token_hex(32),
            "otp_requested_at": at,
            "otp_expires_at": at + otp.VALID_FOR,
            "otp_tries": 0,
            "otp_day": moments.day_of(at),
            "otp_codes_on_day": 1,
        }
        self._change("visit.code_requested", visit, values, at=at, by=visit.assigned_to)

    def complete(self, visit: Visit, work: Work, *, at: datetime, by: User, **facts: Any) -> None:
        """facts: `override_reason` when an admin completes it without a code."""
        told = {
            "work_detail": work.detail,
            "parts_replaced": list(work.parts),
            "amount_charged": work.amount_charged,
            "next_service_date": work.next_service_date,
        }
        entry = ServiceEntry(visit=visit, performed_by=by, created_at=at, **told)
        self.entries.append(entry)
        values = {
            "status": states.move(visit.status, states.COMPLETED),
            "completed_at": at,
            "completed_on": moments.day_of(at),
            "amount_charged": work.amount_charged,
            "next_service_date": work.next_service_date or visit.next_service_date,
        }
        self._change("visit.completed", visit, values | NO_CODE, at=at, by=by, entry=entry, work=told, **facts)

    def rate(self, visit: Visit, *, rating: int, comments: str, at: datetime) -> None:
        feedback = Feedback(visit=visit, rating=rating, comments=comments, created_at=at)
        self.ratings.append(feedback)
        after = {"service": visit, "rating": rating, "comments": comments}
        self.diary.tell("feedback.given", feedback, at=at, by=visit.card.customer, after=after)

    def write(self) -> None:
        """Older visits get lower ids, as if they had been booked one after the other. Three queries, for each batch."""
        self.all.sort(key=lambda visit: visit.created_at)
        Visit.objects.bulk_create(self.all)
        ServiceEntry.objects.bulk_create(sorted(self.entries, key=lambda entry: entry.created_at))
        Feedback.objects.bulk_create(sorted(self.ratings, key=lambda rating: rating.created_at))

    def last_of(self, card: Card) -> Visit | None:
        """The visit that was booked last, whatever became of it."""
        return self._of_card.get(card.pk, [None])[-1]

    def _change(
        self, event: str, visit: Visit, values: dict[str, Any], *, at: datetime, by: User | None, **facts: Any
    ) -> None:
        self.diary.change(event, visit, values, at=at, by=by, untold=_CODE_FIELDS, **facts)

    def _free_days(self, card: Card, *, without: Visit | None = None) -> tuple[FreeDay, ...]:
        return tuple(
            FreeDay(visit.completed_on or day_of(visit), by_rule=not visit.service_type_forced)
            for visit in self._of_card.get(card.pk, [])
            if visit.service_type == FREE and visit.status != states.CANCELLED and visit is not without
        )


def day_of(visit: Visit) -> date:
    """What the database works out as `day`, for a visit that is not written yet."""
    return visit.scheduled_on or visit.preferred_date


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "service_type": decision.service_type,
        "service_type_reason": decision.reason,
        "service_type_forced": decision.forced,
    }
