"""`tandem backup` and `tandem restore`, with real processes: nothing is lost, and it is all or nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from tandem.common.postgresql.base import DatabaseWrapper as PostgreSQL
from tandem.config import backup as backups
from tandem.config import env, restore
from tandem.config.backup import write
from tandem.config.restore import STAGING
from tests.installation import Installation, copy_of, empty, prepared

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("original")) as installation:
        created = installation.tandem(
            "createadmin", "--username", "asha", "--phone", "+919000000001", "--name", "Asha",
            "--password", "Correct-Horse-7",
        )  # fmt: skip
        assert created.returncode == 0, created.stderr
        upload = installation.data_dir / "files" / "visit" / "1" / "picture.webp"
        upload.parent.mkdir(parents=True)
        upload.write_bytes(os.urandom(3_000_000))
        yield installation


@pytest.fixture
def installation(original: Installation, tmp_path: Path) -> Iterator[Installation]:
    with copy_of(original, tmp_path / "source") as made:
        yield made


@pytest.fixture(scope="module")
def backup(original: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("backup") / "backup.zip"
    done = original.tandem("backup", str(file))
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Installation]:
    with empty(tmp_path / "elsewhere") as made:
        yield made


def contents(installation: Installation) -> dict[str, object]:
    uploads = installation.data_dir / "files"
    return {
        "rows": installation.rows(),
        "secret": (installation.data_dir / "secret_key").read_text(),
        "files": {str(file.relative_to(uploads)): file.read_bytes() for file in uploads.rglob("*") if file.is_file()},
    }


def test_what_was_backed_up_comes_back_elsewhere(
    installation: Installation, backup: Path, elsewhere: Installation
) -> None:
    done = elsewhere.tandem("restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert contents(elsewhere) == contents(installation)
    assert elsewhere.tandem("migrate").stdout == "The database is up to date.\n"
    assert not (elsewhere.data_dir / STAGING).exists()


def test_a_backup_is_for_its_owner_alone(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_backup_tells_what_it_holds(backup: Path) -> None:
    with zipfile.ZipFile(backup) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert sorted(archive.namelist()) == sorted(["manifest.json", *manifest["sha256"]])
    assert manifest["database"] == connection.vendor
    assert "sms.0001_initial" in manifest["migrations"]


WRITERS = """
import os, sys
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "tandem.config.settings"
django.setup()
from django.db import transaction
from django.utils import timezone
from tandem.sms.models import Message
now, pair = timezone.now(), 0
print("ready", flush=True)
while True:
    with transaction.atomic():  # both or neither
        for half in "ab":
            Message.objects.create(to=half, sealed_text=b"x" * 2000, purpose=f"{sys.argv[1]}-{pair}",
                                   created_at=now, next_attempt_at=now, status="sent")
    pair += 1
"""


def test_a_backup_during_writes_is_one_instant(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITERS, str(number)],
            env=installation.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        done = installation.tandem("backup", str(tmp_path / "during.zip"))
        assert done.returncode == 0, done.stderr
        assert [writer.poll() for writer in writers] == [None, None], "the backup disturbed a writer"
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert elsewhere.tandem("restore", str(tmp_path / "during.zip")).returncode == 0
    pairs: dict[str, int] = {}
    for table, rows in elsewhere._tables():
        if table == "sms_message":
            for row in rows:
                (purpose,) = [name for name in _words(row) if name[:2] in ("0-", "1-")]
                pairs[purpose] = pairs.get(purpose, 0) + 1
    assert set(pairs.values()) == {2}, "half a transaction was backed up"
    for number in "01":
        mine = sorted(int(name[2:]) for name in pairs if name.startswith(number))
        assert mine == list(range(len(mine))), "a transaction is missing before a later one"


# Before the uploads are listed, and when they are listed and their turn has come.
@pytest.mark.parametrize("moment", ["database", "files/"])
def test_an_upload_that_is_removed_during_a_backup_is_in_it(
    installation: Installation, tmp_path: Path, moment: str
) -> None:
    upload = installation.data_dir / "files" / "visit" / "1" / "picture.webp"
    content = upload.read_bytes()
    done = during_backup(installation, tmp_path / "backup.zip", moment, 'remove("visit/1/picture.webp")')
    assert (done.returncode, done.stderr) == (0, "")
    with zipfile.ZipFile(tmp_path / "backup.zip") as archive:
        assert archive.read("files/visit/1/picture.webp") == content
    assert [file for file in upload.parents[2].rglob("*") if file.is_file()] == []


def test_a_file_that_is_gone_when_its_turn_comes_fails_no_backup(installation: Installation, tmp_path: Path) -> None:
    done = during_backup(installation, tmp_path / "backup.zip", "files/", "file.unlink()")
    assert (done.returncode, done.stderr) == (0, "")
    assert "the database, 0 uploads" in done.stdout


def test_what_a_killed_backup_kept_back_is_in_no_later_one(installation: Installation, tmp_path: Path) -> None:
    killed = during_backup(installation, tmp_path / "backup.zip", "files/", """
    remove("visit/1/picture.webp")
    os.kill(os.getpid(), 9)""")  # fmt: skip
    assert killed.returncode == -9
    assert installation.python("""
