"""`tandem backup FILE`: one file from which the whole installation can be brought back.

A zip, readable by its owner alone, that holds
    manifest.json   format, version, kind of database, applied migrations, and the SHA-256 of each other member
    database.sqlite3 or database.pgdump
    secret_key      without it sealed columns (waiting messages, stored answers) cannot be read, and every login
                    ends; so whoever has this file has everything, and it is to be kept accordingly
    files/…         uploads, when they are kept in the data directory

It may be made while Tandem runs: the database is copied as it was at one instant, and writers are not held up. Uploads
are copied after the database, and what somebody removes meanwhile is kept back until then, so a row never refers to an
upload that the backup lacks; uploads do not change. The file appears under its name only when it is complete, checked
and on the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from psycopg import conninfo

from tandem.academy.trigrams import EXTENSION, has_extension
from tandem.common import moments
from tandem.common.sqlite.base import fold_case
from tandem.config import instance
from tandem.files.storage import REMOVED, kept_back, removed

FORMAT = 1
UPLOADS = "files"  # below the data directory
MANIFEST = "manifest.json"
PAGES_AT_A_TIME = 2000


def write(target: Path) -> str:
    """Write the backup; the answer tells what was written. Raises SystemExit with one line when it cannot be done."""
    target = target.absolute()
    if target.is_dir():
        raise SystemExit(f"tandem: {target} is a directory; name the file to write")
    if target.exists() and not target.is_file():  # a device, a pipe: the file would take its place
        raise SystemExit(f"tandem: {target} is there already and is no file; name the file to write")
    if not target.parent.is_dir():
        raise SystemExit(f"tandem: there is no directory {target.parent}")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as made:
            unfinished = Path(made) / "backup.zip"
            with instance.in_turn(settings.DATA_DIR), kept_back(settings.DATA_DIR / UPLOADS):
                checksums = _fill(unfinished, Path(made))
            _verify(unfinished, checksums)
            size = unfinished.stat().st_size
            os.replace(unfinished, target)
            sync_directory(target.parent)
    except OSError as failed:
        raise SystemExit(f"tandem: the backup could not be written: {failed}") from None
    uploads = sum(name.startswith(f"{UPLOADS}/") for name in checksums)
    return f"Wrote {target}: {size / 1e6:.1f} MB, the database, {uploads} uploads and the secret key. Keep it safe."


def _fill(file: Path, scratch: Path) -> dict[str, str]:
    database = "database.sqlite3" if connection.vendor == "sqlite" else "database.pgdump"
    checksums: dict[str, str] = {}
    with _private(file) as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        copy = scratch / database
        if connection.vendor == "sqlite":
            migrations = copy_sqlite(Path(settings.DATABASES["default"]["NAME"]), copy)
        else:
            migrations = _dump_postgresql(copy)
        checksums[database] = _add(archive, database, copy)
        copy.unlink()
        secret = scratch / "secret_key"
        with _private(secret) as kept:
            kept.write(settings.SECRET_KEY.encode())
        checksums["secret_key"] = _add(archive, "secret_key", secret)
        for name, upload in _uploads(settings.DATA_DIR / UPLOADS):
            if name not in checksums:
                with suppress(FileNotFoundError):  # removed by now, so it comes once more; or by hand, so it is gone
                    checksums[name] = _add(archive, name, upload)
        manifest = {
            "format": FORMAT,
            "tandem": version("tandem"),
            "database": connection.vendor,
            "made_at": moments.iso(moments.now()),
            "migrations": migrations,
            "sha256": checksums,
        }
        archive.writestr(MANIFEST, json.dumps(manifest, indent=1))
        archive.close()
        raw.flush()
        os.fsync(raw.fileno())
    return checksums


def copy_sqlite(source: Path, target: Path) -> list[str]:
    """Copy a SQLite database as it is at one instant, into one self-contained file; the answer is its migrations.

    The source is read inside of one transaction. Without it SQLite's backup starts anew whenever somebody writes
    between two of its steps, and on a busy database it would never end; with it, in WAL mode, the reader sees its own
    instant and holds nobody up.
    """
    with _private(target):
        pass
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as read,
        closing(sqlite3.connect(target, isolation_level=None)) as written,
    ):
        read.execute("PRAGMA busy_timeout=20000")
        read.execute("BEGIN")
        applied = [f"{app}.{name}" for app, name in read.execute("SELECT app, name FROM django_migrations ORDER BY id")]
        read.backup(written, pages=PAGES_AT_A_TIME)
        read.execute("ROLLBACK")
        # The copy says in its header that it is in WAL mode, which would want two more files beside it.
        written.execute("PRAGMA journal_mode=DELETE")
        check_sqlite(written)
    return applied


def check_sqlite(database: sqlite3.Connection) -> None:
    """Raises SystemExit when SQLite finds damage, or a row that refers to one that is not there."""
    fold_case(database)
    found = [row[0] for row in database.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise SystemExit(f"tandem: the database is damaged: {'; '.join(found)}")
    if broken := database.execute("PRAGMA foreign_key_check").fetchone():
        raise SystemExit(
            f"tandem: the database is damaged: a row of {broken[0]} refers to a missing row of {broken[2]}"
        )


def _dump_postgresql(target: Path) -> list[str]:
    # Read before the dump: a migration that runs meanwhile then makes the manifest too modest, never too bold.
    applied = [f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()]
    # Of the database nothing else is ours: what others keep in it is not restored either.
    schema = (current_schema() or "").replace('"', '""')
    parts = [f'--schema="{schema}"', *([f"--extension={EXTENSION}"] if has_extension(connection) else [])]
    form = ["--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    run_postgresql_tool(["pg_dump", *form, *parts, database_option()])
    os.chmod(target, 0o600)
    return sorted(applied)


def current_schema() -> str | None:
    """Where our tables are in PostgreSQL: the first schema of the search path that is there; None when none is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        found: str | None = cursor.fetchone()[0]
        return found


