"""The base of every view: find, check, call, show.

    class CardDetail(Endpoint):
        shows, rows = CARD_DETAIL, Card.objects.visible_to      # what GET answers, and whose ETag guards writes

        @operation(who=FIELD, gives=CARD_DETAIL)
        def get(self, request, pk):
            return self.detail(request, pk)

        @operation(who=ADMIN, takes=CardIn, gives=CARD_DETAIL)
        def patch(self, request, pk, body):
            card = find(Card.objects.visible_to(request.user), pk)
            change_card(card, body, by=request.user, now=moments.now())
            return self.detail(request, pk)

`operation` says who may, what comes in and what goes out; permission checks, parsing and the OpenAPI document all read
it there. Around the handler this class does what contract §2 asks of every endpoint: `Idempotency-Key` on POST,
`If-Match` on changes, `ETag` on details, one error shape.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, cast

import orjson
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from tandem.common import idempotency
from tandem.common.errors import Forbidden, Invalid, NotFound, PreconditionFailed, Refusal
from tandem.common.parsing import StrictForm, StrictMultipart
from tandem.common.reading.ahead import Reading
from tandem.common.reading.answer import Answer
from tandem.common.reading.listing import Listing, Rows, read_one, read_page, read_request, reading_of
from tandem.common.reading.query import flag_in
from tandem.common.rendering import answer_exception, empty_answer, encoded, is_database_outage, json_answer
from tandem.common.viewers import PRODUCT, Viewer

Model = TypeVar("Model", bound=models.Model)
Handler = TypeVar("Handler", bound=Callable[..., HttpResponse])


@dataclass(frozen=True)
class Who:
    """Who may carry an operation out at all; which records they see is `visible_to`'s business."""

    name: str
    allows: Callable[[Any], bool]
    public: bool = False  # no credential needed, and a stale one does not get in the way


ANYONE = Who("anyone", lambda user: True, public=True)
SIGNED_IN = Who("any signed-in user", lambda user: True)


@dataclass(frozen=True)
class Operation:
    """One method of one endpoint. gives: an Answer, a Listing, a plain JSON schema, or None for an empty 204.

    multipart: the body may also be a form with files. form: it may also be a form of texts (urlencoded). Anything else
    than JSON is a 415 elsewhere. also: further statuses with the same shape. apart: the handler takes long and may be
    carried out twice, or talks to somebody outside; so it never runs in a transaction of others, not even with an
    Idempotency-Key or If-Match. slow: it may take long. `is_aside`: these two are worked on aside, and others do not
    wait for them.
    """

    who: Who
    takes: type[Serializer[Any]] | None = None
    gives: Answer | Listing | Mapping[str, Any] | None = None
    status: int = 200
    also: Sequence[int] = ()
    refuses: Sequence[type[Refusal]] = ()
    adds: Mapping[str, Any] = field(default_factory=dict)  # keys beside the answer's own, name → schema
    query: Mapping[str, Any] = field(default_factory=dict)  # query parameters of a plain GET, name → schema
    media: str | tuple[str, ...] = "application/json"
    multipart: bool = False
    form: bool = False
    apart: bool = False
    slow: bool = False

    @property
    def is_aside(self) -> bool:
        return self.apart or self.slow


def operation(who: Who, **declared: Any) -> Callable[[Handler], Handler]:
    def declare(handler: Handler) -> Handler:
        handler.operation = Operation(who, **declared)  # type: ignore[attr-defined]
        return handler

    return declare


def operation_of(view: Any, method: str) -> Operation | None:
    handler = getattr(view, "get" if method == "HEAD" else method.lower(), None)
    return getattr(handler, "operation", None)


_DETAILS: set[Answer] = set()  # what GETs of single records answer