from tandem.files.storage import opened
assert opened("visit/1/picture.webp") is None""").stderr == ""  # fmt: skip
    done = installation.tandem("backup", str(tmp_path / "backup.zip"))
    assert "the database, 0 uploads" in done.stdout
    assert [file for file in (installation.data_dir / "files").rglob("*") if file.is_file()] == []


def test_backups_are_made_one_at_a_time(installation: Installation, tmp_path: Path) -> None:
    another = f'fcntl.flock(open("{installation.data_dir}/backup.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)'
    refused = during_backup(installation, tmp_path / "backup.zip", "database", another)
    assert "Resource temporarily unavailable" in refused.stderr


def during_backup(installation: Installation, target: Path, moment: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run `tandem backup`, and do this when the member is to be added whose name begins with `moment`."""
    return installation.python(f"""
import fcntl, os
from tandem.config import backup, cli
from tandem.files.storage import remove
add = backup._add
def added(archive, name, file):
  if name.startswith({moment!r}) and file.exists():
    {what}
  return add(archive, name, file)
backup._add = added
cli.main(["backup", {str(target)!r}])
""")


def _words(row: tuple) -> list[str]:
    return str(row[0]).strip("()").split(",") if len(row) == 1 else [value for value in row if isinstance(value, str)]


def test_data_that_is_there_is_not_replaced_unasked(backup: Path, installation: Installation) -> None:
    before = contents(installation)
    refused = installation.tandem("restore", str(backup))
    assert refused.returncode == 1
    assert refused.stderr == "tandem: there is data already; say --force to replace it (make a backup first)\n"
    assert contents(installation) == before


def test_with_force_it_is_replaced_and_the_old_files_are_kept(backup: Path, installation: Installation) -> None:
    before = contents(installation)
    installation.execute("UPDATE accounts_user SET name = 'somebody else'")
    (installation.data_dir / "files" / "later.webp").write_bytes(b"later")
    done = installation.tandem("restore", str(backup), "--force")
    assert done.returncode == 0, done.stderr
    assert contents(installation) == before
    (kept,) = installation.data_dir.glob("replaced-*")
    assert (kept / "files" / "later.webp").read_bytes() == b"later"


on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is a file, and has no schemas")


@on_postgresql
def test_the_tools_use_the_database_that_tandem_uses(
    installation: Installation, original: Installation, tmp_path: Path
) -> None:
    with copy_of(original, tmp_path / "other") as other:
        other.execute("UPDATE accounts_user SET name = 'somebody else'")
        others, before = contents(other), contents(installation)
        url = f"{other.environment['DATABASE_URL']}?dbname={installation.database}"
        installation.settings = {"DATABASE_URL": url}
        made = installation.tandem("backup", str(tmp_path / "backup.zip"))
        assert made.returncode == 0, made.stderr
        installation.execute("DELETE FROM events_event")
        done = installation.tandem("restore", str(tmp_path / "backup.zip"), "--force")
        assert done.returncode == 0, done.stderr
        assert contents(installation) == before
        assert contents(other) == others


