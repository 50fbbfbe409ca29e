"""A database of an earlier version becomes one of this version, with all that it holds.

tests/upgrades/ has two backups of each, `<version>.<database>.backup`: the demo company as that version loaded it, made
by that version's `tandem backup` and packed more tightly. Each release adds its own two; none is ever changed.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tests.calling import Caller, signed_in
from tests.installation import NOT_PREPARED, Installation, _url, empty, prepared
from tests.ports import free_port

KEPT = Path(__file__).resolve().parent / "upgrades"
VERSIONS = sorted({file.name.rsplit(".", 2)[0] for file in KEPT.glob("*.backup")})

# Reads whose answers tell that records came along whole.
SHOWN = ("/api/crm/cards/", "/api/crm/services/", "/api/clients/", "/api/services/", "/api/leads/", "/api/pipelines/")


def kept(version: str) -> Path:
    return KEPT / f"{version}.{connection.vendor}.backup"


def migrations_of(version: str) -> list[str]:
    with zipfile.ZipFile(kept(version)) as archive:
        listed: list[str] = json.loads(archive.read("manifest.json"))["migrations"]
    return listed


@pytest.fixture(scope="module", params=VERSIONS)
def upgraded(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, dict[str, int]]]:
    """An installation that was brought here from a version, and how many rows its tables had before."""
    with empty(tmp_path_factory.mktemp("upgraded")) as installation:
        restored = installation.tandem("restore", str(kept(request.param)))
        assert restored.returncode == 0, restored.stderr
        before = counts(installation)
        newer = set(_on_disk()) - set(migrations_of(request.param))
        if newer:
            refused = installation.tandem("serve", "--port", str(free_port()))
            assert (refused.returncode, refused.stderr) == (1, NOT_PREPARED)
        done = installation.tandem("migrate")
        assert done.returncode == 0, done.stderr
        if newer:
            assert done.stdout == f"The database is prepared: {len(newer)} migrations applied.\n"
        yield installation, before


def _on_disk() -> list[str]:
    return [".".join(key) for key in MigrationLoader(None, ignore_no_migrations=True).disk_migrations]


def counts(installation: Installation) -> dict[str, int]:
    return {table: len(rows) for table, rows in installation._tables() if not table.startswith("sqlite_")}


@pytest.mark.processes
def test_no_row_is_lost_on_the_way(upgraded: tuple[Installation, dict[str, int]]) -> None:
    installation, before = upgraded
    after = counts(installation)
    grown = {"django_migrations", "django_content_type", "auth_permission", "auth_group_permissions"}
    assert before["fieldservice_visit"] > 100
    assert {table: after.get(table) for table in before if table not in grown} == {
        table: count for table, count in before.items() if table not in grown
    }
    assert all(after[table] >= before[table] for table in grown & set(before))


@pytest.mark.processes
def test_the_schema_is_that_of_a_new_installation(
    upgraded: tuple[Installation, dict[str, int]], tmp_path: Path
) -> None:
    with prepared(tmp_path) as new:
        assert schema(upgraded[0]) == schema(new)


def schema(installation: Installation) -> set[tuple[str, ...]]:
    """Each column, index and constraint, in the database's own words, whatever their order."""
    if installation.database:
        with psycopg.connect(_url(installation.database)) as read:
            return {(*named, _plain(text)) for *named, text in read.execute(_POSTGRESQL_SCHEMA).fetchall()}
    found: set[tuple[str, ...]] = set()
    with contextlib.closing(sqlite3.connect(installation.data_dir / "tandem.sqlite3")) as lite:
        for kind, name, table, text in lite.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall():
            if kind == "table":
                columns = lite.execute("SELECT * FROM pragma_table_info(?)", [name]).fetchall()
                found |= {("column", name, *map(str, column[1:])) for column in columns}
                # A table that SQLite made anew has its constraints in another order, and other quotes.
                words = text.replace('"', "").partition("(")[2]
                found |= {("constraint", name, part.split()[1]) for part in _parts(words) if "CONSTRAINT" in part}
            else:
                found.add((kind, table, name, " ".join((text or "").replace('"', "").split())))
    return found


def _plain(definition: str) -> str:
    """Without types that are spelt out: a dump that was restored spells them otherwise."""
    return re.sub(r"::(?:text|character varying)(?:\[\])?|[()\[\]]", "", definition)


def _parts(columns: str) -> list[str]:
    """What stands between the commas of the outermost level."""
    parts, depth = [""], 0
    for sign in columns:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip().startswith("CONSTRAINT")]


_POSTGRESQL_SCHEMA = """
SELECT 'column', table_name, column_name, data_type || coalesce(character_maximum_length::text, '') || is_nullable
       || coalesce(column_default, '') || is_identity
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""


@pytest.mark.processes
def test_people_sign_in_and_find_their_records(upgraded: tuple[Installation, dict[str, int]]) -> None:
    installation, before = upgraded
    with installation.serving() as served:
        admin = signed_in(served, {"username": "meenakshi", "password": "Neem-Tree-4-Desk"})
        for path in SHOWN:
            listed = admin.ok("GET", path)
            assert listed, path
            assert admin.ok("GET", f"{path}{listed[0]['id']}/")["id"] == listed[0]["id"]
        card = admin.ok("GET", "/api/crm/cards/?page=1")
        assert card["count"] <= before["fieldservice_card"]
        changed = admin.ok("PATCH", f"/api/crm/cards/{card['results'][0]['id']}/", {"city": "Theni"})
        assert changed["city"] == "Theni"
        assert Caller(served).call("GET", "/readyz")[0] in (200, 503)


def test_there_is_a_backup_for_either_database() -> None:
    assert VERSIONS
    for version in VERSIONS:
        assert {file.name for file in KEPT.glob(f"{version}.*")} == {
            f"{version}.{name}.backup" for name in ("sqlite", "postgresql")
        }


def test_a_migration_that_was_released_is_still_there() -> None:
    ours = {key[0] for key in MigrationLoader(None, ignore_no_migrations=True).disk_migrations}
    on_disk = set(_on_disk())
    for version in VERSIONS:
        assert {name for name in migrations_of(version) if name.split(".")[0] in ours} <= on_disk