class Endpoint(APIView):
    shows: ClassVar[Answer | None] = None
    rows: ClassVar[Any] = None  # `Rows`; a bound method of the model's manager

    metadata_class = None
    read_ahead: Reading | None = None  # the record of this request, when it was read along with the caller

    def __init_subclass__(cls) -> None:
        if cls.shows is not None:
            _DETAILS.add(cls.shows)

    # --- around the handler ----------------------------------------------------------------------------------------
    def get_authenticators(self) -> Any:
        asked = operation_of(self, self.request.method or "") if self.request else None
        return [] if asked is not None and asked.who.public else super().get_authenticators()

    def get_parsers(self) -> Any:
        asked = operation_of(self, self.request.method or "") if self.request else None
        parsers = super().get_parsers()
        if asked is not None and asked.multipart:
            parsers.append(StrictMultipart())
        if asked is not None and asked.form:
            parsers.append(StrictForm())
        return parsers

    def _allowed_methods(self) -> list[str]:
        """Those that an operation is declared for; DRF would count its own `options`."""
        return [name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") if operation_of(self, name)]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """DRF's dispatch without content negotiation and versions, which this API does not have."""
        self.args, self.kwargs, self.headers = args, kwargs, {}
        self.request = request  # type: ignore[assignment]
        asked = self.initialize_request(request, *args, **kwargs)
        self.request = asked
        try:
            chosen = self._admit(asked)
            return self._guarded(asked, chosen)
        except Exception as error:
            return self._refused(error)

    def _admit(self, request: Request) -> Operation:
        chosen = operation_of(self, request.method or "")
        if chosen is not None and chosen.who.public:
            return chosen
        user = request.user
        if user is None:
            self.permission_denied(request)
        if chosen is None:
            raise MethodNotAllowed(request.method or "")
        if not chosen.who.allows(user):
            raise Forbidden
        return chosen

    def _guarded(self, request: Request, chosen: Operation) -> HttpResponse:
        if request.method == "POST" and "HTTP_IDEMPOTENCY_KEY" in request.META:
            caller = (request.user.pk if request.user else 0) or 0
            body = _body_bytes(request)
            return idempotency.once(
                request._request,
                caller=caller,
                body=body,
                prepare=lambda: self._prepare(request, chosen),
                run=lambda: self._matched(request, chosen),
                apart=chosen.apart,
            )
        self._prepare(request, chosen)
        return self._matched(request, chosen)

    def _prepare(self, request: Request, chosen: Operation) -> None:
        """Check the body before any transaction begins: reading a picture takes longer than a lock may be held.

        What is wrong with it is told later, by `_handled`: a record that changed meanwhile is told first.
        """
        self._body: dict[str, Any] = {}
        self._wrong_body: Exception | None = None
        if chosen.takes is not None:
            try:
                self._body = self._checked(request, chosen)
            except Exception as error:
                self._wrong_body = error

    def _matched(self, request: Request, chosen: Operation) -> HttpResponse:
        wanted = request.META.get("HTTP_IF_MATCH")
        if wanted is None or request.method in ("GET", "HEAD") or self.shows is None:
            return self._handled(request, chosen)
        # The row stays locked from the comparison to the end of the change, so nobody slips in between.
        with transaction.atomic():
            try:
                self._compare(request, wanted)
            except Refusal as refused:  # an answer like any other, so that an Idempotency-Key keeps it
                return self._refused(refused)
            if not chosen.apart:  # what is apart takes longer than a lock may be held
                return self._handled(request, chosen)
        return self._handled(request, chosen)

    def _compare(self, request: Request, wanted: str) -> None:
        assert self.shows is not None
        pk = self.kwargs["pk"]
        self.lock(pk)
        text = self._read(request, pk)
        if text is None:
            raise NotFound
        if not _names(wanted, etag(text)):
            raise PreconditionFailed

    def _handled(self, request: Request, chosen: Operation) -> HttpResponse:
        handler = getattr(self, (request.method or "").lower())
        try:
            if chosen.takes is None:
                return cast(HttpResponse, handler(request, **self.kwargs))
            if self._wrong_body is not None:
                raise self._wrong_body
            return cast(HttpResponse, handler(request, body=self._body, **self.kwargs))
        except Exception as error:
            # An outage must leave the transactions around this call; a refusal is an answer like any other.
            if is_database_outage(error):
                raise
            return self._refused(error)

    def _refused(self, error: Exception) -> HttpResponse:
        answer = answer_exception(error)
        if answer is None:
            raise error
        if answer.status_code == 405:
            answer["Allow"] = ", ".join(self._allowed_methods())
        return answer

    def lock(self, pk: Any) -> None:
        """Lock the record for the rest of the transaction. Where actions lock another row before it, so must this."""
        assert self.shows is not None
        list(self.shows.model._default_manager.select_for_update(no_key=True).filter(pk=pk).values_list("pk"))

    # --- check -----------------------------------------------------------------------------------------------------
    def _checked(self, request: Request, chosen: Operation) -> dict[str, Any]:
        """The body, checked by the operation's `takes`. PUT and PATCH may leave anything out (contract §2)."""
        data = request.data
        if not isinstance(data, Mapping):
            raise Invalid({"non_field_errors": ["Invalid data. Expected a dictionary."]})
        assert chosen.takes is not None
        partial = request.method in ("PUT", "PATCH")
        form = chosen.takes(data=data, partial=partial, context={"request": request, **self.kwargs})
        form.is_valid(raise_exception=True)
        return cast(dict[str, Any], form.validated_data)

    # --- show ------------------------------------------------------------------------------------------------------
    def page(self, request: Request, listing: Listing, **bound: Any) -> HttpResponse:
        """A bare array with a `Link` to what was cut, or the envelope when a page was asked for. Contract §2."""
        asked = read_request(listing, request.query_params.dict())
        page = read_page(listing, viewer_of(request), asked, **bound)
        if asked.page is None:
            headers = {}
            if page.cursor is not None:
                headers["Link"] = f'<{_same_url(request, cursor=page.cursor)}>; rel="next"'
            return json_answer(raw=page.array(), headers=headers)
        assert page.count is not None
        more = asked.page * asked.limit < page.count
        body = {
            "count": page.count,
            "next": _same_url(request, page=str(asked.page + 1)) if more else None,
            "previous": _same_url(request, page=str(asked.page - 1)) if asked.page > 1 else None,
            "results": orjson.Fragment(page.array()),
        }
        return json_answer(body)

    def live_or_deleted(
        self, request: Request, live: Listing, deleted: Listing, *, sees_deleted: Who, **bound: Any
    ) -> HttpResponse:
        """A list; with `?deleted=true`, for those who may, the deleted ones instead. bound: as for `page`."""
        return self.page(request, self.chosen(request, live, deleted, sees_deleted=sees_deleted), **bound)

    def chosen(self, request: Request, live: Listing, deleted: Listing, *, sees_deleted: Who) -> Listing:
        """Which of the two `?deleted=` asks for. Raises Forbidden."""
        if not flag_in(request.query_params.dict(), "deleted"):
            return live
        if not sees_deleted.allows(request.user):
            raise Forbidden
        return deleted

    def detail(self, request: Request, pk: Any, *, status: int = 200) -> HttpResponse:
        """This endpoint's record with its ETag; 304 when the caller has it already."""
        text = self._read(request, pk)
        if text is None:
            raise NotFound
        tag = etag(text)
        if request.method in ("GET", "HEAD") and _names(request.META.get("HTTP_IF_NONE_MATCH", ""), tag):
            unchanged = empty_answer()
            unchanged.status_code = 304
            unchanged["ETag"] = tag
            return unchanged
        return json_answer(raw=text, status=status, headers={"ETag": tag})

    def _read(self, request: Request, pk: Any) -> str | None:
        assert self.shows is not None
        assert self.rows is not None
        reading = reading_of(self.shows, self.rows, viewer_of(request), pk, **self.bound())
        read, self.read_ahead = self.read_ahead, None  # once: a handler that writes must see what it wrote
        return read_one(self.shows, read if reading is not None and reading.is_same(read) else reading)

    def wanted(self, viewer: Viewer) -> Reading | None:
        """What a GET of this record will read if this is the caller; None for everything else. See reading/ahead.py."""
        asked = operation_of(self, self.request.method or "") if self.request.method == "GET" else None
        if asked is None or self.shows is None or asked.gives is not self.shows or "pk" not in self.kwargs:
            return None
        return reading_of(self.shows, self.rows, viewer, self.kwargs["pk"], **self.bound())

    def bound(self) -> dict[str, Any]:
        """Values of further Params that `rows` hold: for records whose address names another one before them."""
        return {}

    def record(self, answer: Answer, pk: Any, *, status: int = 200, first: str = "", **last: Any) -> HttpResponse:
        """The record that was just written, whatever the writer may see now; with its ETag where a GET shows the same.

        first: `detail` in front of its keys; last: keys behind them.
        """
        text = written(answer, pk)
        headers = {"ETag": etag(text)} if answer in _DETAILS else {}
        if first:
            text = f'{{"detail":{encoded(first).decode()},{text[1:]}'
        if last:
            text = f"{text[:-1]},{encoded(last).decode()[1:]}"
        return json_answer(raw=text, status=status, headers=headers)


def written(answer: Answer, pk: Any) -> str:
    """The JSON text of a record, without asking who looks. One query."""
    text = read_one(answer, reading_of(answer, _everything(answer.model), PRODUCT, pk))
    if text is None:
        raise NotFound
    return text


def viewer_of(request: Request) -> Viewer:
    return cast(Viewer, request.user)


_ROWS: dict[type[models.Model], Rows] = {}


def _everything(model: type[models.Model]) -> Rows:
    return _ROWS.setdefault(model, lambda viewer: model._default_manager.all())


def etag(text: str) -> str:
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'


def _names(wanted: str, tag: str) -> bool:
    """Whether `If-Match` or `If-None-Match` names a tag: alone, in a list, as a weak one, or as `*`. RFC 9110 §13.1."""
    return (
        wanted == tag or wanted.strip() == "*" or tag in [one.strip().removeprefix("W/") for one in wanted.split(",")]
    )


def find(rows: models.QuerySet[Model, Any], pk: Any) -> Model:
    """One record out of what the caller may see. Raises NotFound. One query."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound
    return found


def _body_bytes(request: Request) -> bytes:
    if not (request.content_type or "").startswith("multipart/"):
        return request._request.body
    # The boundary differs from try to try: what counts is what was sent in it.
    digest = hashlib.sha256()
    for name, value in sorted(cast(Mapping[str, Any], request.data).items()):
        if isinstance(value, str):
            content = value.encode()
        else:
            content = value.read()
            value.seek(0)
        digest.update(f"{len(name)}:{name}:{len(content)}:".encode() + content)
    return digest.digest()


def _same_url(request: Request, **changed: str) -> str:
    query = request._request.GET.copy()
    for name, value in changed.items():
        query[name] = value
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")


__all__ = ["ANYONE", "SIGNED_IN", "Endpoint", "Operation", "Request", "Who", "find", "operation", "written"]