@on_postgresql
def test_a_restore_needs_no_more_rights_than_a_migration(backup: Path, original: Installation, tmp_path: Path) -> None:
    role = f"tandem_owner_{uuid.uuid4().hex[:8]}"
    original.execute(f"CREATE ROLE {role} LOGIN")
    try:
        with empty(tmp_path / "owned") as owned:
            owned.execute(f"ALTER DATABASE {owned.database} OWNER TO {role}")
            owned.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
            owned.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
            url = urlsplit(owned.environment["DATABASE_URL"])
            owned.settings = {
                "DATABASE_URL": urlunsplit(url._replace(netloc=f"{role}@{url.netloc.rpartition('@')[2]}"))
            }
            for command in (["migrate"], ["restore", str(backup)], ["restore", str(backup), "--force"]):
                done = owned.tandem(*command)
                assert done.returncode == 0, done.stderr
            assert contents(owned) == contents(original)
            assert owned.tandem("migrate").stdout == "The database is up to date.\n"
    finally:
        original.execute(f"DROP ROLE {role}")


@on_postgresql
def test_a_database_without_the_extension_is_backed_up_and_restored_without_it(
    installation: Installation, tmp_path: Path
) -> None:
    installation.execute("DROP EXTENSION pg_trgm CASCADE")  # as where Tandem's role may not create it
    before = contents(installation)
    for command in (["backup", str(tmp_path / "one.backup")], ["restore", str(tmp_path / "one.backup"), "--force"]):
        done = installation.tandem(*command)
        assert done.returncode == 0, done.stderr
    assert contents(installation) == before


@on_postgresql
def test_what_is_ours_in_a_schema_is_replaced_and_nothing_else(elsewhere: Installation, tmp_path: Path) -> None:
    backup = str(tmp_path / "backup.zip")
    elsewhere.execute('CREATE SCHEMA "Our own"')
    elsewhere.execute("CREATE SCHEMA theirs")
    elsewhere.execute("CREATE TABLE theirs.django_migrations AS SELECT 'theirs' AS app")
    url = elsewhere.environment["DATABASE_URL"]
    elsewhere.settings = {"DATABASE_URL": f"{url}?options=-csearch_path%3D%22Our%5C%20own%22,public"}
    for command in ("migrate", "demo"):
        done = elsewhere.tandem(command)
        assert done.returncode == 0, done.stderr
    assert elsewhere.tandem("backup", backup).returncode == 0
    elsewhere.execute("""
        UPDATE "Our own".accounts_user SET name = 'somebody else';
        CREATE TYPE "Our own".mood AS ENUM ('good');
        CREATE FUNCTION "Our own".mood() RETURNS "Our own".mood LANGUAGE sql AS 'SELECT ''good''::"Our own".mood';
        CREATE VIEW "Our own".moods AS SELECT "Our own".mood();
        CREATE SEQUENCE "Our own".numbers;
        UPDATE theirs.django_migrations SET app = 'changed since';
    """)
    done = elsewhere.tandem("restore", backup, "--force")
    assert done.returncode == 0, done.stderr
    found = elsewhere.python("""
from django.db import connection
from tandem.accounts.models import User
print(User.objects.filter(name="somebody else").count())
with connection.cursor() as cursor:
    cursor.execute("SELECT app FROM theirs.django_migrations")
    print(*cursor.fetchone())
    cursor.execute("SELECT to_regtype('mood'), to_regproc('mood'), to_regclass('moods'), to_regclass('numbers')")
    print(*cursor.fetchone())
""")
    assert (found.stdout, found.stderr) == ("0\nchanged since\nNone None None None\n", "")
    assert elsewhere.tandem("migrate").stdout == "The database is up to date.\n"


@on_postgresql
def test_a_backup_of_another_schema_is_refused(backup: Path, installation: Installation) -> None:
    before = contents(installation)
    installation.execute("CREATE SCHEMA ours")
    url = f"{installation.environment['DATABASE_URL']}?options=-csearch_path%3Dours"
    installation.settings = {"DATABASE_URL": url}
    refused = installation.tandem("restore", str(backup))
    assert (refused.returncode, refused.stderr) == (
        1,
        "tandem: the backup is of the schema public, and this installation's is ours; "
        "see docs/settings.md, DATABASE_URL\n",
    )
    assert contents(installation) == before
    assert not (installation.data_dir / STAGING).exists()


