"""Contract F §5: the customer's one-time code, and completing a visit with it."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.accounts.access import WORKER_OR_ADMIN, caller
from tandem.common import moments
from tandem.common.endpoint import Request, operation
from tandem.common.errors import Invalid
from tandem.common.rendering import json_answer
from tandem.fieldservice.actions.completion import (
    AlreadyCompleted,
    NoPhone,
    complete_with_code,
    complete_without_code,
    request_code,
)
from tandem.fieldservice.api.answers import VISIT
from tandem.fieldservice.api.visits import OfVisit
from tandem.fieldservice.api.work import WorkIn, work_of
from tandem.fieldservice.rules.otp import OtpDailyLimit, OtpExhausted, OtpExpired, OtpInvalid, OtpTooSoon
from tandem.fieldservice.rules.states import InvalidTransition

_SENT = {
    "type": "object",
    "properties": {
        "detail": {"type": "string", "enum": ["otp-sent"]},
        "otp": {"type": "string", "description": "Only where CRM_OTP_IN_ANSWER is on, for development."},
    },
    "required": ["detail"],
}


@extend_schema_field({"type": ["string", "integer"], "examples": ["482715"]})
class CodeField(serializers.Field[Any, Any, Any, Any]):
    """A code as it was typed or read aloud: blanks and hyphens do not count, and a number lost its leading zeros."""

    default_error_messages = {"invalid": "Give the code that the customer was sent."}

    def to_internal_value(self, data: Any) -> str:
        if isinstance(data, int) and not isinstance(data, bool):
            data = f"{data:0{settings.CRM_OTP_DIGITS}d}"
        if not isinstance(data, str) or len(data) > 40:
            self.fail("invalid")
        return re.sub(r"[\s-]", "", data)

    def to_representation(self, value: str) -> str:
        return value


class VerifyIn(WorkIn):
    otp = CodeField(required=False, allow_null=True)
    override_reason = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=255)


class RequestOtp(OfVisit):
    @operation(WORKER_OR_ADMIN, gives=_SENT, refuses=[NoPhone, InvalidTransition, OtpTooSoon, OtpDailyLimit])
    def post(self, request: Request, pk: int) -> HttpResponse:
        """Send the customer a code, by text message to the phone on file. The assigned worker, or an admin."""
        code = request_code(self.visit(request, pk), by=caller(request), now=moments.now())
        return json_answer({"detail": "otp-sent", **({"otp": code} if settings.CRM_OTP_IN_ANSWER else {})})


class VerifyOtp(OfVisit):
    @operation(
        WORKER_OR_ADMIN,
        takes=VerifyIn,
        gives=VISIT,
        adds={"detail": {"type": "string", "enum": ["completed"]}, "service_entry_id": {"type": "integer"}},
        multipart=True,
        refuses=[OtpInvalid, OtpExpired, OtpExhausted, AlreadyCompleted, InvalidTransition],
    )
    def post(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Complete a visit with the customer's code; an admin may give `override_reason` instead."""
        visit, by, now, work = self.visit(request, pk), caller(request), moments.now(), work_of(body)
        reason = body.get("override_reason")
        if reason:
            entry = complete_without_code(visit, reason=reason, work=work, by=by, now=now)
        elif body.get("otp"):
            entry = complete_with_code(visit, code=body["otp"], work=work, by=by, now=now)
        else:
            raise Invalid.on("otp", "This field is required.")
        return self.record(VISIT, pk, first="completed", service_entry_id=entry.pk)
