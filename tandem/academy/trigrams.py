"""Indexes for searches within names (`?name=`, `?search=`): trigrams, where PostgreSQL can have them.

They need the extension pg_trgm. The owner of a database may create it; a role that may not gets along without, and its
searches read whole tables. SQLite has nothing of the kind, and does without at its sizes.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import DatabaseError, transaction

EXTENSION: Final = "pg_trgm"
# Of what lists compare: UPPER(name), of records that are not deleted.
INDEXES: Final = {
    "clients_by_part_of_name": "academy_client",
    "students_by_part_of_name": "academy_student",
    "leads_by_part_of_name": "academy_lead",
}

DETAIL: Final = 1000  # samples of names; of 100, the default, a word that every five hundredth has is seen in none


def index_names(connection: Any) -> str:
    """Make what is missing of the extension and the indexes. Gives why it cannot be had, "" when all is there."""
    if connection.vendor != "postgresql":
        return ""
    if not has_extension(connection):
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                cursor.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
        except DatabaseError as refused:
            return " ".join(str(refused).split())
    with connection.cursor() as cursor:
        for name, table in INDEXES.items():
            cursor.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON {table} "
                "USING gin (upper(name::text) gin_trgm_ops) WHERE deleted_at IS NULL"
            )
            # Without figures about the names PostgreSQL takes any word for a rare one of so many letters, and reads
            # all that has a common word, or all there is for a rare one.
            cursor.execute(f"CREATE STATISTICS IF NOT EXISTS {name}_figures ON (upper(name::text)) FROM {table}")
            cursor.execute(f"ALTER STATISTICS {name}_figures SET STATISTICS {DETAIL}")
            cursor.execute(f"ANALYZE {table}")
    return ""


def are_names_indexed(connection: Any) -> bool:
    """Whether all the indexes are there; False on SQLite. One query."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = ANY(%s)", [list(INDEXES)])
        return bool(cursor.fetchone()[0] == len(INDEXES))


def has_extension(connection: Any) -> bool:
    """Whether a database of PostgreSQL has it. One query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = %s", [EXTENSION])
        return cursor.fetchone() is not None
