"""What must hold when several processes do the same thing at once, on a database of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

pytestmark = pytest.mark.processes

PROCESSES = 4

# One process: it does what a line of its input says, as soon as the line comes, and answers with one line.
CHILD = textwrap.dedent(
    """
    import json, sys
    import django
    django.setup()
    from tandem.accounts.actions.sessions import check_login
    from tandem.accounts.actions.users import create_user, set_password_by_admin, update_user_by_admin
    from tandem.accounts.models import AccessKey, LoginFailures, User
    from tandem.accounts.tokens import open_key, open_session, refresh_session
    from tandem.common.errors import Refusal
    from tandem.common import moments

    kept = {}

    def make(username, role="customer"):
        return create_user({"username": username, "role": role, "password": "Correct-Horse-7"}, by=None,
                           now=moments.now()).pk

    def guess(login, times):
        codes = []
        for _ in range(times):
            try:
                check_login(login, "wrong", address="192.0.2.1", now=moments.now())
            except Refusal as refused:
                codes.append(refused.code)
        return codes

    def sign_in(pk):
        return open_session(User.objects.get(pk=pk), now=moments.now()).refresh

    def refresh(token, times):
        return [refresh_session(token, now=moments.now()).refresh for _ in range(times)]

    def change(pk, **given):
        try:
            update_user_by_admin(User.objects.get(pk=pk), given, by=None, now=moments.now())
        except Refusal as refused:
            return refused.code
        return "done"

    def remember(pk):
        kept["user"] = User.objects.get(pk=pk)

    def make_keys_until_refused():
        open_key(kept["user"], now=moments.now())
        print("began", flush=True)
        while True:
            try:
                open_key(kept["user"], now=moments.now())
            except Refusal as refused:
                return refused.code

    def set_password(pk):
        set_password_by_admin(User.objects.get(pk=pk), new="Correct-Horse-8", by=None, now=moments.now())

    def count(model, **conditions):
        return {"keys": AccessKey, "users": User, "failures": LoginFailures}[model].objects.filter(**conditions).count()

    print("ready", flush=True)
    for line in sys.stdin:
        name, arguments, options = json.loads(line)
        print(json.dumps(globals()[name](*arguments, **options)), flush=True)
    """
)


class Process:
    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, name: str, *arguments: Any, **options: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps([name, arguments, options]) + "\n")
        self.process.stdin.flush()

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()

    def result(self) -> Any:
        return json.loads(self.line())

    def do(self, name: str, *arguments: Any, **options: Any) -> Any:
        self.begin(name, *arguments, **options)
        return self.result()

    def end(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An installation of its own: a directory with a SQLite file, or a database on the server under test."""
    data_dir: Path = tmp_path_factory.mktemp("races")
    values = os.environ | {
        "TANDEM_DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "tandem.config.settings",
        "TANDEM_LOGIN_THROTTLE": "on",
        "TANDEM_SECRET_KEY": "one for all of these processes, which share their tokens",
    }
    server = os.environ.get("DATABASE_URL", "")
    name = f"races_{os.getpid()}"
    if server:
        values["DATABASE_URL"] = urlsplit(server)._replace(path=f"/{name}").geturl()
        _on_server(server, f"CREATE DATABASE {name}")
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], env=values, check=True)
    yield values
    if server:
        _on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def _on_server(url: str, statement: str) -> None:
    with psycopg.connect(urlsplit(url)._replace(path="/postgres").geturl(), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def crowd(environment: dict[str, str]) -> Iterator[list[Process]]:
    processes = [Process(environment) for _ in range(PROCESSES)]
    assert [process.line() for process in processes] == ["ready\n"] * PROCESSES
    yield processes
    for process in processes:
        process.end()


def all_at_once(crowd: list[Process], name: str, *arguments: Any, **options: Any) -> list[Any]:
    for process in crowd:
        process.begin(name, *arguments, **options)
    return [process.result() for process in crowd]


def test_64_guesses_at_once_count_as_64(crowd: list[Process]) -> None:
    crowd[0].do("make", "target")

    codes = [code for codes in all_at_once(crowd, "guess", "target", 16) for code in codes]

    assert codes.count("no_active_account") == 10
    assert codes.count("too_many_tries") == 54


def test_guesses_at_nobody_count_alike(crowd: list[Process]) -> None:
    codes = [code for codes in all_at_once(crowd, "guess", "nobody at all", 16) for code in codes]

    assert codes.count("no_active_account") == 10


def test_parallel_refreshes_all_work(crowd: list[Process]) -> None:
    token = crowd[0].do("sign_in", crowd[0].do("make", "refreshing"))

    successors = [one for some in all_at_once(crowd, "refresh", token, 4) for one in some]

    assert len(set(successors)) == 16
    assert all(crowd[0].do("refresh", successor, 1) for successor in successors)


def test_admins_who_demote_all_at_once_leave_one(crowd: list[Process]) -> None:
    admins = [crowd[0].do("make", f"admin {n}", role="admin") for n in range(PROCESSES)]
    for _ in range(5):
        for process, pk in zip(crowd, admins, strict=True):
            process.begin("change", pk, role="worker")
        outcomes = [process.result() for process in crowd]

        assert sorted(outcomes) == ["done"] * (PROCESSES - 1) + ["last_admin"]
        assert crowd[0].do("count", "users", role="admin", is_active=True) == 1
        for pk in admins:
            crowd[0].do("change", pk, role="admin")


def test_no_key_slips_through_a_password_change(crowd: list[Process]) -> None:
    pk = crowd[0].do("make", "busy")
    all_at_once(crowd, "remember", pk)

    for process in crowd[1:]:
        process.begin("make_keys_until_refused")
    assert [process.line() for process in crowd[1:]] == ["began\n"] * (PROCESSES - 1)
    crowd[0].do("set_password", pk)

    assert [process.result() for process in crowd[1:]] == ["token_not_valid"] * (PROCESSES - 1)
    assert crowd[0].do("count", "keys", user_id=pk) == 0
