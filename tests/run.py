"""Runs the whole suite on SQLite, and on PostgreSQL wherever one can be had; `make test` calls it.

PostgreSQL is, in this order: the server of TEST_DATABASE_URL; the one on 127.0.0.1:5432; a throw-away cluster made from
installed binaries. When there is none at all, a loud line says that half of the product was not tested; with
--require-postgresql, as .ci/run has it, that is a failure.
"""

from __future__ import annotations

import argparse
import glob
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.figures import KEPT_IN, figures_in  # noqa: E402 - this file is run by its path
from tests.ports import free_port  # noqa: E402

LOCAL = "postgresql://postgres@127.0.0.1:5432/postgres"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", default="2", help="tests that run at the same time; long ones never do")
    parser.add_argument("--require-postgresql", action="store_true")
    parser.add_argument("--soak", action="store_true", help="the long tests instead")
    options, selected = parser.parse_known_args()
    # The figures of the long tests are those of a machine that does nothing else.
    arguments = ["-m", "soak", "-n", "1", *selected] if options.soak else ["-n", options.jobs, *selected]

    results = {"SQLite": tested("SQLite", arguments, database_url="")}
    with postgresql() as (url, origin):
        if url:
            again = ["-p", "tests.second_database", *arguments]
            results["PostgreSQL"] = tested(f"PostgreSQL ({origin})", again, database_url=url)
        else:
            results["PostgreSQL"] = f"NOT TESTED: {origin}"
    print()
    for database, result in results.items():
        print(f"{database:>10}: {result}")
    passed = {name: result.startswith("passed") for name, result in results.items()}
    if not passed["PostgreSQL"] and results["PostgreSQL"].startswith("NOT TESTED"):
        print("\n!!! Tandem was NOT tested on PostgreSQL. Install it (Debian: apt install postgresql), or set", end=" ")
        print("TEST_DATABASE_URL=postgresql://user:password@host/any_database to a server that may create databases.")
        return 1 if options.require_postgresql or not passed["SQLite"] else 0
    return 0 if all(passed.values()) else 1


def tested(name: str, arguments: list[str], *, database_url: str) -> str:
    """Run pytest on one database; the answer begins with "passed" or "FAILED"."""
    print(f"\n=== {name} ===", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tandem-test-") as data_dir:
        # Nothing of the developer's own settings or data: the suite must say the same on every machine.
        # And with bytecode, whatever the machine prefers: hundreds of processes start, each a second faster with it.
        left_out = ("TANDEM_", "CRM_", "PYTHONDONTWRITEBYTECODE")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        kept_in = Path(data_dir) / "figures"
        environment = kept | {"TANDEM_DATA_DIR": data_dir, "DATABASE_URL": database_url, KEPT_IN: str(kept_in)}
        done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment, check=False)
        for line in figures_in(kept_in):
            print(f"  {line}", flush=True)
    seconds = f"{time.monotonic() - began:.0f} s"
    return (
        f"passed in {seconds}"
        if done.returncode == 0
        else f"FAILED (pytest's exit code {done.returncode}) in {seconds}"
    )


@contextmanager
def postgresql() -> Iterator[tuple[str, str]]:
    """A URL to test with, and where it comes from; or "" and why there is none."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        if trouble := unusable(given):
            raise SystemExit(f"TEST_DATABASE_URL cannot be used: {trouble}")
        yield tandems_own(given), "TEST_DATABASE_URL"
        return
    if not unusable(LOCAL):
        yield tandems_own(LOCAL), "127.0.0.1:5432"
        return
    binaries = installed_binaries()
    if binaries is None:
        yield "", "there is no server on 127.0.0.1:5432, and PostgreSQL is not installed"
        return
    with throwaway_cluster(binaries) as (url, _):
        yield url, f"a throw-away cluster from {binaries}"


def unusable(url: str) -> str:
    """Why tests cannot use this server; "" when they can."""
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute(
                "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            return "" if row and row[0] else "its user may not create databases"
    except psycopg.Error as refused:
        return " ".join(str(refused).split())


def tandems_own(url: str) -> str:
    """The same server, a database name of our own: Django puts `test_` before it and makes that one."""
    head, _, options = url.partition("?")
    scheme, _, rest = head.partition("://")
    server = rest.partition("/")[0]
    return f"{scheme}://{server}/tandem_{os.getpid()}" + (f"?{options}" if options else "")


def installed_binaries() -> Path | None:
    """The directory with initdb and pg_ctl, of the newest version. Debian keeps it out of the PATH."""
    for initdb in [*sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True), shutil.which("initdb")]:
        if initdb and (Path(initdb).resolve().parent / "pg_ctl").exists():
            return Path(initdb).resolve().parent
    return None


@contextmanager
def throwaway_cluster(binaries: Path) -> Iterator[tuple[str, Path]]:
    """A server of its own on a free port, gone afterwards: its URL, and the directory that holds `data` and `log`.

    PostgreSQL refuses to run as root, so root becomes `postgres`.
    """
    as_whom = "postgres" if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="tandem-postgresql-"))
    try:
        if as_whom:
            owner = pwd.getpwnam(as_whom)
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        port = free_port()

        def run(*command: str) -> None:
            subprocess.run(command, user=as_whom, cwd=directory, check=True, stdout=subprocess.DEVNULL)

        data = str(directory / "data")
        run(str(binaries / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        # Durability is what a cluster that lives for minutes needs least.
        server = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory} -c fsync=off"
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-o", server, "-l", str(directory / "log"), "start")
        try:
            yield f"postgresql://postgres@127.0.0.1:{port}/tandem", directory
        finally:
            run(str(binaries / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
