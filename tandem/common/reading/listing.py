"""Lists: typed, whitelisted filters; a total order; pages that cost the same however deep. Contract §2."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache, reduce
from itertools import chain
from operator import or_
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Func
from django.db.models.functions import Lower

from tandem.common import moments
from tandem.common.errors import Invalid
from tandem.common.phones import as_stored
from tandem.common.reading.ahead import Reading
from tandem.common.reading.answer import Answer, LeftOut, vendor_of
from tandem.common.reading.statement import VIEWER, Param, StandIn, Statement, adapted, compiled
from tandem.common.viewers import Viewer

MOST_PER_PAGE = 1000
MOST_VALUES = 50  # of one filter, between commas
PORTION = 1001  # rows that are read at once where a rule leaves some out
NO_ID = -(2**63)  # fits the column, and no record has it
_WHOLE = re.compile(r"-?[0-9]+")
Rows = Callable[[Viewer], models.QuerySet[Any, Any]]


class NotThisType(ValueError):
    """A filter's text is not of its type; the message is shown on the parameter."""


@dataclass(frozen=True)
class Filter:
    """One query parameter that narrows a list.

    lookups: field lookups that are OR-ed, e.g. `("description__icontains", "card__model__icontains")`.
    many: a comma-separated list of values. parse: text → Python value, raises NotThisType.
    spellings: parse gives several values, all ways in which what was asked for may be stored.
    in_any_case: compared in lower case, which the database makes of both sides: its rules and Python's differ.
    implies: what holds for every row that the lookups find, said of an order's keys. It changes no result: it tells the
    database where in the order to begin.
    family: the filter's name is a prefix; parse gets the rest of each name with its text, gives a tuple of values, and
    raises Invalid on the full names.
    """

    lookups: tuple[str, ...]
    parse: Callable[[Any], Any]
    column: models.Field[Any, Any]
    schema: Mapping[str, Any]
    many: bool = False
    doc: str = ""
    family: bool = False
    in_any_case: bool = False
    spellings: bool = False
    implies: Callable[[Param], Q] | None = None

    @property
    def plans_anew(self) -> bool:
        """Whether some values find nearly all rows and some hardly any, as parts of a text do; see Statement."""
        return any(lookup.endswith("contains") for lookup in self.lookups)

    def condition(self, names: Sequence[str]) -> Q:
        found = reduce(or_, (Q(**{lookup: self._value(name)}) for lookup in self.lookups for name in names))
        if self.implies is not None:
            found &= reduce(or_, (self.implies(Param(name, self.column)) for name in names))
        return found

    def _value(self, name: str) -> Any:
        value = Param(name, self.column)
        return Lower(value) if self.in_any_case else value


def _id(raw: str) -> int:
    """An id, or NO_ID for one that is too large for any database to hold, or to be asked for."""
    if not _WHOLE.fullmatch(raw):
        raise NotThisType("A valid integer is required.")
    figures = raw.lstrip("-0") or "0"
    if len(figures) > 19 or int(figures) >= 2**63:  # the length first: text of any length is turned into no number
        return NO_ID
    return -int(figures) if raw.startswith("-") else int(figures)


def _day(raw: str) -> date:
    try:
        return moments.day_or_moment(raw).day
    except ValueError:
        raise NotThisType("Date has wrong format. Use YYYY-MM-DD.") from None


def _uuid(raw: str) -> UUID:
    try:
        return UUID(raw)
    except ValueError:
        raise NotThisType("Must be a valid UUID.") from None


def _flag(raw: str) -> bool:
    read = {"true": True, "1": True, "false": False, "0": False}.get(raw.lower())
    if read is None:
        raise NotThisType("Must be true or false.")
    return read


def text_in(raw: str) -> str:
    if "\x00" in raw:
        raise NotThisType("Null characters are not allowed.")
    return raw


def by_id(*lookups: str) -> Filter:
    return Filter(lookups, _id, models.BigIntegerField(), {"type": "integer"})


def by_uuid(*lookups: str) -> Filter:
    return Filter(lookups, _uuid, models.UUIDField(), {"type": "string", "format": "uuid"})


def by_day(*lookups: str, implies: Callable[[Param], Q] | None = None) -> Filter:
    return Filter(lookups, _day, models.DateField(), {"type": "string", "format": "date"}, implies=implies)


class BeforeAnywhere(Func):
    """A moment that is before a day begins, in whatever time zone: the midnight of the day before it, in UTC."""

    output_field = models.DateTimeField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="((%(expressions)s - 1)::timestamp AT TIME ZONE 'UTC')")

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="DATE(%(expressions)s, '-1 day')")  # moments are texts there


