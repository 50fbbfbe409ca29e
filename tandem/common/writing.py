"""Writing rows with constant SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connection, connections, models

from tandem.common.reading.statement import run_sql

# Django asks each field to prepare its value, which for most is to look at it for two microseconds and hand it back.
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_PLAIN = (models.CharField, models.TextField, models.IntegerField, models.BooleanField)


def insert(record: models.Model) -> None:
    """Store a new record and set its primary key. One query.

    `save()` builds the same SQL anew each time, which costs more than to run it. There are no signals here, as
    nowhere in the product; generated columns are read from the database when they are first asked for.
    """
    database: Any = connections["default"]
    sql, fields = _insertion(type(record), database.vendor)
    values = [
        value
        if is_plain and type(value := getattr(record, field.attname)) in _AS_THEY_ARE
        else field.get_db_prep_save(field.pre_save(record, add=True), database)
        for field, is_plain in fields
    ]
    record.pk = record._meta.pk.to_python(run_sql(sql, values)[0][0])  # UUIDs are text on SQLite
    record._state.adding = False
    record._state.db = "default"


def update_each(model: type[models.Model], values: Mapping[Any, Sequence[Any]], *fields: str) -> None:
    """Write the same fields of several rows, of each its own values. One query for each row, sent all at once.

    values: primary key → one value for each of the fields.
    """
    meta, quoted = model._meta, connection.ops.quote_name
    written: list[Any] = [meta.get_field(name) for name in fields]
    columns = ", ".join(f"{quoted(field.column)} = %s" for field in written)
    sql = f"UPDATE {quoted(meta.db_table)} SET {columns} WHERE {quoted(str(meta.pk.column))} = %s"  # noqa: S608 - names
    rows = [
        [
            field.get_db_prep_save(value, connection)
            for field, value in zip([*written, meta.pk], [*own, pk], strict=True)
        ]
        for pk, own in values.items()
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)


@cache
def _insertion(model: type[models.Model], vendor: str) -> tuple[str, list[tuple[Any, bool]]]:
    """The statement, and its fields, each with whether plain values of it go to the database as they are."""
    pk = model._meta.pk
    stored: list[Any] = list(model._meta.concrete_fields)
    fields = [
        field
        for field in stored
        if not field.generated and not (field is pk and isinstance(field, models.AutoField | models.BigAutoField))
    ]
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(field.column) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table, key = quoted(model._meta.db_table), quoted(str(pk.column))
    sql = f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING {key}"  # noqa: S608 - names from the models
    return sql, [(field, _is_plain(field)) for field in fields]


def _is_plain(field: Any) -> bool:
    """A reference is as plain as what it refers to; fields that fill themselves in when they are stored are not."""
    kind = type(field.target_field if field.is_relation else field)
    return type(field).pre_save is models.Field.pre_save and issubclass(kind, _PLAIN)
