"""PostgreSQL with counted statements; see `context.tally`. BEGIN and COMMIT are psycopg's own and are not counted."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base as django_postgresql

from tandem.common.context import tally


class CountedCursor(django_postgresql.ServerBindingCursor):
    def execute(self, *args: Any, **options: Any) -> Any:
        tally.queries += 1
        return super().execute(*args, **options)  # type: ignore[misc]

    def executemany(self, *args: Any, **options: Any) -> Any:
        tally.queries += 1
        return super().executemany(*args, **options)  # type: ignore[misc]


class CountedServerCursor(psycopg.ServerCursor[Any]):
    """Of a read in pieces: counts once, however many pieces are fetched."""

    def execute(self, *args: Any, **options: Any) -> Any:
        tally.queries += 1
        return super().execute(*args, **options)


class DatabaseWrapper(django_postgresql.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_connection_params()
        parameters["cursor_factory"] = CountedCursor
        return parameters

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        connection.server_cursor_factory = CountedServerCursor
        return connection