def by_flag(*lookups: str) -> Filter:
    return Filter(lookups, _flag, models.BooleanField(), {"type": "boolean"})


def by_text(*lookups: str, phones: bool = False, doc: str = "") -> Filter:
    """phones: one of them is a phone number, which people write in many ways and the database in one."""

    def parse(raw: str) -> tuple[str, ...]:
        text = text_in(raw)
        return text, *as_stored(text)

    known_as = parse if phones else text_in
    return Filter(lookups, known_as, models.TextField(), {"type": "string"}, doc=doc, spellings=phones)


def by_word(lookup: str, doc: str = "Upper and lower case count the same.") -> Filter:
    """The whole text, case-insensitively; an index on `Lower(field)` serves it. lookup: ends with `__lower`."""
    return Filter((lookup,), text_in, models.TextField(), {"type": "string"}, doc=doc, in_any_case=True)


def by_choice(
    lookup: str, options: Iterable[str], *, many: bool = False, also: Mapping[str, str] | None = None
) -> Filter:
    """also: other spellings that are accepted, spelling → option."""
    known = {option: option for option in options} | dict(also or {})

    def parse(raw: str) -> str:
        if raw not in known:
            raise NotThisType(f'"{raw}" is not a valid choice.')
        return known[raw]

    return Filter(
        (lookup,), parse, models.TextField(), {"type": "string"} if many else {"type": "string", "enum": [*known]}, many
    )


@dataclass(frozen=True)
class Order:
    """A total order: keys that are never null, the id last, all in one direction."""

    keys: tuple[str, ...]
    descending: bool = False

    def ordering(self) -> list[str]:
        return [f"-{key}" if self.descending else key for key in self.keys]


class _RowAfter(Func):
    """`(a, b, id) > (%s, %s, %s)`: the rows behind a cursor, found through the index of the order."""

    output_field = models.BooleanField()
    conditional = True

    def __init__(self, *expressions: Any, descending: bool) -> None:
        super().__init__(*expressions)
        self.descending = descending

    def as_sql(self, compiler: Any, connection: Any, *args: Any, **extra: Any) -> Any:
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        half = len(parts) // 2
        left, right = parts[:half], parts[half:]
        sql = "({}) {} ({})".format(
            ", ".join(part[0] for part in left), "<" if self.descending else ">", ", ".join(part[0] for part in right)
        )
        return sql, [value for part in parts for value in part[1]]


@dataclass(frozen=True)
class Listing:
    """A list of one resource. `rows` narrows a model to what the viewer may see (usually `objects.visible_to`).

    sifted: a rule in Python leaves rows out, by raising LeftOut from the `compute` of a key.
    """

    answer: Answer
    rows: Rows
    filters: Mapping[str, Filter] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=lambda: {"": Order(("id",))})
    sifted: bool = False

    @property
    def default_order(self) -> str:
        return next(iter(self.orders))

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True)
class Page:
    """One page. `count` is None unless it was asked for; `cursor` continues after the last row when rows were cut."""

    rows: list[str]
    cursor: str | None = None
    count: int | None = None

    def array(self) -> bytes:
        return f"[{','.join(self.rows)}]".encode()


@dataclass(frozen=True)
class Request:
    """What a query string asks of a listing, checked. `values`: filter name → values, in the order of the listing."""

    values: dict[str, tuple[Any, ...]]
    order: str
    limit: int
    page: int | None = None  # an envelope was asked for
    after: tuple[Any, ...] | None = None


def parameters_in(query: Mapping[str, str]) -> dict[str, str]:
    """What a query string gives, by name. Whatever reads one reads it here: contract §2."""
    # F's document shows `?status=..&?assigned_to=`: a stray question mark in front of a name.
    return {name.lstrip("?"): raw.strip() for name, raw in query.items()}


