"""What a resource shows, declared once.

    CARD = Answer("Card", Card, [
        Whole("id"),
        Text("model"),
        Whole("customer", source="customer_id"),
        Day("warranty_end_date", null=True),
        Computed("next_free_service_date", Day.schema(null=True), takes={...}, compute=next_free),
    ])

The declaration compiles, at first use, into SQL in which the database itself writes the JSON text of every row: no
model instance, no serializer, no per-row Python. A write answers through the same statement, in its own transaction,
so a write and a read cannot show different things. The OpenAPI component comes from the same declaration.

`Computed` is for what needs a rule written in Python: its inputs ride along as extra columns, and its result is
appended to the row's text. `Amended` is a stored value that needs Python in some rows only. Inside a `Nested` answer
the inputs ride along as keys of the nested object, under names that no declared key can have, and the results take
their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import orjson
from django.db import connections, models
from django.db.models import F, Subquery
from django.db.models.expressions import Combinable, Func

from tandem.common import moments
from tandem.common.viewers import PRODUCT, Viewer

# In front of the inputs of nested rows. A text without it, as that of a visit without entries, has none to finish.
_INPUT = "~i"

Schema = dict[str, Any]
Source = str | Combinable | Callable[[], Any]


class LeftOut(Exception):
    """Raised by the `compute` of a key: this row is no part of the list (see `Listing.sifted`)."""


def _nullable(schema: Schema, null: bool) -> Schema:
    if not null:
        return schema
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"oneOf": [schema, {"type": "null"}]}


class JsonText(Func):
    """Marks a column as text that already is JSON."""

    arity = 1
    output_field = models.TextField()
    template = "%(expressions)s"


class UtcText(Func):
    """A moment as `2025-12-12T09:12:00Z`, written by the database."""

    arity = 1
    output_field = models.TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
        return super().as_sql(compiler, connection, template=template, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        # Django keeps moments as UTC text, "2025-12-12 09:12:00[.ffffff]". Each % passes through two formattings.
        template = "strftime('%%%%Y-%%%%m-%%%%dT%%%%H:%%%%M:%%%%SZ', %(expressions)s)"
        return super().as_sql(compiler, connection, template=template, **extra)


class PlainText(Func):
    """A value as the text that the API shows: days, wall-clock times and amounts of money."""

    arity = 1
    output_field = models.TextField()

    def __init__(self, expression: Any, *, postgresql: str, sqlite: str, **extra: Any) -> None:
        super().__init__(expression, **extra)
        self.postgresql, self.sqlite = postgresql, sqlite

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template=self.postgresql, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template=self.sqlite, **extra)


@dataclass(frozen=True)
class Shown:
    """One key of an answer. source: a field path or an expression; the key's own name when it is left out."""

    name: str
    source: Source | None = None
    null: bool = False
    example: Any = None

    is_json = False  # the SQLite column holds JSON text, to be taken as it is
    is_flag = False

    def expression(self) -> Any:
        source = self.name if self.source is None else self.source
        if callable(source) and not isinstance(source, Combinable):
            source = source()
        return F(source) if isinstance(source, str) else source

    def kind(self) -> Schema:
        raise NotImplementedError  # each kind of field below says its own

    def schema(self) -> Schema:
        shown = _nullable(self.kind(), self.null)
        return {**shown, "examples": [self.example]} if self.example is not None else shown


class Whole(Shown):
    def kind(self) -> Schema:
        return {"type": "integer"}


class Text(Shown):
    def kind(self) -> Schema:
        return {"type": "string"}


class Uuid(Shown):
    def expression(self) -> Any:
        return PlainText(
            super().expression(),
            postgresql="%(expressions)s::text",
            # Django keeps UUIDs as 32 hex digits on SQLite.
            sqlite="lower(substr({0},1,8)||'-'||substr({0},9,4)||'-'||substr({0},13,4)||'-'||substr({0},17,4)"
            "||'-'||substr({0},21))".format("%(expressions)s"),
        )

    def kind(self) -> Schema:
        return {"type": "string", "format": "uuid"}


class Flag(Shown):
    is_flag = True

    def kind(self) -> Schema:
        return {"type": "boolean"}