def test_the_tools_are_told_all_that_the_url_says_and_no_secret_openly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "DECLARED", {})
    monkeypatch.setenv(
        "DATABASE_URL",
        "postgresql://asha:hunter2@db/tandem?port=6432&options=-csearch_path%3Dours&service=x&sslpassword=hunter3",
    )
    configured = {**connection.settings_dict, **(env.database_url("DATABASE_URL") or {})}
    monkeypatch.setattr(backups, "connection", PostgreSQL(configured))
    ran: list[tuple[list[str], str]] = []

    def run(command: list[str], *, env: dict[str, str], **_: object) -> SimpleNamespace:
        ran.append((command, env["PGPASSWORD"]))
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(backups.shutil, "which", lambda name: name)
    monkeypatch.setattr(backups.subprocess, "run", run)
    backups.run_postgresql_tool(["psql", backups.database_option()])
    (((_, option), password),) = ran
    assert (option.startswith("--dbname="), password) == (True, "hunter2")
    assert conninfo_to_dict(option.removeprefix("--dbname=")) == {
        "user": "asha",
        "host": "db",
        "port": "6432",
        "dbname": "tandem",
        "options": "-csearch_path=ours",
        "service": "x",
        "client_encoding": "UTF8",
    }


def damaged(backup: Path, tmp_path: Path) -> Path:
    """One byte of the upload is another."""
    changed = tmp_path / "damaged.zip"
    with zipfile.ZipFile(backup) as whole, zipfile.ZipFile(changed, "w") as spoiled:
        for name in whole.namelist():
            content = whole.read(name)
            spoiled.writestr(name, content[:-1] + bytes([content[-1] ^ 1]) if name.startswith("files/") else content)
    return changed


def of_another_database(backup: Path, tmp_path: Path) -> Path:
    return with_manifest(backup, tmp_path, database="oracle")


def of_a_newer_version(backup: Path, tmp_path: Path) -> Path:
    return with_manifest(backup, tmp_path, migrations=["sms.0001_initial", "sms.9999_later"])


def no_archive(backup: Path, tmp_path: Path) -> Path:
    (tmp_path / "text.zip").write_text("hello")
    return tmp_path / "text.zip"


def cut_off(backup: Path, tmp_path: Path) -> Path:
    (tmp_path / "half.zip").write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])
    return tmp_path / "half.zip"


def leading_outside(backup: Path, tmp_path: Path) -> Path:
    return with_manifest(backup, tmp_path, sha256={"../outside": "0" * 64})


def missing(backup: Path, tmp_path: Path) -> Path:
    return tmp_path / "nowhere.zip"


def a_directory(backup: Path, tmp_path: Path) -> Path:
    return tmp_path


def with_manifest(backup: Path, tmp_path: Path, **changes: object) -> Path:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(backup) as whole, zipfile.ZipFile(changed, "w") as other:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "manifest.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
            other.writestr(name, content)
        other.writestr("../outside", b"x")
    return changed


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damaged, "the checksum of files/visit/1/picture.webp is wrong"),
        (of_another_database, "is of a oracle database"),
        (of_a_newer_version, "is of a newer version (sms.9999_later is unknown here)"),
        (no_archive, "is not a backup of Tandem, or it is damaged"),
        (cut_off, "is not a backup of Tandem, or it is damaged"),
        (leading_outside, "leads outside"),
        (missing, "there is no file"),
        (a_directory, "is a directory; name the backup's file"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_good_backup_is_refused_in_one_line(
    backup: Path, tmp_path: Path, spoil: Callable[[Path, Path], Path], said: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        restore._unpack(spoil(backup, tmp_path), tmp_path / "staging" / "new", vendor=connection.vendor)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "staging" / "outside").exists()


def test_a_damaged_backup_changes_nothing(backup: Path, installation: Installation, tmp_path: Path) -> None:
    before = contents(installation)
    refused = installation.tandem("restore", str(damaged(backup, tmp_path)), "--force")
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)
    assert contents(installation) == before
    assert not (installation.data_dir / STAGING).exists()