def read_request(listing: Listing, query: Mapping[str, str]) -> Request:
    """Check a query string. Raises Invalid with every parameter that is wrong; unknown parameters are ignored."""
    given = parameters_in(query)
    wrong: dict[str, list[str]] = {}
    values: dict[str, tuple[Any, ...]] = {}
    for name, one in listing.filters.items():
        if one.family:
            members = {key.removeprefix(name): raw for key, raw in given.items() if key.startswith(name) and raw}
            if members:
                try:
                    values[name] = one.parse(members)
                except Invalid as refused:
                    wrong |= refused.fields
            continue
        raw = given.get(name, "")
        pieces = [piece.strip() for piece in raw.split(",")] if one.many else [raw]
        pieces = [piece for piece in pieces if piece]
        if not pieces:
            continue
        if len(pieces) > MOST_VALUES:
            wrong[name] = [f"No more than {MOST_VALUES} values, please."]
            continue
        try:
            parsed = [one.parse(piece) for piece in pieces]
            values[name] = tuple(dict.fromkeys(chain.from_iterable(parsed) if one.spellings else parsed))
        except NotThisType as refused:
            wrong[name] = [str(refused)]
    order = given.get("order") or listing.default_order
    if order not in listing.orders:
        if len(listing.orders) > 1:
            wrong["order"] = [f"Choose one of: {', '.join(listing.orders)}."]
        order = listing.default_order
    page = size = None
    after: tuple[Any, ...] | None = None
    try:
        if given.get("page") or given.get("page_size"):
            page = _at_least_one(given.get("page") or "1", "page")
            size = _at_least_one(given.get("page_size") or "50", "page_size")
        elif given.get("limit"):
            size = _at_least_one(given["limit"], "limit")
        if given.get("cursor"):
            after = _opened(given["cursor"], listing, order)
    except Invalid as refused:
        wrong |= refused.fields
    if wrong:
        raise Invalid(wrong)
    return Request(values, order, min(size or settings.MAX_UNPAGED, MOST_PER_PAGE if size else 10**6), page, after)


def _at_least_one(raw: str, name: str) -> int:
    figures = raw.lstrip("0") if raw.isascii() and raw.isdigit() else ""
    if not 1 <= len(figures) <= 10 or int(figures) > 10**9:
        raise Invalid.on(name, "A whole number from 1 on is required.")
    return int(figures)


def read_page(listing: Listing, viewer: Viewer, asked: Request, **bound: Any) -> Page:
    """Read one page: one query, and a second that counts when an envelope was asked for; see `_sift` for sifted ones.

    bound: values of further Params that the listing's rows hold (the record whose history is read).
    """
    shape = tuple((name, len(values)) for name, values in asked.values.items())
    filled: dict[str, Any] = {VIEWER: viewer.pk, **bound}
    for name, values in asked.values.items():
        column = listing.filters[name].column
        filled |= {f"{name}_{n}": adapted(value, column) for n, value in enumerate(values)}
    if asked.after is not None:
        keys = _key_fields(listing, asked.order)
        filled |= {f"after_{n}": adapted(value, keys[n]) for n, value in enumerate(asked.after)}
    if listing.sifted:
        return _sift(listing, viewer.role, shape, asked, filled)
    count = None
    if asked.page is not None:
        count = _count_statement(listing, viewer.role, shape).run(filled)[0][0]
    limit = asked.limit + (asked.page is None)  # one more tells whether rows were cut
    skip = (asked.page - 1) * asked.limit if asked.page else 0
    filled["offset"] = skip
    statement = _page_statement(
        listing, viewer.role, shape, asked.order, asked.after is not None, limit=limit, skips=skip > 0
    )
    found = statement.run(filled)
    cut = asked.page is None and len(found) > asked.limit
    found = found[: asked.limit]
    cursor = _sealed(found[-1][-len(listing.orders[asked.order].keys) :], asked.order) if cut else None
    return Page([listing.answer.finished(row) for row in found], cursor, count)


def _sift(listing: Listing, role: str, shape: Any, asked: Request, filled: dict[str, Any]) -> Page:
    """A page of a sifted listing: portions are read until the page is full. One query for each portion.

    An envelope takes all portions, for only the rule can count. Memory holds one page and one portion.
    """
    portion = max(asked.limit + 1, PORTION)
    width = len(listing.orders[asked.order].keys)
    skipped = (asked.page - 1) * asked.limit if asked.page else 0
    kept: list[str] = []
    last: Sequence[Any] = ()
    count, after = 0, asked.after is not None
    while True:
        statement = _page_statement(listing, role, shape, asked.order, after, limit=portion, skips=False)
        found = statement.run(filled)
        for row in found:
            try:
                text = listing.answer.finished(row)
            except LeftOut:
                continue
            if asked.page is None and len(kept) == asked.limit:
                return Page(kept, _sealed(last, asked.order))
            count += 1
            if skipped < count <= skipped + asked.limit:
                kept.append(text)
                last = row[-width:]
        if len(found) < portion:
            return Page(kept, None, count if asked.page else None)
        after = True
        filled |= {f"after_{n}": key for n, key in enumerate(found[-1][-width:])}


def _narrowed(listing: Listing, role: str, shape: tuple[tuple[str, int], ...]) -> models.QuerySet[Any, Any]:
    rows = listing.rows(StandIn(role))
    for name, how_many in shape:
        rows = rows.filter(listing.filters[name].condition([f"{name}_{n}" for n in range(how_many)]))
    return rows


