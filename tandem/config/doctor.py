"""`tandem doctor`: looks at everything that an installation needs and says what is wrong, and what helps.

Each check answers with what it found. A *problem* makes the exit code 1; a *warning* is worth knowing. What needs
something that has a problem is not checked: one cause is one problem.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http.request import validate_host

LEAST_FREE_BYTES = 500_000_000
LATE = timedelta(minutes=5)


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "PROBLEM"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """found: what is so. cure: what to do about it, empty when nothing is wrong."""

    verdict: Verdict
    found: str
    cure: str = ""


def main() -> int:
    """Check everything and print it; the answer is the exit code."""
    import django

    django.setup()
    problems, failed = 0, set()
    for name, check in CHECKS.items():
        if missing := [one for one in _needs(name) if one in failed]:
            finding = Finding(Verdict.SKIPPED, f"not checked, see {missing[0]} above")
        else:
            finding = _made(check)
        if finding.verdict in (Verdict.PROBLEM, Verdict.SKIPPED):
            failed.add(name)
        print(f"{finding.verdict:>8}  {name}: {finding.found}")
        if finding.cure:
            print(f"{'':>8}  → {finding.cure}")
        problems += finding.verdict == Verdict.PROBLEM
    print({0: "Everything that matters is in order.", 1: "1 problem."}.get(problems, f"{problems} problems."))
    return 1 if problems else 0


def _made(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as failed:  # a check that cannot be made is a finding, and the others are still of use
        reason = f"could not be checked: {type(failed).__name__}: {' '.join(str(failed).split())}"
        return problem(reason, "does the database run, and is DATABASE_URL right? Else: mend what is told above")


def _needs(name: str) -> tuple[str, ...]:
    if name == "secret key" and os.environ.get("TANDEM_SECRET_KEY"):
        return ()
    if name == "database" and settings.DATABASES["default"]["ENGINE"] != "tandem.common.sqlite":
        return ()
    return NEEDS.get(name, ())


def ok(found: str) -> Finding:
    return Finding(Verdict.OK, found)


def warning(found: str, cure: str) -> Finding:
    return Finding(Verdict.WARNING, found, cure)


def problem(found: str, cure: str = "") -> Finding:
    return Finding(Verdict.PROBLEM, found, cure)


def versions() -> Finding:
    import django

    found = f"Python {sys.version.split()[0]}, Django {django.__version__}, SQLite {sqlite3.sqlite_version}"
    if sqlite3.sqlite_version_info < (3, 38):
        return problem(found, "SQLite 3.38 or newer is needed (JSON functions); use a newer Python build or PostgreSQL")
    return ok(found)


def data_directory() -> Finding:
    directory: Path = settings.DATA_DIR
    if directory.exists() and not directory.is_dir():
        return problem(f"{directory} is no directory", "set TANDEM_DATA_DIR to one")
    if not directory.is_dir():
        return problem(f"{directory} does not exist", "run `tandem migrate`, or set TANDEM_DATA_DIR")
    if not os.access(directory, os.W_OK | os.X_OK):
        return problem(f"{directory} is not writable for this user", f"chown -R $(id -un) {directory}")
    return ok(f"{directory} is writable")


def disk_space() -> Finding:
    free = shutil.disk_usage(settings.DATA_DIR).free
    found = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return problem(found, f"free some space: below {LEAST_FREE_BYTES / 1e9:.1f} GB writes may begin to fail")
    return ok(found)


def secret_key() -> Finding:
    from tandem.config.safety import weakness
    from tandem.config.secret_key import file, is_there

    if not is_there():
        return problem(
            f"there is none in {file()}",
            "run `tandem migrate` in a new installation; else bring it back from a backup (its member secret_key)",
        )
    if weak := weakness(settings.SECRET_KEY):
        return problem(f"it {weak}", "leave TANDEM_SECRET_KEY empty, and a good one is made and kept")
    kept = settings.DATA_DIR / "secret_key"
    if os.environ.get("TANDEM_SECRET_KEY"):
        return ok("from TANDEM_SECRET_KEY")
    mode = kept.stat().st_mode & 0o777
    if mode & 0o077:
        return problem(f"{kept} can be read by others (mode {mode:o})", f"chmod 600 {kept}")
    return ok(f"kept in {kept}, readable by its owner alone")


def database_reachable() -> Finding:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA journal_mode")
            if cursor.fetchone()[0] != "wal":
                return problem(
                    "SQLite, but not in WAL mode: readers and writers stop each other", "run `tandem migrate`"
                )
            return ok(f"SQLite in {settings.DATABASES['default']['NAME']}, WAL mode")
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
        if connection.pg_version < 140000:  # type: ignore[attr-defined]
            return problem(f"PostgreSQL {version}", "PostgreSQL 14 or newer is needed")
        return ok(f"PostgreSQL {version}")


def known_key() -> Finding:
    from tandem.config.secret_key import is_known, trouble

    if found := trouble():
        found, _, cure = found.partition("; ")
        return problem(found, cure)
    return (
        ok("the one that the database was used with")
        if is_known()
        else warning("the database knows none yet", "run `tandem migrate`")
    )


def database_writable() -> Finding:
    from tandem.config.health import check_writable

    check_writable()
    return ok("a row can be written")


def migrations() -> Finding:
    from tandem.config.database import schema_state

    trouble = schema_state().trouble
    return problem(trouble, trouble.partition("; ")[2]) if trouble else ok("all applied")


def searches() -> Finding:
    from django.db import connection

    from tandem.academy.trigrams import EXTENSION, are_names_indexed

    if connection.vendor != "postgresql":
        return ok("within names, without an index; SQLite has none for that")
    if are_names_indexed(connection):
        return ok("within names, through an index")
    return warning(
        "searches for names read whole tables",
        f"let somebody who may run `CREATE EXTENSION {EXTENSION}` in this database, then run `tandem migrate`",
    )


def worker_alive() -> Finding:
    from tandem.common import moments
    from tandem.common.models import PeriodicJob
    from tandem.config import instance, jobs

    beat = PeriodicJob.objects.filter(name=jobs.HEARTBEAT).values_list("last_finished_at", flat=True).first()
    ago = moments.now() - beat if beat else None
    if ago is not None and ago < 4 * jobs.HEARTBEAT_EVERY:
        return ok(f"last seen {ago.total_seconds():.0f} s ago")
    seen = f"last seen {moments.iso(beat)}" if beat else "never seen"
    if not instance.is_running(settings.DATA_DIR):
        return warning(f"{seen}; Tandem does not run now", "start it: `tandem serve`")
    return problem(f"{seen}, though Tandem runs", "start `tandem worker`, or `tandem serve` without --no-worker")


def failing_jobs() -> Finding:
    from tandem.common.models import PeriodicJob

    failing = PeriodicJob.objects.exclude(last_error="").values_list("name", "last_error")
    told = "; ".join(f"{name}: {error}" for name, error in failing)
    return problem(told, "see the log for the whole error") if told else ok("none failed lately")


def messages_waiting() -> Finding:
    from tandem.common import moments, queue
    from tandem.sms.models import Message

    now = moments.now()
    oldest = queue.oldest_due(Message.objects.all(), now=now)
    if oldest is None:
        return ok("none is due")
    late = now - oldest
    found = f"the oldest has been due for {late.total_seconds():.0f} s"
    if late > LATE:
        return problem(
            found, "is the worker alive (see above), and does the gateway answer (see the log: sms postponed)?"
        )
    return ok(found)


def webhooks_waiting() -> Finding:
    from tandem.common import moments
    from tandem.webhooks import queries

    now = moments.now()
    off = queries.switched_off()
    oldest = queries.oldest_due(now=now)
    if oldest is not None and now - oldest > LATE:
        found = f"the oldest has been due for {(now - oldest).total_seconds():.0f} s, though its receiver answers"
        return problem(found, "is the worker alive (see above)?")
    if off:
        cure = "see why in /api/webhooks/ (disabled_reason), and set is_active to true when the receiver is well again"
        return warning(f"Tandem switched off: {', '.join(off)}", cure)
    return ok("none is late")


def broker() -> Finding:
    if not settings.BROKER_URL:
        return ok("none is set; workers look twice a second")
    from tandem.config.broker import silence

    if why := silence(settings.BROKER_URL):
        return warning(
            f"does not answer ({why}); workers look twice a second all the same",
            "does it run, may this machine reach it, and is TANDEM_BROKER_URL right, its password included?",
        )
    return ok("answers")


def replica() -> Finding:
    from django.db import DatabaseError, connections

    if "replica" not in connections:
        return ok("none is set; reports and exports read the database itself")
    try:
        with connections["replica"].cursor() as cursor:
            cursor.execute("SELECT 1 FROM django_migrations")
    except DatabaseError as away:
        return problem(
            f"cannot be read, so reports and exports are refused: {' '.join(str(away).split())}",
            "does it run, may this machine reach it, and is DATABASE_REPLICA_URL right? Else: set it to nothing",
        )
    return ok("can be read")


def uploads() -> Finding:
    """In a bucket: store a file, read it, delete it, for an account may have one of these rights and not the others."""
    from tandem.files.checked import CheckedFile
    from tandem.files.storage import keep, opened, remove

    if not settings.S3_BUCKET:
        directory = settings.DATA_DIR / "files"
        # Nothing is stored to find out: what another user than the service's makes there would be in its way.
        if directory.exists() and not os.access(directory, os.W_OK | os.X_OK):
            return problem(f"{directory} is not writable for this user", f"chown -R $(id -un) {directory}")
        return ok(f"kept in {directory}")
    try:
        key = keep(CheckedFile(b"doctor", "txt"), entity="doctor", pk=0)
        try:
            if (file := opened(key)) is not None:
                file.close()
        finally:
            remove(key)
    except Exception as failed:  # each store has errors of its own
        return problem(
            f"no file can be kept in the bucket: {type(failed).__name__}: {' '.join(str(failed).split())}",
            "is there a bucket TANDEM_S3_BUCKET at TANDEM_S3_ENDPOINT_URL in TANDEM_S3_REGION, and may the account of "
            "TANDEM_S3_ACCESS_KEY read, write and delete objects there?",
        )
    return ok(f"can be kept in the bucket {settings.S3_BUCKET}")


def sms_backend() -> Finding:
    from tandem.sms.backends import missing_settings

    name = settings.SMS_BACKEND
    if missing := missing_settings():
        return problem(f"{name}, but {', '.join(missing)} is empty", f"set {', '.join(missing)} (docs/settings.md)")
    if name == "console":
        return warning(
            "console: messages are only printed, nobody receives them", "set TANDEM_SMS_BACKEND to http or twilio"
        )
    return ok(name)


def time_zone() -> Finding:
    try:
        ZoneInfo(settings.TIME_ZONE)
    except (KeyError, ValueError, OSError):
        return problem(f"there is no time zone {settings.TIME_ZONE!r}", "set TANDEM_TIME_ZONE, e.g. Asia/Kolkata")
    return ok(settings.TIME_ZONE)


def phone_region() -> Finding:
    import phonenumbers

    if settings.PHONE_REGION not in phonenumbers.SUPPORTED_REGIONS:
        return problem(f"there is no region {settings.PHONE_REGION!r}", "set TANDEM_PHONE_REGION, e.g. IN")
    return ok(settings.PHONE_REGION)


def static_assets() -> Finding:
    from django.contrib.staticfiles import finders

    needed = ["drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js", "admin/js/core.js"]
    if missing := [name for name in needed if finders.find(name) is None]:
        return problem(f"{', '.join(missing)} not found", "install Tandem anew (make setup)")
    return ok("found")


def allowed_hosts() -> Finding:
    hosts = settings.ALLOWED_HOSTS
    shown = ", ".join(hosts) or "none"
    if "*" in hosts:
        return warning("any host name is answered", "set TANDEM_ALLOWED_HOSTS to the names that you use")
    if all(host in ("localhost", "127.0.0.1", "[::1]") for host in hosts):
        return warning(
            f"{shown}: only this machine is answered", "to serve others, set TANDEM_ALLOWED_HOSTS to its public name"
        )
    return ok(shown)


def public_address() -> Finding:
    url = urlsplit(settings.PUBLIC_URL)
    if not url.hostname:
        return ok("none is set")
    if not validate_host(url.netloc.partition(":")[0], settings.ALLOWED_HOSTS):
        return problem(f"{url.hostname} is not among TANDEM_ALLOWED_HOSTS", f"add {url.hostname} to it")
    if url.scheme == "https" and not settings.TRUSTED_PROXIES:
        return problem(
            "it is https, but no proxy is trusted: every request is sent to HTTPS, again and again",
            "set TANDEM_TRUSTED_PROXIES to the proxy's address as Tandem sees it, such as 127.0.0.1",
        )
    return ok(settings.PUBLIC_URL)


def links_to_files() -> Finding:
    from tandem.webhooks import queries

    if settings.PUBLIC_URL:
        return ok(f"lead to {settings.PUBLIC_URL}")
    if queries.is_anybody_told():
        # A request brings the address at which it came; what the worker changes knows of none.
        return warning(
            "webhooks that tell what the worker did have paths for links, which no receiver can fetch",
            "set TANDEM_PUBLIC_URL, such as https://crm.example.com",
        )
    return ok("lead to the address at which they are asked for")


def public_safety() -> Finding:
    from tandem.config.safety import dangers

    if found := dangers("0.0.0.0"):  # noqa: S104 - nothing is bound; this asks what would be refused
        return warning("; ".join(found), "`tandem serve` refuses other addresses than this machine's until then")
    return ok("may be served in public")


CHECKS: dict[str, Callable[[], Finding]] = {
    "versions": versions,
    "data directory": data_directory,
    "disk space": disk_space,
    "secret key": secret_key,
    "database": database_reachable,
    "migrations": migrations,
    "known key": known_key,
    "writing": database_writable,
    "searches": searches,
    "worker": worker_alive,
    "periodic jobs": failing_jobs,
    "text messages": messages_waiting,
    "webhooks": webhooks_waiting,
    "broker": broker,
    "replica": replica,
    "uploads": uploads,
    "SMS backend": sms_backend,
    "time zone": time_zone,
    "phone region": phone_region,
    "static assets": static_assets,
    "allowed hosts": allowed_hosts,
    "public address": public_address,
    "links to files": links_to_files,
    "safety": public_safety,
}

# Which checks mean nothing while another one has a problem; see also `_needs`.
NEEDS: dict[str, tuple[str, ...]] = {
    "disk space": ("data directory",),
    "secret key": ("data directory",),
    "uploads": ("data directory",),
    "database": ("data directory",),
    "migrations": ("database",),
    "known key": ("secret key", "database"),
    "writing": ("migrations",),
    "searches": ("migrations",),
    "worker": ("migrations",),
    "periodic jobs": ("migrations",),
    "text messages": ("migrations",),
    "webhooks": ("migrations",),
    "links to files": ("migrations",),
}
