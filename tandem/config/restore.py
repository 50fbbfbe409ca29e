"""`tandem restore FILE`: bring back what `tandem backup` wrote, all of it or nothing.

An installation is several files (database, uploads, secret key), and no system renames several files at once. So
everything is first unpacked beside the old data, checked, and flushed to the disk; then one small file, COMMIT, is
made, and from then on the restore counts as done: what was there is moved aside and the new files take its place, each
by a rename. Whoever dies before COMMIT has changed nothing; whoever dies after it has left a job that the next
`tandem` command finishes before it does anything else.

PostgreSQL's rows are replaced in one transaction, as the first step after COMMIT; when that fails, COMMIT is taken
back. Our tables go and the backup's come, with the rights that `tandem migrate` needs: the schema and the extension,
which may belong to somebody else, stay, and so does what others keep in the database.

The files that were there are kept in `replaced-<time>` in the data directory until somebody deletes them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

STAGING = ".restore"
SQLITE_FILE = "tandem.sqlite3"
DUMP_FILE = "database.pgdump"
SCRIPTS = ("empty.sql", "extension.sql", "restore.sql")  # in the order in which psql runs them
# What lies beside a SQLite database belongs to that database only, and would spoil another one.
SQLITE_COMPANIONS = (f"{SQLITE_FILE}-wal", f"{SQLITE_FILE}-shm", f"{SQLITE_FILE}-journal")


def restore(file: Path, *, force: bool) -> str:
    """Replace the installation's data with the backup's; the answer tells what was done.

    The caller holds the instance lock alone. Raises SystemExit with one line, and nothing has changed, when the backup
    is damaged, of another kind of database or of a newer version, or when there is data and `force` is not set.
    """
    from django.conf import settings
    from django.db import connection

    from tandem.common import moments
    from tandem.config.backup import current_schema

    data_dir: Path = settings.DATA_DIR
    if not force and has_data():
        raise SystemExit("tandem: there is data already; say --force to replace it (make a backup first)")
    _check_that_nobody_is_connected()
    schema = current_schema() if connection.vendor == "postgresql" else None
    connection.close()
    staging = data_dir / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    try:
        manifest = _unpack(file, staging / "new", vendor=connection.vendor)
        if connection.vendor == "postgresql":
            _write_scripts(staging, schema=schema)
        _flush(staging)
        replaced = data_dir / f"replaced-{moments.now():%Y%m%dT%H%M%SZ}"
        _commit(staging, replaced)
        _replace_rows(staging)
    except BaseException as failed:
        shutil.rmtree(staging, ignore_errors=True)
        if isinstance(failed, OSError | sqlite3.Error):
            reason = getattr(failed, "strerror", None) or failed
            raise SystemExit(f"tandem: the backup could not be restored, and nothing was changed: {reason}") from None
        raise
    _replace_files(data_dir)
    return _summary(manifest, replaced)


def finish_interrupted(data_dir: Path) -> bool:
    """Finish a restore that was committed and interrupted; say whether there was one."""
    if not (data_dir / STAGING / "COMMIT").exists():
        return False
    from tandem.config import instance

    with instance.alone(data_dir, wanted_for="finishing a restore that was interrupted"):
        _replace_rows(data_dir / STAGING)
        _replace_files(data_dir)
    return True


def has_data() -> bool:
    from django.db import DatabaseError, connection

    from tandem.accounts.models import User

    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).exists():
        return False
    try:
        tables = connection.introspection.table_names()
        return User._meta.db_table in tables and User.objects.exists()
    except DatabaseError:
        if connection.vendor == "sqlite":
            return True  # a file that cannot be read may still be somebody's only copy
        raise


def _check_that_nobody_is_connected() -> None:
    """PostgreSQL may be used from other machines, which our lock file does not reach."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        others = cursor.fetchone()[0]
    if others:
        raise SystemExit(f"tandem: {others} other connections use the database; stop Tandem on all machines first")


def _unpack(file: Path, new: Path, *, vendor: str) -> dict[str, Any]:
    """Unpack into `new`, and check; the answer is the manifest."""
    from tandem.config.backup import FORMAT, MANIFEST, UPLOADS

    if file.is_dir():
        raise SystemExit(f"tandem: {file} is a directory; name the backup's file")
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            if manifest["format"] != FORMAT:
                raise SystemExit(f"tandem: {file} has format {manifest['format']}; this version reads {FORMAT}")
            if manifest["database"] != vendor:
                raise SystemExit(
                    f"tandem: {file} is of a {manifest['database']} database, this installation's is {vendor}"
                )
            _check_that_schema_is_known(manifest["migrations"])
            (new / UPLOADS).mkdir(parents=True, mode=0o700)  # even when empty: it takes the place of the old one
            for name, expected in manifest["sha256"].items():
                _extract(archive, name, expected, new)
    except FileNotFoundError:
        raise SystemExit(f"tandem: there is no file {file}") from None
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as broken:
        raise SystemExit(f"tandem: {file} is not a backup of Tandem, or it is damaged ({broken})") from None
    if vendor == "sqlite":
        os.replace(new / "database.sqlite3", new / SQLITE_FILE)
        _check_sqlite(new / SQLITE_FILE)
    return manifest


def _extract(archive: zipfile.ZipFile, name: str, expected: str, new: Path) -> None:
    target = new / name
    if not target.resolve().is_relative_to(new.resolve()):
        raise ValueError(f"the name {name!r} leads outside")
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with (
        archive.open(name) as member,
        open(target, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as written,
    ):
        while chunk := member.read(1 << 20):
            digest.update(chunk)
            written.write(chunk)
    if digest.hexdigest() != expected:
        raise ValueError(f"the checksum of {name} is wrong")


def _check_that_schema_is_known(applied: list[str]) -> None:
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations or {}}
    apps = loader.migrated_apps
    unknown = [name for name in applied if name.partition(".")[0] in apps and name not in known]
    if unknown:
        raise SystemExit(
            f"tandem: the backup is of a newer version ({unknown[-1]} is unknown here); install that version"
        )