# Shapes come from query strings, so their number is bounded here; a shape that fell out is compiled anew (~1 ms).
@lru_cache(maxsize=1024)
def _page_statement(
    listing: Listing, role: str, shape: Any, order: str, after: bool, *, limit: int, skips: bool
) -> Statement:
    answer, by = listing.answer, listing.orders[order]
    rows = _narrowed(listing, role, shape)
    if after:
        fields = _key_fields(listing, order)
        bounds = [Param(f"after_{n}", key) for n, key in enumerate(fields)]
        rows = rows.filter(_RowAfter(*(F(key) for key in by.keys), *bounds, descending=by.descending))
    keys = {f"k{n}": F(key) for n, key in enumerate(by.keys)}
    rows = rows.order_by(*by.ordering()).values(**answer.columns(StandIn(role)), **answer.inputs(), **keys)
    # The limit stands there in figures. PostgreSQL takes one that it does not know for a tenth of the table, and then
    # plans the statement anew each time, which took longer than to read the page.
    cut = f" LIMIT {limit:d} OFFSET %s" if skips else f" LIMIT {limit:d}"
    page = compiled(rows, lambda inner: answer.select(vendor_of(), extra=list(keys))(inner + cut))
    page = replace(page, plans_anew=_plans_anew(listing, shape))
    return page.plus("offset") if skips else page


@lru_cache(maxsize=256)
def _count_statement(listing: Listing, role: str, shape: Any) -> Statement:
    rows = _narrowed(listing, role, shape).order_by().values_list("pk")
    count = compiled(rows, lambda inner: f"SELECT COUNT(*) FROM ({inner}) counted")
    return replace(count, plans_anew=_plans_anew(listing, shape))


def _plans_anew(listing: Listing, shape: Any) -> bool:
    return any(listing.filters[name].plans_anew for name, _ in shape)


def _key_fields(listing: Listing, order: str) -> list[models.Field[Any, Any]]:
    meta = listing.answer.model._meta
    fields = []
    for key in listing.orders[order].keys:
        found: Any = meta.get_field(key)
        fields.append(getattr(found, "output_field", None) or found)
    return fields


# A cursor is the keys of the last row, not its id: it stays right when that row is changed or deleted meanwhile.
def _sealed(keys: Sequence[Any], order: str) -> str:
    plain = [key.isoformat() if isinstance(key, date | datetime) else key for key in keys]
    return base64.urlsafe_b64encode(orjson.dumps([order, *plain])).decode().rstrip("=")


def _opened(cursor: str, listing: Listing, order: str) -> tuple[Any, ...]:
    try:
        made_for, *keys = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        fields = _key_fields(listing, order)
        if made_for != order or None in keys:
            raise ValueError("another list's cursor")
        return tuple(_fitting(one, key) for one, key in zip(fields, keys, strict=True))
    except (ValueError, TypeError, OverflowError, ValidationError):
        raise Invalid.on("cursor", "This cursor does not belong to this list. Start again without it.") from None


def _fitting(column: models.Field[Any, Any], key: Any) -> Any:
    """A key out of a cursor as its column could hold it: anybody can write a cursor. Raises what `_opened` catches."""
    value = column.to_python(key)
    if isinstance(value, datetime):
        # SQLite hands moments out as text without an offset; they are UTC.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("no text of a database holds this")
    column.run_validators(value)  # the range of a number, the length of a text
    return value


def detail_statement(answer: Answer, rows: Rows, role: str) -> Statement:
    """The statement that reads one record by `pk`, as far as the role may see it."""
    return _detail_statement(answer, rows, role)


@lru_cache(maxsize=512)
def _detail_statement(answer: Answer, rows: Rows, role: str) -> Statement:
    pk: Any = answer.model._meta.pk
    viewer = StandIn(role)
    found = rows(viewer).filter(pk=Param("pk", pk)).values(**answer.columns(viewer), **answer.inputs())
    return compiled(found, answer.select(vendor_of()))


def reading_of(answer: Answer, rows: Rows, viewer: Viewer, pk: Any, **bound: Any) -> Reading | None:
    """What reads one record for this viewer; None for an id that no record can have.

    bound: values of further Params that `rows` hold.
    """
    if isinstance(pk, int) and abs(pk) >= 2**63:  # no database holds such an id, and none lets us ask for it
        return None
    values = {VIEWER: viewer.pk, "pk": adapted(pk, answer.model._meta.pk), **bound}
    return Reading(detail_statement(answer, rows, viewer.role), values)


def read_one(answer: Answer, reading: Reading | None) -> str | None:
    """The JSON text of one record, or None when the viewer sees no such record. One query."""
    found = reading.run() if reading is not None else None
    return answer.finished(found[0]) if found else None
