"""A queryset compiled once: its SQL is a constant, its parameters are filled in by name when it runs.

Building a query with Django's ORM costs about as much as a small read itself. A `Statement` pays it once per process
and shape: `Param("card")` stands in the queryset where a value will be, and `visible_to` is handed a viewer whose
`pk` is a `Param`, so the rule "who sees what" is still written once, in the models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.db.models.expressions import Expression

VIEWER = "viewer"

_elsewhere: ContextVar[str] = ContextVar("elsewhere", default="")


def replica() -> str:
    """The alias of the database for reports and exports: the read replica where there is one, else the default."""
    return "replica" if "replica" in settings.DATABASES else "default"


@contextmanager
def from_replica() -> Iterator[None]:
    """Statements that are carried out inside read from the replica. What they find may be a moment old.

    A replica that is away makes them fail as any database does (503): to turn to the first database instead would put
    the heaviest reads on it in a moment of trouble.
    """
    token = _elsewhere.set(replica())
    try:
        yield
    finally:
        _elsewhere.reset(token)


@dataclass(frozen=True)
class Slot:
    """The place of a named value among the parameters of a compiled statement."""

    name: str


class Param(Expression):
    """A value that is known only when the statement runs.

    The type is spelt out for PostgreSQL, which plans a prepared statement before it sees a value.
    """

    allowed_default = False

    def __init__(self, name: str, output_field: models.Field[Any, Any] | None = None) -> None:
        super().__init__(output_field=output_field or models.BigIntegerField())
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [Slot(self.name)]

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        return f"%s::{self.output_field.cast_db_type(connection)}", [Slot(self.name)]

    def __repr__(self) -> str:
        return f"Param({self.name})"


@dataclass(frozen=True)
class StandIn:
    """The viewer while a statement is compiled: the role is part of its shape, the id is filled in later."""

    role: str
    pk: Any = field(default_factory=lambda: Param(VIEWER))


@dataclass(frozen=True, eq=False)
class Statement:
    """Constant SQL with named slots. `run` costs one query; it opens no transaction.

    plans_anew: PostgreSQL plans it for the values of each run. What it does best may hang on them: newest first for a
    word that is everywhere, through an index for one that is nowhere. A plan for any value is bad for one of the two.
    """

    sql: str | None  # None: Django proved that there can be no row
    parameters: tuple[Any, ...]
    using: str = "default"
    plans_anew: bool = False

    def plus(self, *names: str) -> Statement:
        """The same statement with further slots behind the others (what `wrap` added at its end)."""
        return replace(self, parameters=(*self.parameters, *map(Slot, names)))

    def run(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        if self.sql is None:
            return []
        filled = [values[given.name] if isinstance(given, Slot) else given for given in self.parameters]
        return run_sql(self.sql, filled, using=_elsewhere.get() or self.using, plans_anew=self.plans_anew)


def run_sql(sql: str, values: Sequence[Any], *, using: str = "default", plans_anew: bool = False) -> list[Any]:
    """Carry out a statement that gives rows. plans_anew: see Statement. One query."""
    connection: Any = connections[using]
    if connection.queries_logged or connection.execute_wrappers:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cast(list[Any], cursor.fetchall())
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        options = {"prepare": False} if plans_anew and connection.vendor == "postgresql" else {}
        found = _cursor_of(connection).execute(sql, values, **options)
        return cast(list[Any], found.fetchall())


def _cursor_of(connection: Any) -> Any:
    """The one cursor of a connection that all statements use in turn; each has fetched its rows before the next runs.

    To make one, with Django's wrappers around it, took about as long as to run a small statement.
    """
    connection.ensure_connection()
    kept = connection.__dict__.get("_statement_cursor")
    if kept is None or kept[0] is not connection.connection:
        kept = connection.__dict__["_statement_cursor"] = (connection.connection, connection.create_cursor())
    return kept[1]


def compiled(
    queryset: models.QuerySet[Any, Any], wrap: Callable[[str], str] = lambda sql: sql, using: str = "default"
) -> Statement:
    """Compile a queryset that may hold `Param`s. `wrap` puts its SQL into an outer statement."""
    try:
        sql, parameters = queryset.query.get_compiler(using).as_sql()
    except EmptyResultSet:
        return Statement(None, (), using)
    return Statement(wrap(sql), tuple(parameters), using)


@dataclass(frozen=True)
class Selection:
    """A statement whose rows are wanted as Python values: days as `date`, flags as `bool`, on both databases."""

    statement: Statement
    converters: Mapping[int, Any]  # position → Django's converters of that column

    def run(self, values: Mapping[str, Any]) -> list[list[Any]]:
        rows = [list(row) for row in self.statement.run(values)]
        connection = connections[self.statement.using]
        for position, (converters, expression) in self.converters.items():
            for row in rows:
                for convert in converters:
                    row[position] = convert(row[position], expression, connection)
        return rows


def selection(queryset: models.QuerySet[Any, Any], using: str = "default") -> Selection:
    """Compile a queryset that may hold `Param`s; its rows have its columns in their order, those of a model all."""
    compiler: Any = queryset.query.get_compiler(using)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return Selection(Statement(None, (), using), {})
    converters = compiler.get_converters([column for column, _, _ in compiler.select])
    return Selection(Statement(sql, tuple(parameters), using), converters)


Model = TypeVar("Model", bound=models.Model)


class Records(Generic[Model]):
    """Instances of a model, read by a constant statement: for actions, which work on records."""

    def __init__(self, queryset: models.QuerySet[Model, Any]) -> None:
        self._model = queryset.model
        self._names = [field.attname for field in queryset.model._meta.concrete_fields]
        self._selection = selection(queryset)

    def first(self, **values: Any) -> Model | None:
        """The first record, or None. values: those of the Params, by name. One query."""
        rows = self._selection.run(values)
        return self._model.from_db("default", self._names, rows[0]) if rows else None


def adapted(value: Any, field: models.Field[Any, Any], using: str = "default") -> Any:
    """A Python value as this database wants it for a parameter (days and moments are text on SQLite)."""
    return field.get_db_prep_value(value, connections[using])
