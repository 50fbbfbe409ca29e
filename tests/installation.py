"""An installation of its own, with processes of its own, on whatever database the suite runs on."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from tests.ports import free_port

TANDEM = str(Path(sys.executable).parent / "tandem")
PATIENCE_SECONDS = 120  # for what takes a second on an idle machine
NOT_PREPARED = "tandem: the database is not prepared for this version; run `tandem migrate`\n"


class Installation:
    """A data directory and a database. `serving` runs `tandem serve` in it."""

    def __init__(self, data_dir: Path, *, database: str = "") -> None:
        self.data_dir = data_dir
        self.database = database
        self.settings: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TANDEM_", "CRM_", "PROMETHEUS_", "PYTEST_", "DJANGO_SETTINGS"))
        }
        url = _url(self.database) if self.database else ""
        return {**kept, "TANDEM_DATA_DIR": str(self.data_dir), "DATABASE_URL": url, **self.settings}

    def tandem(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [TANDEM, *command], env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )

    def python(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run lines of Python in the installation, with Django set up."""
        return subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{program}"],
            env={**self.environment, "DJANGO_SETTINGS_MODULE": "tandem.config.settings"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @contextlib.contextmanager
    def serving(self, *, workers: int = 1) -> Iterator[Served]:
        served = Served(self, workers=workers)
        try:
            served.wait_until(served.answers, "the server answers")
            yield served
        finally:
            served.end()

    def rows(self) -> dict[str, str]:
        """A hash of all rows of each table."""
        return {table: _hash(rows) for table, rows in self._tables()}

    def _tables(self) -> Iterator[tuple[str, list[Any]]]:
        if self.database:
            with psycopg.connect(_url(self.database)) as read:
                names = read.execute(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
                ).fetchall()
                for (name,) in names:
                    rows = read.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))).fetchall()
                    yield name, rows
            return
        with contextlib.closing(sqlite3.connect(self.data_dir / "tandem.sqlite3")) as lite:
            names = lite.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1").fetchall()
            for (name,) in names:
                yield name, lite.execute(f'SELECT * FROM "{name}"').fetchall()

    def execute(self, statement: str) -> None:
        """One statement without parameters, committed."""
        if self.database:
            with psycopg.connect(_url(self.database)) as written:
                written.execute(statement)
            return
        with contextlib.closing(sqlite3.connect(self.data_dir / "tandem.sqlite3", timeout=20)) as lite:
            lite.execute(statement)
            lite.commit()


class Served:
    """A running `tandem serve`, its output, and the processes of its tree."""

    def __init__(self, installation: Installation, *, workers: int) -> None:
        self.installation = installation
        self.port = free_port()
        self.log = installation.data_dir / "serve.log"
        with open(self.log, "w") as log:
            self.supervisor = subprocess.Popen(
                [TANDEM, "serve", "--port", str(self.port), "--workers", str(workers)],
                env=installation.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.seen: set[int] = set()

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/livez", timeout=5) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            raise
        except OSError:
            return False

    def is_listening(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def child(self, kind: str) -> int:
        """The supervisor's child of this kind, "web" or "worker"; 0 when there is none now."""
        for pid, parent, command in processes():
            if parent == self.supervisor.pid and f"child {kind} " in f"{command} ":
                return pid
        return 0

    def tree(self) -> set[int]:
        """The processes below the supervisor."""
        found, before = {self.supervisor.pid}, 0
        while len(found) > before:
            before = len(found)
            found |= {pid for pid, parent, _ in processes() if parent in found}
        self.seen |= found
        return found - {self.supervisor.pid}

    def wait_until(self, condition: Callable[[], Any], what: str) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < until, f"waited in vain until {what}; the log says:\n{self.log.read_text()}"
            time.sleep(0.05)

    def end(self) -> None:
        if self.supervisor.poll() is None:
            self.tree()
            self.supervisor.send_signal(signal.SIGTERM)
        try:
            self.supervisor.wait(30)
        except subprocess.TimeoutExpired:
            self.supervisor.kill()
            self.supervisor.wait()
        for pid in alive(self.seen):
            os.kill(pid, signal.SIGKILL)


def processes() -> list[tuple[int, int, str]]:
    """Process id, parent and command line of all that run (zombies do not)."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout
    fields = [line.split(None, 3) for line in listed.splitlines()]
    return [(int(pid), int(parent), "".join(args)) for pid, parent, state, *args in fields if not state.startswith("Z")]


def alive(pids: set[int]) -> set[int]:
    return pids & {pid for pid, _, _ in processes()}


@contextlib.contextmanager
def file_limit_raised() -> Iterator[None]:
    """A crowd has as many connections as it has people."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


@contextlib.contextmanager
def prepared(directory: Path) -> Iterator[Installation]:
    """An installation whose schema is up to date."""
    with copy_of(_original(), directory) as installation:
        yield installation


@cache
def _original() -> Installation:
    """Migrated once for all tests of this process, which copy it; gone when the process ends."""
    kept = contextlib.ExitStack()
    atexit.register(kept.close)
    installation = kept.enter_context(empty(Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="tandem-")))))
    done = installation.tandem("migrate")
    assert done.returncode == 0, done.stderr
    return installation


@contextlib.contextmanager
def empty(directory: Path) -> Iterator[Installation]:
    with _database("") as database:
        yield Installation(directory, database=database)


@contextlib.contextmanager
def copy_of(original: Installation, directory: Path) -> Iterator[Installation]:
    """Another installation with the same data, made in no time."""
    shutil.copytree(original.data_dir, directory, dirs_exist_ok=True)
    with _database(original.database) as database:
        yield Installation(directory, database=database)


@contextlib.contextmanager
def _database(template: str) -> Iterator[str]:
    """The name of a database of its own on the suite's PostgreSQL, "" when the suite runs on SQLite."""
    if connection.vendor == "sqlite":
        yield ""
        return
    name = f"tandem_installation_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(_url("postgres"), autocommit=True) as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template0")
            )
        )
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _url(database: str) -> str:
    known = connection.settings_dict
    login = known["USER"] + (f":{known['PASSWORD']}" if known["PASSWORD"] else "")
    port = f":{known['PORT']}" if known["PORT"] else ""
    return f"postgresql://{login}@{known['HOST']}{port}/{database}"


def _hash(rows: list[Any]) -> str:
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()