class Money(Shown):
    """A decimal as a string of two places."""

    def expression(self) -> Any:
        return PlainText(
            super().expression(),
            postgresql="%(expressions)s::numeric(12,2)::text",
            sqlite="printf('%%%%.2f', %(expressions)s)",
        )

    def kind(self) -> Schema:
        return {"type": "string", "pattern": r"^-?\d+\.\d\d$"}


class Day(Shown):
    def expression(self) -> Any:
        # The function call keeps Python's sqlite3 from turning the column into a `date` on its way out.
        return PlainText(
            super().expression(), postgresql="%(expressions)s::text", sqlite="substr(%(expressions)s, 1, 10)"
        )

    def kind(self) -> Schema:
        return {"type": "string", "format": "date"}


class Clock(Shown):
    """A wall-clock time of the site, `HH:MM`."""

    def expression(self) -> Any:
        return PlainText(
            super().expression(),
            postgresql="to_char(%(expressions)s, 'HH24:MI')",
            sqlite="substr(%(expressions)s, 1, 5)",
        )

    def kind(self) -> Schema:
        return {"type": "string", "pattern": r"^\d\d:\d\d$"}


class Moment(Shown):
    def expression(self) -> Any:
        return UtcText(super().expression())

    def kind(self) -> Schema:
        return {"type": "string", "format": "date-time"}


@dataclass(frozen=True)
class Choice(Shown):
    options: Sequence[str] = ()

    def kind(self) -> Schema:
        return {"type": "string", "enum": list(self.options)}

    def schema(self) -> Schema:
        shown = super().schema()
        return {**shown, "enum": [*self.options, None]} if self.null else shown


@dataclass(frozen=True)
class Json(Shown):
    """A stored JSON value, passed through as it is."""

    shape: Schema = field(default_factory=dict)

    is_json = True

    def expression(self) -> Any:
        return JsonText(super().expression())

    def kind(self) -> Schema:
        return self.shape


class _Rows(Subquery):
    """A subquery whose rows become one JSON value: a list, or the only row (null when there is none)."""

    output_field = models.TextField()

    def __init__(self, queryset: Any, answer: Answer, viewer: Viewer, *, many: bool) -> None:
        self.answer, self.many = answer, many
        super().__init__(queryset.values(**answer.columns(viewer), **answer.inputs()))

    def as_sql(self, compiler: Any, connection: Any, template: Any = None, **extra: Any) -> Any:
        sql, parameters = super().as_sql(compiler, connection, template, **extra)
        row = self.answer.row_sql(connection.vendor, "nested", inputs=True)
        if connection.vendor == "postgresql":
            if self.many:
                return (
                    f"(SELECT ('[' || coalesce(string_agg({row}, ','), '') || ']')::json FROM {sql} nested)",
                    parameters,
                )
            return f"(SELECT ({row})::json FROM {sql} nested)", parameters
        if self.many:
            return f"(SELECT json_group_array(json({row})) FROM {sql} nested)", parameters
        return f"(SELECT {row} FROM {sql} nested)", parameters


@dataclass(frozen=True)
class Nested(Shown):
    """Another answer inside this one, read in the same statement.

    rows: gives the queryset, ordered and cut, tied to the outer row with OuterRef; it is handed the viewer where it
    `asks_who`. many: a list, else one or null.
    """

    answer: Any = None
    rows: Callable[..., models.QuerySet[Any, Any]] | None = None
    many: bool = True
    asks_who: bool = False

    is_json = True

    def expression(self, viewer: Viewer = PRODUCT) -> Any:
        assert self.rows is not None
        rows = self.rows(viewer) if self.asks_who else self.rows()
        return _Rows(rows, self.answer, viewer, many=self.many)

    def kind(self) -> Schema:
        return {"type": "array", "items": self.answer.reference()} if self.many else self.answer.reference()

    def finished(self, value: Any) -> Any:
        """The parsed value with its computed keys."""
        if value is None or not self.answer.needs_python:
            return value
        return [self.answer.finished_object(row) for row in value] if self.many else self.answer.finished_object(value)