def run_postgresql_tool(command: list[str]) -> str:
    """Run pg_dump, pg_restore or psql, and give what it prints; what connects is told `database_option()`.

    Raises SystemExit with its last words.
    """
    if shutil.which(command[0]) is None:
        raise SystemExit(
            f"tandem: {command[0]} is needed for this and is not installed; "
            "install PostgreSQL's client programs (Debian: apt install postgresql-client)"
        )
    password = _connection_parameters().get("password")
    # Unlike arguments, other users cannot read a process's environment.
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SystemExit(f"tandem: {command[0]} failed: {said}")
    return done.stdout


def database_option() -> str:
    """The connection for a tool of PostgreSQL: whatever libpq is told by us, so that it is the same database."""
    told = {name: value for name, value in _connection_parameters().items() if name not in _SECRETS}
    return f"--dbname={conninfo.make_conninfo(**told)}"


# The last two have no variable: the tools then say what they miss.
_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_OF_PSYCOPG = ("context", "cursor_factory", "prepare_threshold")  # what Django hands over and libpq does not know


def _connection_parameters() -> dict[str, Any]:
    """What libpq is told when we connect, by its names: Django's settings, and what stands in the URL beside them."""
    given = connection.get_connection_params()
    return conninfo.conninfo_to_dict(**{name: value for name, value in given.items() if name not in _OF_PSYCOPG})


def _uploads(directory: Path) -> Iterator[tuple[str, Path]]:
    """Name in the backup and place of each. Those that are removed meanwhile come last, for only now all are known."""
    for file in sorted(directory.rglob("*")):
        key = file.relative_to(directory)
        if not key.parts[0].startswith(REMOVED) and file.is_file() and not file.is_symlink():
            yield f"{UPLOADS}/{key.as_posix()}", file
    for kept, file in removed(directory).items():
        yield f"{UPLOADS}/{kept}", file


def sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync_directory(directory: Path) -> None:
    """Make a rename durable: it is the directory that remembers it."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _add(archive: zipfile.ZipFile, name: str, file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as source, archive.open(name, "w", force_zip64=True) as member:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            member.write(chunk)
    return digest.hexdigest()


def _verify(file: Path, checksums: dict[str, str]) -> None:
    """Read everything back: what the disk or the compression spoiled shall be noticed today."""
    with zipfile.ZipFile(file) as archive:
        for name, expected in checksums.items():
            with archive.open(name) as member:
                if hashlib.file_digest(member, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                    raise SystemExit(f"tandem: the backup could not be written: {name} reads back differently")


@contextmanager
def _private(file: Path) -> Iterator[Any]:
    fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(fd, "w+b") as opened:
        yield opened