def without_room(installation: Installation, *command: str, largest: int) -> subprocess.CompletedProcess[str]:
    """Run a command for which no file can grow beyond so many bytes, as on a full disk."""
    script = f"""
import resource, sys
from tandem.config import cli
sys.dont_write_bytecode = True  # Python takes half a file for a whole one, and so would all who come later
resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest}))
cli.main({list(command)!r})
"""
    return subprocess.run(
        [sys.executable, "-c", script], env=installation.environment, capture_output=True, text=True, check=False
    )


def test_a_restore_on_a_full_disk_changes_nothing(backup: Path, installation: Installation) -> None:
    before = contents(installation)
    refused = without_room(installation, "restore", str(backup), "--force", largest=1_000_000)
    assert refused.stderr == "tandem: the backup could not be restored, and nothing was changed: File too large\n"
    assert contents(installation) == before
    assert not (installation.data_dir / STAGING).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of PostgreSQL it is the server's disk")
def test_a_demo_company_for_which_there_is_no_room_is_one_line(tmp_path: Path) -> None:
    with prepared(tmp_path) as installation:
        refused = without_room(installation, "demo", largest=33_000)  # room for the index of SQLite's log
    assert (refused.returncode, refused.stderr) == (1, "tandem: the database cannot be used: disk I/O error\n")


@pytest.mark.parametrize("step", ["_replace_rows", "_replace_files"])
def test_a_restore_that_is_killed_is_finished_by_the_next_command(
    backup: Path, installation: Installation, step: str
) -> None:
    before = contents(installation)
    installation.execute("UPDATE accounts_user SET name = 'somebody else'")
    script = f"""
import os
from tandem.config import cli, restore
restore.{step} = lambda directory: os.kill(os.getpid(), 9)
cli.main(["restore", {str(backup)!r}, "--force"])
"""
    killed = subprocess.run([sys.executable, "-c", script], env=installation.environment, check=False)
    assert killed.returncode == -9
    assert installation.tandem("migrate").stdout == "The database is up to date.\n"
    assert contents(installation) == before
    assert not (installation.data_dir / STAGING).exists()


# The old data: a database with two files beside it, uploads, a key. Nine renames bring the new ones in.
@pytest.mark.parametrize("step", range(9))
def test_replacing_files_can_be_interrupted_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    new, replaced = tmp_path / STAGING / "new", tmp_path / "replaced-x"
    for directory, text in ((tmp_path, "old"), (new, "new")):
        (directory / "files").mkdir(parents=True)
        for name in ("files/upload", "secret_key", "tandem.sqlite3"):
            (directory / name).write_text(text)
    for companion in restore.SQLITE_COMPANIONS:
        (tmp_path / companion).write_text("old")
    restore._commit(tmp_path / STAGING, replaced)
    rename, left = os.replace, [step]

    def killed(source: Path, target: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(restore.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            restore._replace_files(tmp_path)
    assert restore.finish_interrupted(tmp_path)
    for name in ("files/upload", "secret_key", "tandem.sqlite3"):
        assert ((tmp_path / name).read_text(), (replaced / name).read_text()) == ("new", "old")
    for companion in restore.SQLITE_COMPANIONS:
        assert ((tmp_path / companion).exists(), (replaced / companion).read_text()) == (False, "old")
    assert not (tmp_path / STAGING).exists()
    assert not restore.finish_interrupted(tmp_path)


def test_what_is_no_file_is_not_replaced_by_a_backup(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SystemExit) as refused:
        write(tmp_path / "pipe")
    assert str(refused.value) == f"tandem: {tmp_path / 'pipe'} is there already and is no file; name the file to write"
    assert (tmp_path / "pipe").is_fifo()


def test_a_backup_that_cannot_be_written_says_so(installation: Installation, tmp_path: Path) -> None:
    refused = installation.tandem("backup", str(tmp_path / "nowhere" / "backup.zip"))
    assert refused.returncode == 1
    assert refused.stderr == f"tandem: there is no directory {tmp_path / 'nowhere'}\n"