@dataclass(frozen=True)
class Amended(Json):
    """A stored JSON value that a function amends, only where the database says that there is anything to amend.

    told: an expression that gives JSON text, or null for nothing to do; null costs no Python. amend: gets the parsed
    value and what was told, and gives the value that is shown.
    """

    told: Callable[[], Any] = field(kw_only=True)
    amend: Callable[[Any, Any], Any] = field(kw_only=True)

    def told_json(self) -> Json:
        return Json(f"told of {self.name}", source=self.told)


@dataclass(frozen=True)
class Computed:
    """A key that a rule in Python works out, from columns that are read along.

    takes: column name → source. compute: gets those columns by keyword, as Python values of the field kinds
    (`Json` and `Nested` parsed), and gives a JSON value. today, now: whether it also wants the site's day as `today=`,
    the moment as `now=`.
    """

    name: str
    shape: Schema
    takes: Mapping[str, Any]
    compute: Callable[..., Any]
    today: bool = False
    now: bool = False

    def result(self, arguments: Mapping[str, Any]) -> Any:
        asked: dict[str, Any] = dict(arguments)
        if self.today:
            asked["today"] = moments.today()
        if self.now:
            asked["now"] = moments.now()
        return self.compute(**asked)


class Answer:
    """The declared shape of one resource's JSON. `name` is its OpenAPI component."""

    registry: dict[str, Answer] = {}

    def __init__(
        self, name: str, model: type[models.Model], keys: Sequence[Shown | Computed], *, doc: str = ""
    ) -> None:
        self.name, self.model, self.doc = name, model, doc
        self.shown = [key for key in keys if isinstance(key, Shown)]
        self.computed = [key for key in keys if isinstance(key, Computed)]
        self.unfinished = [key for key in self.shown if isinstance(key, Nested) and key.answer.needs_python]
        self.amended = [key for key in self.shown if isinstance(key, Amended)]
        names = [key.name for key in keys]
        if len(set(names)) != len(names):
            raise ValueError(f"{name}: a key is declared twice")
        # A name that begins with an underscore is of use inside the product only, not a component of the schema.
        if not name.startswith("_") and Answer.registry.setdefault(name, self) is not self:
            raise ValueError(f"two answers are called {name}")

    @property
    def needs_python(self) -> bool:
        """Whether the database alone cannot write this answer."""
        return bool(self.computed or self.unfinished or self.amended)

    def with_keys(self, name: str, *keys: Shown | Computed, doc: str = "") -> Answer:
        """A larger answer: this one and more keys (a detail that extends its list row)."""
        return Answer(name, self.model, [*self.shown, *self.computed, *keys], doc=doc or self.doc)

    # Columns: the inner select names them j0, j1, … (a column may not be called like a field of the model), the
    # outer one gives the keys. Inputs of computed keys follow as i0, i1, …, and what amended keys are told as a0, a1, …
    def columns(self, viewer: Viewer = PRODUCT) -> dict[str, Any]:
        return {
            f"j{n}": key.expression(viewer) if isinstance(key, Nested) else key.expression()
            for n, key in enumerate(self.shown)
        }

    def inputs(self) -> dict[str, Any]:
        given = {f"i{n}": shown.expression() for n, (_, _, shown) in enumerate(self._inputs)}
        return given | {f"a{n}": key.told_json().expression() for n, key in enumerate(self.amended)}

    @cached_property
    def _inputs(self) -> list[tuple[Computed, str, Shown]]:
        return [
            (key, argument, shown if isinstance(shown, Shown) else Text(argument, source=shown))
            for key in self.computed
            for argument, shown in key.takes.items()
        ]

    def row_sql(self, vendor: str, table: str, *, inputs: bool = False) -> str:
        """The SQL expression that writes one row of `table` (with the columns above) as JSON text.

        inputs: with the inputs of computed and amended keys, as keys `~i0`, `~i1`, …, `~a0`, `~a1`, …
        """
        written: list[tuple[str, str, Shown]] = [(f"j{n}", key.name, key) for n, key in enumerate(self.shown)]
        if inputs:
            written += [(f"i{n}", f"{_INPUT}{n}", shown) for n, (_, _, shown) in enumerate(self._inputs)]
            written += [(f"a{n}", f"~a{n}", key.told_json()) for n, key in enumerate(self.amended)]
        if vendor == "postgresql":
            listed = ", ".join(
                f'{table}.{column}{"::json" if key.is_json and not isinstance(key, Nested) else ""} AS "{name}"'
                for column, name, key in written
            )
            return f"(SELECT row_to_json(one_row)::text FROM (SELECT {listed}) one_row)"
        pairs = []
        for column, name, key in written:
            value = f"{table}.{column}"
            if key.is_json:
                value = f"json({value})"
            elif key.is_flag:
                value = f"json(CASE {value} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)"
            pairs.append(f"'{name}', {value}")
        return f"json_object({', '.join(pairs)})"

    def select(self, vendor: str, *, extra: Sequence[str] = ()) -> Callable[[str], str]:
        """Wrap the inner select: first column the row's JSON text, then inputs, then the `extra` columns as text."""
        # As text: to make a datetime of each key of each row took longer than the rest of a page.
        columns = [
            self.row_sql(vendor, "r"),
            *(f"r.{name}" for name in self.inputs()),
            *(f"CAST(r.{name} AS TEXT)" for name in extra),
        ]
        return lambda inner: f"SELECT {', '.join(columns)} FROM ({inner}) r"

    def finished(self, row: Sequence[Any]) -> str:
        """The JSON text of a row that was read through `select`, computed keys included."""
        text: str = row[0]
        told = row[1 + len(self._inputs) :][: len(self.amended)] if self.amended else ()
        if self.unfinished or any(told):
            read = orjson.loads(text)
            for nested in self.unfinished:
                read[nested.name] = nested.finished(read[nested.name])
            for amended, what in zip(self.amended, told, strict=True):
                if what:
                    read[amended.name] = amended.amend(read[amended.name], orjson.loads(what))
            text = orjson.dumps(read).decode()
        if not self.computed:
            return text
        given = (_as_python(shown, value) for (_, _, shown), value in zip(self._inputs, row[1:], strict=False))
        parts = [f'"{name}":{orjson.dumps(result).decode()}' for name, result in self._results(given)]
        glue = "," if self.shown else ""
        return f"{text[:-1]}{glue}{','.join(parts)}}}"

    def finished_object(self, row: dict[str, Any]) -> dict[str, Any]:
        """A parsed row that was written with its inputs, which the computed keys now replace."""
        for nested in self.unfinished:
            row[nested.name] = nested.finished(row[nested.name])
        for n, amended in enumerate(self.amended):
            told = row.pop(f"~a{n}")
            if told:
                row[amended.name] = amended.amend(row[amended.name], told)
        given = [_as_value(shown, row.pop(f"{_INPUT}{n}")) for n, (_, _, shown) in enumerate(self._inputs)]
        row.update(self._results(given))
        return row

    def _results(self, given: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """The computed keys, from the values of their inputs in the order of `_inputs`."""
        arguments: dict[str, dict[str, Any]] = {key.name: {} for key in self.computed}
        for (key, argument, _), value in zip(self._inputs, given, strict=True):
            arguments[key.name][argument] = value
        for key in self.computed:
            yield key.name, key.result(arguments[key.name])

    def reference(self) -> Schema:
        return {"$ref": f"#/components/schemas/{self.name}"}

    def component(self) -> Schema:
        properties = {key.name: key.schema() for key in self.shown}
        properties |= {key.name: key.shape for key in self.computed}
        shown: Schema = {"type": "object", "properties": properties, "required": list(properties)}
        return {**shown, "description": self.doc} if self.doc else shown


def _as_python(shown: Shown, value: Any) -> Any:
    """An input as it came in its own column."""
    if value is not None and shown.is_json and isinstance(value, str | bytes):
        value = orjson.loads(value)
    return _as_value(shown, value)


def _as_value(shown: Shown, value: Any) -> Any:
    """An input whose JSON is parsed already."""
    if value is None:
        return None
    if isinstance(shown, Nested):
        return shown.finished(value)
    if isinstance(shown, Day):
        return date.fromisoformat(value)
    return bool(value) if shown.is_flag else value


def vendor_of(using: str = "default") -> str:
    return connections[using].vendor
