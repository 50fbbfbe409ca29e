"""A database of the benchmark's own, filled with the company, and gone afterwards."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "var" / "bench"


@dataclass(frozen=True)
class Stage:
    """Where a run happens. environment: what every contestant's process gets."""

    name: str
    environment: dict[str, str]
    bearer: str


@contextmanager
def sqlite_stage() -> Iterator[Stage]:
    company = _company_file()
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="run-") as directory:
        shutil.copy(company, Path(directory) / "tandem.sqlite3")
        yield _stage("SQLite", {"TANDEM_DATA_DIR": directory, "DATABASE_URL": ""})


@contextmanager
def postgresql_stage(server: str) -> Iterator[Stage]:
    """server: URL of any database on a server of this machine, whose user may create databases."""
    with _postgresql(server, "bench", "copy", str(_company_file())) as environment:
        yield _stage("PostgreSQL", environment)


@contextmanager
def grown_stage(server: str, count: int) -> Iterator[Stage]:
    """A company that only sells, of so many leads. server: as for `postgresql_stage`."""
    with _postgresql(server, f"bench_{count}", "grow", str(count)) as environment:
        yield _stage(f"{count:,} leads", environment)


@contextmanager
def _postgresql(server: str, name: str, *filling: str) -> Iterator[dict[str, str]]:
    """A database that a command of bench.company filled: what processes need to know of it. Dropped afterwards."""
    import psycopg

    database = f"tandem_{name}_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin, tempfile.TemporaryDirectory(prefix="bench-") as directory:
        admin.execute(f'CREATE DATABASE "{database}"')
        try:
            url = urlsplit(server)._replace(path=f"/{database}").geturl()
            environment = {"TANDEM_DATA_DIR": directory, "DATABASE_URL": url}
            _run(*filling, environment=environment)
            yield environment
        finally:
            admin.execute(f'DROP DATABASE "{database}" WITH (FORCE)')


def reachable(server: str) -> str:
    """Why this PostgreSQL server cannot be used for the benchmark; "" when it can."""
    import psycopg

    if urlsplit(server).hostname not in ("127.0.0.1", "::1", "localhost"):
        return "only servers of this machine are measured"
    try:
        psycopg.connect(server, connect_timeout=3).close()
    except psycopg.OperationalError as away:
        return " ".join(str(away).split())
    return ""


def _stage(name: str, environment: dict[str, str]) -> Stage:
    return Stage(name, environment, bearer=_run("credential", environment=environment).strip())


def _company_file() -> Path:
    """The company as a SQLite file, made at the first run and whenever tables or data have changed."""
    sources = sorted(
        [*map(Path(__file__).with_name, ("company.py", "leads.py")), *(ROOT / "tandem").glob("*/migrations/*.py")]
    )
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    company = KEPT / f"company-{digest}.sqlite3"
    if not company.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for outdated in KEPT.glob("company-*.sqlite3"):
            outdated.unlink()
        with tempfile.TemporaryDirectory(dir=KEPT, prefix="build-") as directory:
            print("making the company …", file=sys.stderr, flush=True)
            _run("build", environment={"TANDEM_DATA_DIR": directory, "DATABASE_URL": ""})
            os.replace(Path(directory) / "tandem.sqlite3", company)
    return company


def _run(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.company", *command],
        cwd=ROOT,
        env={**os.environ, **environment, **COMMON},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


# The limit and the signed tokens need no more of a secret than this; nothing here leaves the machine.
COMMON = {"TANDEM_SECRET_KEY": "a secret for the benchmark alone, on loopback addresses"}
