"""Completing visits: with the customer's one-time code, or by an admin's word; and work logs beside it.

Contract F §5, §6; CONTRACT §3 "OTP", "`verify_otp/`", "Entries". All that happens to a code happens under the lock of
the visit's row, so of guesses that arrive together each is compared, and counted, after the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.common.errors import Conflict, Forbidden, Invalid, Refusal
from tandem.common.sealing import derived_key
from tandem.events.changes import change
from tandem.events.record import record
from tandem.fieldservice.actions.visits import NO_CODE, locked_visit
from tandem.fieldservice.models import Card, ServiceEntry, Visit
from tandem.fieldservice.rules import otp, states
from tandem.fieldservice.rules.parts import Part
from tandem.files.images import Picture
from tandem.files.storage import kept
from tandem.sms.outbox import queue_message


class NoPhone(Conflict):
    code = "no_phone"
    message = "This machine's customer has no phone on file. An admin can complete the visit with `override_reason`."


class AlreadyCompleted(Conflict):
    code = "already_completed"
    message = "This visit is completed already."


class VisitCancelled(Conflict):
    code = "visit_cancelled"
    message = "This visit was cancelled, so there is no work to log."


@dataclass(frozen=True)
class Work:
    """What was done on a visit. parts: as `rules.parts` reads them. image: already checked and written anew."""

    detail: str = ""
    parts: Sequence[Part] = ()
    amount_charged: Decimal = Decimal(0)
    next_service_date: date | None = None
    image: Picture | None = None


def request_code(visit: Visit, *, by: User, now: datetime) -> str:
    """Send the machine's customer a new code, which takes the place of any older one. Six queries.

    Gives the code, for a development setting only: nobody else may learn it but through the customer's phone.
    Raises InvalidTransition, NoPhone, OtpTooSoon, OtpDailyLimit.
    """
    today = moments.day_of(now)
    with transaction.atomic():
        visit = locked_visit(visit, by=by)
        status = states.move(visit.status, states.AWAITING_OTP)
        # Read behind the lock, for which a change of the machine's customer may have had to be awaited.
        phone = Card.objects.values_list("customer__phone", flat=True).get(pk=visit.card_id)
        if not phone:
            raise NoPhone
        counted = _counted_on(today, visit)
        otp.may_send(
            last_sent_at=visit.otp_requested_at,
            sent_today=counted["otp_codes_on_day"],
            next_day_at=moments.start_of(today + timedelta(days=1)),
            now=now,
        )
        code = otp.new_code(settings.CRM_OTP_DIGITS)
        before, after = change(
            visit,
            at=now,
            status=status,
            otp_hash=otp.code_hash(code, visit_id=visit.pk, key=_key()),
            otp_requested_at=now,
            otp_expires_at=now + otp.VALID_FOR,
            otp_tries=0,
            **{**counted, "otp_codes_on_day": counted["otp_codes_on_day"] + 1},
        )
        record("visit.code_requested", subject=visit, actor=by, at=now, before=before, after=after)
        queue_message(to=phone, text=_message(code), purpose="otp", now=now, expires_at=visit.otp_expires_at)
    return code


def complete_with_code(visit: Visit, *, code: str, work: Work, by: User, now: datetime) -> ServiceEntry:
    """Complete a visit with the code that its customer was sent. Five queries.

    code: as it was typed, without spaces. A wrong one is counted, and stays counted although this call fails.
    Raises AlreadyCompleted, InvalidTransition, OtpInvalid, OtpExpired, OtpExhausted.
    """
    with kept(work.image, entity="visit", pk=visit.pk) as image:
        with transaction.atomic():
            visit = _completable(visit, by=by)
            wrong = _guess(visit, code, by=by, now=now)
            if wrong is None:
                return _complete(visit, work, image=image, by=by, now=now)
        # Only here, when the count is committed: an exception inside would roll it back.
        raise wrong


def complete_without_code(visit: Visit, *, reason: str, work: Work, by: User, now: datetime) -> ServiceEntry:
    """Complete a visit on an admin's word, e.g. when its customer has no phone; the reason is kept. Four queries.

    Raises Forbidden, AlreadyCompleted, InvalidTransition.
    """
    if by.role != Role.ADMIN:
        raise Forbidden("Only an admin may complete a visit without the customer's code.")
    with kept(work.image, entity="visit", pk=visit.pk) as image, transaction.atomic():
        visit = _completable(visit, by=by)
        return _complete(visit, work, image=image, by=by, now=now, override_reason=reason)


def add_entry(work: Work, *, to: int, by: User, now: datetime) -> ServiceEntry:
    """Log work on a visit that the caller may see, without completing it. to: the visit's id. Four queries.

    Raises Invalid on `service` (no hint whether it exists), VisitCancelled.
    """
    visit = Visit.objects.visible_to(by).filter(pk=to).first()
    if visit is None:
        raise Invalid.unknown("service", to)
    with kept(work.image, entity="visit", pk=visit.pk) as image, transaction.atomic():
        visit = locked_visit(visit, by=by)
        if visit.status == states.CANCELLED:
            raise VisitCancelled
        entry = _log(visit, work, image=image, by=by, now=now)
        record("entry.added", subject=entry, actor=by, at=now, after={"service": visit.pk, **_facts_of(entry)})
    return entry


def _completable(visit: Visit, *, by: User) -> Visit:
    locked = locked_visit(visit, by=by)
    if locked.status == states.COMPLETED:
        raise AlreadyCompleted
    if locked.status == states.CANCELLED:
        states.move(locked.status, states.COMPLETED)
    return locked


def _guess(visit: Visit, code: str, *, by: User, now: datetime) -> Refusal | None:
    """Compare a guess with the code that is pending. None: it is right; else it is counted.

    Raises OtpExpired and OtpExhausted, for guesses that are not compared and so not counted.
    """
    today = moments.day_of(now)
    counted = _counted_on(today, visit)
    otp.may_guess(
        is_pending=visit.status == states.AWAITING_OTP,
        tries=visit.otp_tries,
        guesses_today=counted["otp_guesses_on_day"],
        sent_at=visit.otp_requested_at,
        expires_at=visit.otp_expires_at,
        next_day_at=moments.start_of(today + timedelta(days=1)),
        now=now,
    )
    if otp.is_right_code(code, visit_id=visit.pk, key=_key(), stored=visit.otp_hash):
        return None
    tries = visit.otp_tries + 1
    void: dict[str, Any] = {"otp_hash": "", "otp_expires_at": None} if tries >= otp.MAX_TRIES else {}
    counted["otp_guesses_on_day"] += 1
    before, after = change(visit, otp_tries=tries, **counted, **void)
    left = otp.MAX_TRIES - tries
    record("visit.code_refused", subject=visit, actor=by, at=now, before=before, after=after, attempts_left=left)
    return otp.OtpInvalid(attempts_left=left)


def _complete(visit: Visit, work: Work, *, image: str, by: User, now: datetime, **facts: Any) -> ServiceEntry:
    entry = _log(visit, work, image=image, by=by, now=now)
    before, after = change(
        visit,
        at=now,
        status=states.move(visit.status, states.COMPLETED),
        completed_at=now,
        completed_on=moments.day_of(now),
        amount_charged=work.amount_charged,
        next_service_date=work.next_service_date or visit.next_service_date,
        **NO_CODE,
        otp_requested_at=None,
    )
    facts |= {"entry": entry.pk, "work": _facts_of(entry)}
    record("visit.completed", subject=visit, actor=by, at=now, before=before, after=after, **facts)
    return entry


def _log(visit: Visit, work: Work, *, image: str, by: User, now: datetime) -> ServiceEntry:
    return ServiceEntry.objects.create(
        visit=visit,
        performed_by=by,
        work_detail=work.detail,
        parts_replaced=list(work.parts),
        amount_charged=work.amount_charged,
        next_service_date=work.next_service_date,
        image=image,
        created_at=now,
    )


def _facts_of(entry: ServiceEntry) -> dict[str, Any]:
    names = ("work_detail", "parts_replaced", "amount_charged", "next_service_date")
    return {name: getattr(entry, name) for name in names}


def _counted_on(day: date, visit: Visit) -> dict[str, Any]:
    """The visit's counters as they stand on a day, under the names of their fields."""
    is_same = visit.otp_day == day
    return {
        "otp_day": day,
        "otp_codes_on_day": visit.otp_codes_on_day if is_same else 0,
        "otp_guesses_on_day": visit.otp_guesses_on_day if is_same else 0,
    }


def _key() -> bytes:
    return derived_key("one-time codes")


def _message(code: str) -> str:
    minutes = int(otp.VALID_FOR.total_seconds() // 60)
    return (
        f"{code} is your service code. Tell it to our technician when the work is done to your satisfaction. "
        f"It is valid for {minutes} minutes."
    )
