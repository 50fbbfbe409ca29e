"""Looking into the database: at all of it, for refusals that must leave no trace, and at how it reads."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.cast import Api


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, to be compared before and after."""
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}


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
