"""The state of the database: is its schema the one that this program knows, and making it so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

# Any number that no other program uses for an advisory lock in the same PostgreSQL database.
_MIGRATION_LOCK = 7_264_633_601


@dataclass(frozen=True)
class SchemaState:
    """missing: migrations that this program has and the database has not. unknown: the other way round."""

    missing: list[str]
    unknown: list[str]

    @property
    def trouble(self) -> str:
        """What is wrong and what helps, in one line; "" when the schema is the right one."""
        if self.unknown:
            return (
                f"the database was written by a newer version ({self.unknown[-1]} is unknown here); "
                "install that version, or restore a backup made with this one"
            )
        if self.missing:
            return "the database is not prepared for this version; run `tandem migrate`"
        return ""


def schema_state() -> SchemaState:
    """Compare the migrations on disk with those in the database. Raises OperationalError when it cannot be reached."""
    loader = MigrationLoader(connection, ignore_no_migrations=True)
    applied = set(loader.applied_migrations or {})
    on_disk = set(loader.disk_migrations or {})
    ours = loader.migrated_apps
    # A squashed migration counts as applied when all that it replaces are; the loader's graph knows.
    missing = [key for key in loader.graph.nodes if key not in applied]
    unknown = [key for key in applied if key[0] in ours and key not in on_disk]
    return SchemaState(missing=sorted(map(_name, missing)), unknown=sorted(map(_name, unknown)))


def migrate() -> None:
    """Bring the schema up to date; the caller holds the instance lock alone."""
    if connection.vendor == "sqlite":
        # Kept in the file, so it is set here and nowhere else: asking for it on each connection takes a lock.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
        # Customers' addresses and password hashes: for the owner alone. What lies beside it takes over its mode.
        os.chmod(connection.settings_dict["NAME"], 0o600)
    with _alone_on_this_database():
        call_command("migrate", interactive=False, verbosity=0)
    _renew_figures()


def _renew_figures() -> None:
    """Count anew what SQLite's planner goes by, where somebody has had it counted.

    A migration that makes a table anew drops its figures. Without any, plans are right; with those of some tables alone
    a page of visits took fifty times as long, for the customers, known to be few, were gone through first.
    """
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'")
        if cursor.fetchone()[0]:
            cursor.execute("ANALYZE")


def index_names() -> None:
    """Make the indexes for searches within names where they are missing and can be had by now."""
    from tandem.academy import trigrams

    if connection.vendor == "postgresql" and not trigrams.are_names_indexed(connection):
        with _alone_on_this_database():
            trigrams.index_names(connection)


@contextmanager
def _alone_on_this_database() -> Iterator[None]:
    """On PostgreSQL, where other machines may start at the same time: one of them migrates, the others wait for it."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def _name(key: tuple[str, str]) -> str:
    return ".".join(key)
