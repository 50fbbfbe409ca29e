"""How anything leaves the API: JSON bytes, and every refusal in one shape."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.renderers import BaseRenderer

from tandem.common.errors import Forbidden, NotFound, Refusal, Unavailable
from tandem.common.logs import kind_of

# What every 401 carries, whichever part of the product says it: which credential to come back with.
CHALLENGE = 'Bearer realm="api"'
TELL_EVERY_SECONDS = 10.0

log = logging.getLogger(__name__)


class Json(BaseRenderer):
    """For DRF's own answers (the schema); views answer with `json_answer` at once."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else encoded(data)


def encoded(data: Any) -> bytes:
    return orjson.dumps(data, default=str)


def json_answer(
    data: Any = None, *, raw: bytes | str | None = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """raw: finished JSON text, taken as it is; else `data` is encoded."""
    content = encoded(data) if raw is None else raw.encode() if isinstance(raw, str) else raw
    shown = {"Content-Length": str(len(content)), **(headers or {})}
    return HttpResponse(content, content_type="application/json", status=status, headers=shown)


class ToldOnce(HttpResponse):
    """An answer that holds a secret. repeated: what a repeated request with the same Idempotency-Key gets instead."""

    repeated: bytes


def told_once(raw: str, *, repeated: str, status: int = 200) -> ToldOnce:
    """raw, repeated: finished JSON text."""
    answer = ToldOnce(raw.encode(), content_type="application/json", status=status)
    answer["Content-Length"], answer["Cache-Control"] = str(len(answer.content)), "no-store"
    answer.repeated = repeated.encode()
    return answer


def empty_answer() -> HttpResponse:
    answer = HttpResponse(status=204)
    del answer["Content-Type"]
    return answer


def answer_refusal(refusal: Refusal) -> HttpResponse:
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after is not None else {}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    return json_answer(refusal.body(), status=refusal.status, headers=headers)


def answer_exception(error: Exception, context: Any = None) -> HttpResponse | None:
    """The answer to an exception that a view may raise; None for a bug, which must stay one."""
    if isinstance(error, Refusal):
        return answer_refusal(error)
    if isinstance(error, Http404):
        return answer_refusal(NotFound())
    if isinstance(error, PermissionDenied):
        return answer_refusal(Forbidden())
    if isinstance(error, exceptions.APIException):
        return _answer_api_exception(error)
    if is_database_outage(error):
        tell_of_outage(error)
        return answer_refusal(Unavailable(retry_after=2))
    return None


_told_at = -TELL_EVERY_SECONDS


def tell_of_outage(error: BaseException) -> None:
    """Log that the database cannot be used; once in a while, for every request may meet it."""
    global _told_at
    now = time.monotonic()
    if now - _told_at >= TELL_EVERY_SECONDS:
        _told_at = now
        log.error("the database cannot be used", extra={"error": kind_of(error)})


def is_database_outage(error: BaseException) -> bool:
    """The database is gone, starting up or too busy: nothing was written, and trying again helps."""
    return isinstance(error, OperationalError | InterfaceError) and isinstance(error, DatabaseError | InterfaceError)


def _answer_api_exception(error: exceptions.APIException) -> HttpResponse:
    body: Any
    headers = {}
    if error.status_code == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        body = detail if isinstance(detail, dict) else {"non_field_errors": detail}
        shown = {str(name): list(_sentences(str(name), wrong)) for name, wrong in body.items()}
        return json_answer(shown, status=error.status_code, headers=headers)
    if isinstance(error.detail, dict):  # simplejwt's errors carry a dict
        body = {
            "detail": str(error.detail.get("detail", error.default_detail)),
            "code": str(error.detail.get("code", error.default_code)),
        }
    else:
        body = {"detail": str(error.detail), "code": str(error.get_codes())}
    return json_answer(body, status=error.status_code, headers=headers)


def _sentences(place: str, wrong: Any, *, below: bool = False) -> Iterator[str]:
    """The messages on a field as one flat list; what is wrong inside of it says where: `list_of_tasks[0].date: …`."""
    if isinstance(wrong, Mapping):
        for key, inner in wrong.items():
            yield from _sentences(f"{place}[{key}]" if isinstance(key, int) else f"{place}.{key}", inner, below=True)
    elif isinstance(wrong, list) and any(isinstance(one, Mapping) for one in wrong):
        for position, inner in enumerate(wrong):
            yield from _sentences(f"{place}[{position}]", inner, below=True)
    else:
        for message in wrong if isinstance(wrong, list) else [wrong]:
            yield f"{place}: {message}" if below else str(message)