def _check_sqlite(file: Path) -> None:
    from tandem.config.backup import check_sqlite

    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        check_sqlite(database)
        database.execute("PRAGMA journal_mode=WAL")


def _write_scripts(staging: Path, *, schema: str | None) -> None:
    """Make of the dump what psql is to run. schema: this installation's; a dump has the names of its own."""
    from psycopg.sql import Literal

    from tandem.academy.trigrams import EXTENSION
    from tandem.config.backup import run_postgresql_tool

    dump, (empty, extension, rows) = staging / "new" / DUMP_FILE, (staging / name for name in SCRIPTS)
    listed = run_postgresql_tool(["pg_restore", "--list", str(dump)])
    schemas = re.findall("^[0-9]+; 1259 [0-9]+ TABLE (.+) django_migrations ", listed, re.MULTILINE)
    if schema not in schemas:
        raise SystemExit(
            f"tandem: the backup is of the schema {' or '.join(schemas)}, and this installation's is "
            f"{schema or 'not there'}; see docs/settings.md, DATABASE_URL"
        )
    empty.write_text(_EMPTY.replace("SCHEMA", Literal(schema).as_string()))
    wanted = staging / "extension.list"
    wanted.write_text("\n".join(re.findall(f"^[0-9]+; 3079 [0-9]+ EXTENSION - {EXTENSION} .*$", listed, re.MULTILINE)))
    told = ["--no-owner", "--no-privileges", str(dump)]
    run_postgresql_tool(["pg_restore", f"--use-list={wanted}", f"--file={extension}", *told])
    run_postgresql_tool(["pg_restore", f"--schema={schema}", f"--file={rows}", *told])
    dump.unlink()


# All that a migration may have made in the schema. What belongs to an extension goes with that, so not here.
_EMPTY = """
SET client_min_messages = warning;
SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name)
FROM (
    SELECT 'pg_class'::regclass AS catalog, oid,
        relnamespace AS namespace, relowner AS owner, oid::regclass::text AS name,
        CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
            WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS kind
    FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, pronamespace, proowner, oid::regprocedure::text, 'ROUTINE' FROM pg_proc
    UNION ALL
    SELECT 'pg_type'::regclass, oid, typnamespace, typowner, oid::regtype::text, 'TYPE' FROM pg_type
    WHERE typtype IN ('d', 'e', 'r')
        OR (typtype = 'c' AND (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
) AS found
WHERE namespace = (SELECT oid FROM pg_namespace WHERE nspname = SCHEMA)
    AND pg_has_role(owner, 'USAGE')
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = catalog AND objid = found.oid AND deptype = 'e')
ORDER BY catalog, kind = 'SEQUENCE'
\\gexec
"""


def _flush(staging: Path) -> None:
    from tandem.config.backup import sync_directory

    for directory, _, names in os.walk(staging):
        for name in names:
            fd = os.open(os.path.join(directory, name), os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_directory(Path(directory))


def _commit(staging: Path, replaced: Path) -> None:
    from tandem.config.backup import sync_directory

    draft = staging / "COMMIT.draft"
    with open(draft, "w") as file:
        file.write(str(replaced))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, staging / "COMMIT")
    sync_directory(staging)
    sync_directory(staging.parent)


def _replace_rows(staging: Path) -> None:
    """With PostgreSQL: replace our tables with all their rows, in one transaction. May be repeated."""
    from tandem.config.backup import database_option, run_postgresql_tool

    scripts = [staging / name for name in SCRIPTS]
    if not scripts[-1].exists():
        return
    options = ["--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", database_option()]
    run_postgresql_tool(["psql", *options, *(f"--file={script}" for script in scripts)])
    scripts[-1].unlink()


def _replace_files(data_dir: Path) -> None:
    """Move the old files aside and the new ones in. Each step may have been done already by one who was interrupted."""
    from tandem.config.backup import sync_directory

    staging = data_dir / STAGING
    replaced = Path((staging / "COMMIT").read_text())
    replaced.mkdir(mode=0o700, exist_ok=True)
    if (staging / "new" / SQLITE_FILE).exists():
        for companion in SQLITE_COMPANIONS:
            _move(data_dir / companion, replaced / companion)
    for name in os.listdir(staging / "new"):
        _move(data_dir / name, replaced / name)
        os.replace(staging / "new" / name, data_dir / name)
    sync_directory(replaced)
    sync_directory(data_dir)
    shutil.rmtree(staging)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        os.replace(source, target)


def _summary(manifest: dict[str, Any], replaced: Path) -> str:
    from django.conf import settings

    lines = [f"Restored the backup of {manifest['made_at']} (Tandem {manifest['tandem']})."]
    if any(replaced.iterdir()):
        lines.append(f"What was there before lies in {replaced}; delete it when you do not need it any more.")
    if os.environ.get("TANDEM_SECRET_KEY"):
        kept = (settings.DATA_DIR / "secret_key").read_text()
        if kept != settings.SECRET_KEY:
            lines.append(
                "TANDEM_SECRET_KEY is set to another key than the backup's: logins end, and sealed columns cannot be "
                f"read, unless you unset it (the backup's key is in {settings.DATA_DIR / 'secret_key'})."
            )
    lines.append("Run `tandem migrate`, in case the backup is older than this version, then `tandem serve`.")
    return "\n".join(lines)
