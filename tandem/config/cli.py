"""`tandem`: everything that the person who runs an installation needs.

Each command imports what it needs when it runs, so that `tandem --help` and a mistyped option answer at once. What goes
wrong is told in one line on stderr, with exit code 1.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.conf import LazySettings

    from tandem.common.errors import Refusal


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.config.settings")
    if not sys.warnoptions:  # libraries' warnings are for developers; the tests turn them into errors
        warnings.simplefilter("ignore")
    try:
        try:
            options.run(options)
        finally:
            print(end="", flush=True)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:  # as in `tandem doctor | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter tries once more when it ends, and complains
        raise SystemExit(141) from None
    except OSError as failed:
        if failed.errno not in _NO_BUGS:
            raise
        where = f": {failed.filename}" if failed.filename else ""
        raise SystemExit(f"tandem: {failed.strerror}{where}") from None


# What the machine refuses, whatever the program does.
_NO_BUGS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tandem", description="Tandem: one CRM for companies that sell and service.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    migrate = commands.add_parser("migrate", help="prepare the database, or bring it up to date")
    migrate.add_argument(
        "--new-key", action="store_true", help="go on with another secret key, for the old one is lost"
    )
    migrate.set_defaults(run=_migrate)

    admin = commands.add_parser("createadmin", help="create a user who may do everything")
    admin.add_argument("--username", required=True)
    admin.add_argument("--phone", required=True, help="with country code, e.g. +919876543210")
    admin.add_argument("--name", required=True)
    admin.add_argument("--password", help="left out, it is asked for, or read as one line from a pipe")
    admin.set_defaults(run=_createadmin)

    demo = commands.add_parser("demo", help="load a demo company, once, and show its logins")
    demo.set_defaults(run=_demo)

    serve = commands.add_parser("serve", help="serve the API, and run the worker beside it")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    serve.add_argument("--port", type=_port, default=8000, help="port to listen on (%(default)s)")
    serve.add_argument("--workers", type=_count, default=_default_workers(), help="server processes (%(default)s)")
    serve.add_argument("--no-worker", action="store_true", help="do not run the worker; it runs elsewhere")
    serve.set_defaults(run=_serve)

    worker = commands.add_parser("worker", help="only run a worker: messages and periodic jobs")
    worker.set_defaults(run=_worker)

    doctor = commands.add_parser("doctor", help="check this installation and explain what is wrong")
    doctor.set_defaults(run=_doctor)

    backup = commands.add_parser("backup", help="write database, uploads and secret key into one file")
    backup.add_argument("file", type=Path)
    backup.set_defaults(run=_backup)

    restore = commands.add_parser("restore", help="bring back what a backup holds")
    restore.add_argument("file", type=Path)
    restore.add_argument("--force", action="store_true", help="replace the data that is there")
    restore.set_defaults(run=_restore)
    return parser


def _migrate(options: argparse.Namespace) -> None:
    settings = _prepare()
    from tandem.config import database, instance, secret_key

    with _database_errors_in_one_line():
        state = database.schema_state()
        if state.unknown:
            raise SystemExit(f"tandem: {state.trouble}")
        if not options.new_key and (trouble := secret_key.trouble()):
            raise SystemExit(f"tandem: {trouble}")
        if not state.missing and secret_key.is_known():
            database.index_names()  # the right to do so may have come since
            print("The database is up to date.")
            return
        with instance.alone(settings.DATA_DIR, wanted_for="a migration"):
            secret_key.keep()
            if state.missing:
                database.migrate()
            secret_key.make_known()
    print(f"The database is prepared: {len(state.missing)} migrations applied.")


def _createadmin(options: argparse.Namespace) -> None:
    _prepare_for_use()
    from tandem.accounts.actions.users import create_user
    from tandem.accounts.models import Role
    from tandem.accounts.rules.usernames import normal_username
    from tandem.common import moments
    from tandem.common.errors import Refusal

    try:
        username = normal_username(options.username)  # to the action an empty one is none, and a phone is enough
    except ValueError as refused:
        raise SystemExit(f"tandem: username: {refused}") from None
    password = options.password or _asked_password()
    try:
        with _database_errors_in_one_line():
            user = create_user(
                {
                    "role": Role.ADMIN,
                    "username": username,
                    "phone": options.phone,
                    "name": options.name,
                    "password": password,
                },
                by=None,
                now=moments.now(),
            )
    except Refusal as refused:
        raise SystemExit(f"tandem: {_in_one_line(refused)}") from None
    print(f"Created the admin {user.username} ({user.phone}).")


def _asked_password() -> str:
    """From the terminal, unseen and twice; else the first line of what is piped in. Never empty."""
    from getpass import getpass

    if sys.stdin.isatty():
        password = getpass("Password: ")
        if password != getpass("Once more: "):
            raise SystemExit("tandem: the two passwords differ; nobody was created")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise SystemExit("tandem: a password is needed; type it, pipe it in, or say --password")
    return password


def _demo(options: argparse.Namespace) -> None:
    _prepare_for_use()
    from tandem.common import moments
    from tandem.common.errors import Refusal
    from tandem.config import demo

    try:
        with _database_errors_in_one_line():
            print(demo.load(now=moments.now()))
    except Refusal as refused:
        raise SystemExit(f"tandem: {_in_one_line(refused)}") from None


def _serve(options: argparse.Namespace) -> None:
    from tandem.config import safety, supervisor

    port = supervisor.claim_port(options.host, options.port)
    if refused := safety.dangers(options.host):
        raise SystemExit("\n".join(f"tandem: not served on {options.host}: {reason}" for reason in refused))
    _check_sms_settings()
    _prepare_for_use()
    from django.db import connections

    connections.close_all()
    with port:
        supervisor.serve(
            host=options.host, port=options.port, workers=options.workers, with_worker=not options.no_worker
        )


def _worker(options: argparse.Namespace) -> None:
    _check_sms_settings()
    _prepare_for_use()
    from tandem.config import worker

    worker.run()


def _check_sms_settings() -> None:
    from django.conf import settings

    from tandem.sms import backends

    if missing := backends.missing_settings():
        raise SystemExit(f"tandem: TANDEM_SMS_BACKEND={settings.SMS_BACKEND} needs {', '.join(missing)}")


def _doctor(options: argparse.Namespace) -> None:
    from tandem.config import doctor

    raise SystemExit(doctor.main())


def _backup(options: argparse.Namespace) -> None:
    _prepare_for_use()
    from tandem.config import backup

    with _database_errors_in_one_line():
        print(backup.write(options.file))


def _restore(options: argparse.Namespace) -> None:
    settings = _prepare()
    from tandem.config import instance, restore

    with instance.alone(settings.DATA_DIR, wanted_for="a restore"), _database_errors_in_one_line():
        print(restore.restore(options.file, force=options.force))


def _prepare() -> LazySettings:
    """Load settings and models; before that, finish what a restore that was interrupted left half done."""
    import django
    from django.conf import settings

    from tandem.config import instance, restore

    if reason := instance.unusable(settings.DATA_DIR):
        raise SystemExit(f"tandem: the data directory cannot be used: {reason}; set TANDEM_DATA_DIR, or mend it")
    if restore.finish_interrupted(settings.DATA_DIR):
        # The secret key may be another one now, and the settings have read the old one: begin anew.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    django.setup()
    return settings


def _prepare_for_use() -> LazySettings:
    """As `_prepare`, and hold the instance lock with others, on a database whose schema and key are the right ones."""
    settings = _prepare()
    from tandem.config import database, instance, secret_key

    instance.share(settings.DATA_DIR)
    with _database_errors_in_one_line():
        if trouble := database.schema_state().trouble:
            raise SystemExit(f"tandem: {trouble}")
        secret_key.demand()
    return settings


@contextmanager
def _database_errors_in_one_line() -> Iterator[None]:
    """For what is no bug: the database is away or full, or this user has not the rights in it that are needed."""
    from django.db import DatabaseError, OperationalError
    from django.db.migrations.exceptions import MigrationSchemaMissing

    try:
        yield
    except (DatabaseError, MigrationSchemaMissing) as refused:
        if not isinstance(refused, OperationalError | MigrationSchemaMissing) and _sqlstate(refused) not in _NO_RIGHTS:
            raise
        reason = " ".join(str(refused).split())
        raise SystemExit(f"tandem: the database cannot be used: {reason}") from None


# PostgreSQL's: insufficient_privilege, invalid_schema_name (no right to see one either), read_only_sql_transaction.
_NO_RIGHTS = {"42501", "3F000", "25006"}


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _in_one_line(refused: Refusal) -> str:
    from tandem.common.errors import Invalid

    if not isinstance(refused, Invalid):
        return refused.message
    return "; ".join(
        f"{name}: {' '.join(map(str, messages)) if isinstance(messages, list) else messages}"
        for name, messages in refused.fields.items()
    )


def _port(raw: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", raw) or not 1 <= int(raw) <= 65535:
        raise argparse.ArgumentTypeError(f"{raw} is no port; ports are 1 to 65535")
    return int(raw)


def _count(raw: str) -> int:
    if not re.fullmatch("[0-9]{1,3}", raw) or int(raw) < 1:
        raise argparse.ArgumentTypeError(f"{raw} is no number of processes; say 1 to 999")
    return int(raw)


def _default_workers() -> int:
    """As many as there are cores for us, at most 4: what a small company needs, on a machine that does other things."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, usable)


if __name__ == "__main__":
    main()
