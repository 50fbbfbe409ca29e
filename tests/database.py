"""Looking into the database: at all of it, for refusals that must leave no trace, and at how it reads."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Api


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, to be compared before and after."""
    found = {}
    with connection.cursor() as cursor:
        for label, statement in _readings():
            cursor.execute(statement)
            names = [column[0] for column in cursor.description]
            found[label] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return found


@cache
def _readings() -> list[tuple[str, str]]:
    quoted = connection.ops.quote_name
    return [
        (meta.label, f"SELECT * FROM {quoted(meta.db_table)} ORDER BY {quoted(str(meta.pk.column))}")
        for meta in (model._meta for model in apps.get_models())
    ]


def rows(sql: str, *parameters: Any) -> list[Any]:
    """What a statement gives, in the database's own words; nothing of one that gives no rows."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def plan_of(api: Api, path: str, statement_with: str) -> str:
    """How PostgreSQL reads what this GET asks for: of its statements the first in which that text occurs."""
    with CaptureQueriesContext(connection) as seen:
        answer = api.get(path)
    assert answer.status_code == 200, answer.content
    statement = next(one["sql"] for one in seen if statement_with in one["sql"])
    return "\n".join(line for (line,) in rows(f"EXPLAIN {statement}"))
