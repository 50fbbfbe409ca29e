"""Whether a record has a certain value of an attribute.

On PostgreSQL it is containment (`@>`), which the GIN index of the column serves; on SQLite the same is asked of
each row's JSON.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.expressions import Func


class Contains(Func):
    """Whether the JSON object of a column holds the only key of another one, with the same value."""

    output_field = models.BooleanField()
    conditional = True
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template="(%(expressions)s::jsonb)", arg_joiner=" @> ", **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        column, wanted = (compiler.compile(expression) for expression in self.source_expressions)
        parts = {name: (f"(SELECT {name} FROM json_each({wanted[0]}))", wanted[1]) for name in _OF_WANTED}
        parts["column"] = column
        # Names of parts stand at the odd places.
        sql: list[str] = []
        parameters: list[Any] = []
        for place, piece in enumerate(re.split(r"\{(\w+)\}", _HOLDS)):
            text, own = parts[piece] if place % 2 else (piece, ())
            sql.append(text)
            parameters += own
        return "".join(sql), parameters


_OF_WANTED = ("fullkey", "type", "value")
# What is said of the wanted value stands in subqueries that do not hang on the row: SQLite works them out once for a
# statement. To join json_each of both objects for each row took three to five times as long.
_HOLDS = (
    "CASE json_type({column}, {fullkey}) "
    "WHEN {type} THEN CASE {type} WHEN 'array' THEN NOT EXISTS (SELECT 1 FROM json_each({value}) w "
    "WHERE w.value NOT IN (SELECT s.value FROM json_each({column}, {fullkey}) s)) "
    "ELSE json_extract({column}, {fullkey}) = {value} END "
    "WHEN 'integer' THEN {type} = 'real' AND json_extract({column}, {fullkey}) = {value} "
    "WHEN 'real' THEN {type} = 'integer' AND json_extract({column}, {fullkey}) = {value} "
    "ELSE 0 END"
)


def within(name: str, value: Any) -> tuple[str, str]:
    """The two JSON texts that a record with this value contains one of: the value alone, and within a list."""
    return orjson.dumps({name: value}).decode(), orjson.dumps({name: [value]}).decode()


def has_value(name: str, value: Any) -> Q:
    """The condition "the attribute of this name is, or lists, this value"."""
    alone, listed = (Q(Contains(F("attributes"), Value(text))) for text in within(name, value))
    return alone | listed
