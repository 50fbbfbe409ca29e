"""What a migration may do to people who have a large database and colleagues at work.

It holds for migrations after the first release; those before it meet empty tables only.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader

from tandem.common.migrating import AddIndexConcurrently
from tests.installation import prepared

RELEASED = {
    "academy": "0007_open_tasks_by_record",
    "accounts": "0002_default_groups",
    "common": "0002_periodic_job",
    "events": "0001_initial",
    "fieldservice": "0002_wrong_guesses_of_a_day",
    "jobs": "0002_state",
    "sms": "0001_initial",
    "webhooks": "0002_deliveries_being_tried",
}

# After these something is gone, or a server of the version before cannot go on for the length of the upgrade.
DESTRUCTIVE = (
    migrations.RemoveField,
    migrations.DeleteModel,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.AlterModelTable,
    migrations.RunSQL,
)
NOTE = "Destructive:"


def newer() -> list[Any]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return [one for (app, name), one in sorted(loader.disk_migrations.items()) if name > RELEASED.get(app, "9999")]


def faults(migration: Any) -> list[str]:
    """What is wrong with a migration; empty when nothing is."""
    noted = NOTE in (import_module(type(migration).__module__).__doc__ or "")
    made_here = {one.name_lower for one in migration.operations if isinstance(one, migrations.CreateModel)}
    return [
        fault
        for operation in migration.operations
        if (fault := _fault(operation, noted=noted, is_atomic=migration.atomic, made_here=made_here))
    ]


def _fault(operation: Any, *, noted: bool, is_atomic: bool, made_here: set[str]) -> str:
    if isinstance(operation, DESTRUCTIVE) and not noted:
        return f"{operation.describe()}: say in the module's docstring, after {NOTE!r}, what is lost and why"
    if isinstance(operation, AddIndexConcurrently):
        return f"{operation.describe()}: needs atomic = False" if is_atomic else ""
    is_index = isinstance(operation, migrations.AddIndex)
    if is_index and operation.model_name.lower() not in made_here:
        return f"{operation.describe()}: use AddIndexConcurrently"
    if isinstance(operation, migrations.AddField) and not operation.field.null and not operation.field.has_default():
        return "" if operation.field.db_default is not models.NOT_PROVIDED else f"{operation.describe()}: no default"
    return ""


@pytest.mark.parametrize("migration", newer(), ids=str)
def test_a_newer_migration_spares_those_who_work(migration: Any) -> None:
    assert faults(migration) == []


def test_what_was_released_is_what_there_is() -> None:
    on_disk = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    assert set(RELEASED.items()) <= set(on_disk)


class _Migration(migrations.Migration):
    """Stands for one that somebody wrote."""


_INDEX = models.Index(fields=["name"], name="leads_by_name")


@pytest.mark.parametrize(
    ("operation", "atomic", "wrong"),
    [
        (migrations.RemoveField("lead", "name"), True, "what is lost"),
        (migrations.RunSQL("DELETE FROM academy_lead"), True, "what is lost"),
        (migrations.AddIndex("lead", _INDEX), True, "use AddIndexConcurrently"),
        (AddIndexConcurrently("lead", _INDEX), True, "needs atomic = False"),
        (AddIndexConcurrently("lead", _INDEX), False, ""),
        (migrations.AddField("lead", "x", models.TextField(null=True)), True, ""),
        (migrations.AddField("lead", "x", models.TextField(default="")), True, ""),
        (migrations.AddField("lead", "x", models.TextField()), True, "no default"),
    ],
    ids=lambda one: getattr(one, "describe", lambda: str(one))(),
)
def test_each_fault_is_found(operation: Any, atomic: bool, wrong: str) -> None:
    migration = _Migration("0009_later", "academy")
    migration.operations, migration.atomic = [operation], atomic
    found = faults(migration)
    assert (wrong in found[0]) if wrong else found == []


@pytest.mark.django_db(transaction=True)
def test_an_index_is_made_while_others_write_and_is_made_again_after_a_failure() -> None:
    loader = MigrationLoader(connection)
    before = loader.project_state()
    operation = AddIndexConcurrently("lead", models.Index(fields=["name"], name="leads_of_a_test"))
    after = before.clone()
    operation.state_forwards("academy", after)

    def indexes() -> list[str]:
        with connection.cursor() as cursor:
            return list(connection.introspection.get_constraints(cursor, "academy_lead"))

    for _ in range(2 if connection.vendor == "postgresql" else 1):
        with connection.schema_editor(atomic=False) as editor:
            operation.database_forwards("academy", editor, before, after)
        assert "leads_of_a_test" in indexes()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_backwards("academy", editor, after, before)
    assert "leads_of_a_test" not in indexes()


@pytest.mark.processes
@pytest.mark.skipif(connection.vendor != "sqlite", reason="2026-11-29: PostgreSQL keeps such figures up to date itself")
def test_figures_of_a_table_that_is_made_anew_are_counted_anew(tmp_path: Path) -> None:
    figures = "SELECT tbl FROM sqlite_stat1 WHERE tbl IN ('auth_permission', 'auth_group')"
    say = f"from django.db import connection\nwith connection.cursor() as c:\n c.execute(%r); c.execute({figures!r})"
    say += "\n print(sorted({row[0] for row in c.fetchall()}))"
    with prepared(tmp_path) as installation:
        assert "no such table: sqlite_stat1" in installation.python(say % "SELECT 1").stderr, "none where nobody asked"
        both = "['auth_group', 'auth_permission']\n"
        assert installation.python(say % "ANALYZE").stdout == both
        dropped = installation.python(say % "DELETE FROM sqlite_stat1 WHERE tbl = 'auth_permission'")
        assert dropped.stdout == "['auth_group']\n"
        # What `tandem migrate` does where there is something to migrate.
        assert installation.python("from tandem.config import database; database.migrate()").returncode == 0
        assert installation.python(say % "SELECT 1").stdout == both
