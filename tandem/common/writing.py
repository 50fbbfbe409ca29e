"""Writing rows with constant SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connection, models


def insert(record: models.Model) -> None:
    """Store a new record and set its primary key. One query.

    `save()` builds the same SQL anew each time, which costs more than to run it. There are no signals here, as
    nowhere in the product; generated columns are read from the database when they are first asked for.
    """
    sql, fields = _insertion(type(record), connection.vendor)
    values = [field.get_db_prep_save(field.pre_save(record, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        record.pk = record._meta.pk.to_python(cursor.fetchone()[0])  # UUIDs are text on SQLite
    record._state.adding = False
    record._state.db = connection.alias


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
def _insertion(model: type[models.Model], vendor: str) -> tuple[str, list[Any]]:
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
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING {key}", fields  # noqa: S608 - names from the models
