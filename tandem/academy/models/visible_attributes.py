"""Stored attributes without those that were deleted: their values stay, and are hidden. CONTRACT §4 "Attributes"."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.expressions import Func

from tandem.academy.models.attributes import Attribute, AttributeType, Entity

_FILES = "FROM {table} WHERE entity = '{entity}' AND type = '{type}' AND deleted_at IS NULL"
_HIDDEN = "SELECT name FROM {table} WHERE entity = '{entity}' AND deleted_at IS NOT NULL"

# On SQLite the object is put together anew, key by key, and only where anything is hidden at all. The text of a value
# stays as it is stored, for SQLite would write numbers with 15 figures: asked for two paths, one of them to nowhere,
# it gives `[<text>,null]`. (The operator -> gives the text itself, but there is none before SQLite 3.38.)
_TEXT = "json_extract({column}, fullkey, '$[0]')"
_REBUILT = (
    f"CASE WHEN EXISTS ({{hidden}}) THEN (SELECT json_group_object(key, json(substr({_TEXT}, 2, length({_TEXT}) - 7))) "
    "FROM json_each({column}) WHERE key NOT IN ({hidden})) ELSE {column} END"
)


class VisibleAttributes(Func):
    """The JSON text of the attributes column without the keys of deleted attributes."""

    arity = 1
    output_field = models.TextField()

    def __init__(self, expression: Any, *, entity: Entity, **extra: Any) -> None:
        super().__init__(expression, **extra)
        self.hidden = _HIDDEN.format(table=Attribute._meta.db_table, entity=entity.value)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = f"(%(expressions)s - ARRAY({self.hidden})::text[])"
        return super().as_sql(compiler, connection, template=template, **extra)

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = _REBUILT.format(hidden=self.hidden, column="%(expressions)s")
        return super().as_sql(compiler, connection, template=template, **extra)


class FileAttributes(Func):
    """A JSON list of the names of an entity's attributes of type file; null when it has none.

    It does not hang on the row, so databases work it out once for a statement.
    """

    arity = 0
    output_field = models.TextField(null=True)

    def __init__(self, *, entity: Entity, **extra: Any) -> None:
        super().__init__(**extra)
        self.files = _FILES.format(table=Attribute._meta.db_table, entity=entity.value, type=AttributeType.FILE.value)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return f"(SELECT json_agg(name)::text {self.files})", []

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return f"(SELECT NULLIF(json_group_array(name), '[]') {self.files})", []


class FilesOf(Func):
    """A JSON list of the names of the attributes of type file that an entity, an expression, has or had."""

    arity = 1
    output_field = models.TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(
            compiler, connection, template=self._template("coalesce(json_agg(name)::text, '[]')"), **extra
        )

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return super().as_sql(compiler, connection, template=self._template("json_group_array(name)"), **extra)

    def _template(self, names: str) -> str:
        table, type = Attribute._meta.db_table, AttributeType.FILE.value
        return f"(SELECT {names} FROM {table} WHERE entity = %(expressions)s AND type = '{type}')"
