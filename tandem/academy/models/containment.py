"""Whether a record has a certain value of an attribute.

On PostgreSQL it is containment (`@>`), which the GIN index of the column serves; on SQLite the same is asked of
json_each.
"""

from __future__ import annotations

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
        sql = (
            f"EXISTS (SELECT 1 FROM json_each({column[0]}) stored, json_each({wanted[0]}) wanted WHERE "
            "stored.key = wanted.key AND ((stored.type = wanted.type OR stored.type IN ('integer', 'real') AND "
            "wanted.type IN ('integer', 'real')) AND stored.type <> 'array' AND stored.value = wanted.value "
            "OR stored.type = 'array' AND wanted.type = 'array' AND NOT EXISTS "
            "(SELECT 1 FROM json_each(wanted.value) w WHERE w.value NOT IN "
            "(SELECT s.value FROM json_each(stored.value) s))))"
        )
        return sql, [*column[1], *wanted[1]]


def within(name: str, value: Any) -> tuple[str, str]:
    """The two JSON texts that a record with this value contains one of: the value alone, and within a list."""
    return orjson.dumps({name: value}).decode(), orjson.dumps({name: [value]}).decode()


def has_value(name: str, value: Any) -> Q:
    """The condition "the attribute of this name is, or lists, this value"."""
    alone, listed = (Q(Contains(F("attributes"), Value(text))) for text in within(name, value))
    return alone | listed
