"""Around every request: its id, one shape for every error, its line in the log; and pages apart from the API."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import cast

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.template.response import SimpleTemplateResponse

from tandem.common import context, routes
from tandem.common.addresses import forget_made_up_scheme, origin_of
from tandem.common.errors import Refusal
from tandem.common.metrics import observe_request
from tandem.common.rendering import answer_exception, answer_refusal

GetResponse = Callable[[HttpRequest], HttpResponse]

# What belongs to the two contracts; everything else is a page for a browser.
API_PREFIXES = ("/api/", "/api-token-auth/", "/services/")
# Asked by whatever watches the process, under whatever name it knows for it: TANDEM_ALLOWED_HOSTS is not for these.
HEALTH_PATHS = frozenset({"/livez", "/readyz", "/metrics"})

# What a web app of another origin may read of an answer, beside what every browser shows it.
_EXPOSED = (
    "Allow, Content-Disposition, ETag, Idempotent-Replayed, Link, Location, Retry-After, WWW-Authenticate, X-Request-Id"
)

log = logging.getLogger("tandem.requests")
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_NOT_OF_A_NAME = re.compile(r"[^A-Za-z0-9.:\[\]_-]")


def is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIXES)


def is_page(request: HttpRequest) -> bool:
    """Whether it is for a person with a browser, and so needs a session, a CSRF token, and a name we answer to."""
    return not is_api(request) and request.path_info not in HEALTH_PATHS


class Bug(Refusal):
    status = 500
    code = "server_error"
    message = "Something went wrong on our side. The request id helps us to find it."


class NoSuchPath(Refusal):
    status = 404
    code = "not_found"
    message = "There is nothing at this address."


class UnknownHost(Refusal):
    code = "unknown_host"

    def __init__(self, name: str) -> None:
        """name: as the client wrote it, whatever that is."""
        shown = _NOT_OF_A_NAME.sub("?", name[:100])
        super().__init__(
            f'This server does not answer to the name "{shown}"; set TANDEM_ALLOWED_HOSTS to the names that it has.'
        )


class Envelope:
    """The outermost layer: `X-Request-Id`, CORS, JSON for every error under the API, one log line per request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _USABLE_ID.match(given) else secrets.token_hex(16)
        token, before = context.request_id.set(request_id), context.origin.set(lambda: origin_of(request))
        started, asked_before = time.perf_counter(), context.tally.queries
        forget_made_up_scheme(request)
        try:
            answer = self._preflight(request) or self._wrong_name(request) or self.get_response(request)
            answer = self._in_one_shape(request, answer)
            answer["X-Request-Id"] = request_id
            self._allow_origin(request, answer)
            seconds = time.perf_counter() - started
            queries = context.tally.queries - asked_before
            route = request.resolver_match.route if request.resolver_match else ""
            observe_request(
                route=route, method=request.method or "", status=answer.status_code, seconds=seconds, queries=queries
            )
            self._log(request, answer, seconds, queries)
            return answer
        finally:
            context.request_id.reset(token)
            context.origin.reset(before)

    def _in_one_shape(self, request: HttpRequest, answer: HttpResponse) -> HttpResponse:
        if not is_api(request) or answer.status_code < 400:
            return answer
        if answer.get("Content-Type", "").startswith("application/json"):
            return answer
        shaped = {404: NoSuchPath(), 500: Bug()}.get(answer.status_code) or _refused(answer.status_code)
        return answer_refusal(shaped)

    def _preflight(self, request: HttpRequest) -> HttpResponse | None:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return None
        answer = HttpResponse(status=204)
        answer["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
        answer["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
        answer["Access-Control-Max-Age"] = "600"
        return answer

    def _wrong_name(self, request: HttpRequest) -> HttpResponse | None:
        """The refusal of an API call to a name that is not ours, and that no link in an answer may be made with.

        All of them and at once: only lists make links, and half of an API that works hides what is wrong.
        """
        if not is_api(request):
            return None
        name = request.META.get("HTTP_HOST", "")
        if name and _is_ours(name, tuple(settings.ALLOWED_HOSTS)):
            return None
        try:
            request.get_host()
        except DisallowedHost:
            return answer_refusal(UnknownHost(name))
        return None

    def _allow_origin(self, request: HttpRequest, answer: HttpResponse) -> None:
        origin = request.META.get("HTTP_ORIGIN")
        if origin and origin in settings.CORS_ORIGINS and is_api(request):
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Expose-Headers"] = _EXPOSED
            answer["Vary"] = f"{answer['Vary']}, Origin" if "Vary" in answer else "Origin"

    def _log(self, request: HttpRequest, answer: HttpResponse, seconds: float, queries: int) -> None:
        if log.isEnabledFor(logging.INFO):
            caller = getattr(request, "user", None) if is_api(request) else None
            log.info(
                "request",
                extra={
                    "method": request.method,
                    # Without what follows the question mark: links to files are signed there.
                    "path": request.path_info,
                    "status": answer.status_code,
                    "duration_ms": round(seconds * 1000, 1),
                    "queries": queries,
                    "actor": getattr(caller, "pk", None),
                },
            )


@lru_cache(maxsize=256)
def _is_ours(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether `get_host` would take a name, with its port or without; remembered, for it is asked for every request."""
    domain, _ = split_domain_port(name)  # "" for what is no name
    return bool(domain) and validate_host(domain, allowed)


def _refused(status: int) -> Refusal:
    refusal = Refusal("This request cannot be answered.")
    refusal.status = status
    return refusal


class Straight:
    """What is no page goes straight to its view; the layers behind this one are for people with browsers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if is_page(request):
            return self.get_response(request)
        found = request.resolver_match = routes.match_of(request)
        try:
            answer = cast(HttpResponse, found.func(request, *found.args, **found.kwargs))
            return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer
        except Exception as error:
            # A database that is away is no bug: 503, and trying again helps. Bugs go on to Django, which logs them.
            shown = answer_exception(error) if is_api(request) else None
            if shown is None:
                raise
            return shown
