"""What goes wrong is told in one line, with exit code 1."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.db import OperationalError, connection

from tandem.config import cli, instance
from tests.installation import TANDEM, Installation, empty, prepared
from tests.ports import free_port

COMMANDS = [
    ["migrate"],
    ["createadmin", "--username", "a", "--phone", "+919000000001", "--name", "A", "--password", "Correct-Horse-7"],
    ["demo"],
    ["serve", "--port", "PORT"],
    ["worker"],
    ["backup", "FILE"],
    ["restore", "FILE"],
]


def _no_directory(directory: Path) -> Path:
    (directory / "file").touch()
    return directory / "file"


def _below_a_file(directory: Path) -> Path:
    return _no_directory(directory) / "data"


@pytest.mark.processes
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_data_directory_that_is_none_is_named_by_each_command(tmp_path: Path, command: list[str]) -> None:
    stands_for = {"PORT": str(free_port()), "FILE": str(tmp_path / "backup.zip")}
    installation = Installation(_no_directory(tmp_path))
    refused = installation.tandem(*(stands_for.get(word, word) for word in command))
    assert (refused.returncode, refused.stderr) == (
        1,
        f"tandem: the data directory cannot be used: {installation.data_dir} is no directory; "
        "set TANDEM_DATA_DIR, or mend it\n",
    )


@pytest.mark.processes
@pytest.mark.parametrize("of", [_no_directory, _below_a_file])
def test_doctor_gets_to_its_own_check(tmp_path: Path, of: object) -> None:
    told = Installation(of(tmp_path)).tandem("doctor")
    assert (told.returncode, told.stderr) == (1, "")
    assert "PROBLEM  data directory: " in told.stdout


@pytest.mark.processes
@pytest.mark.any_database
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_needs_to_read_to_the_end(tmp_path: Path, unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    environment = Installation(tmp_path).environment | {"PYTHONUNBUFFERED": unbuffered}
    told = subprocess.run(
        [TANDEM, "doctor"], env=environment, stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert (told.returncode, told.stderr) == (141, "")


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert instance.unusable(tmp_path / "made" / "for us") == ""
    assert instance.unusable(_below_a_file(tmp_path)).endswith("is not there and cannot be made: Not a directory")
    # As for a user without rights, and as on a file system that is mounted for reading only.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert instance.unusable(tmp_path) == f"{tmp_path} is not readable and writable for this user"


def test_what_the_machine_refuses_is_one_line_and_a_bug_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/files/x")

    def bug(options: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/nowhere")

    monkeypatch.setattr(cli, "_migrate", full)
    with pytest.raises(SystemExit) as refused:
        cli.main(["migrate"])
    assert str(refused.value) == "tandem: No space left on device: /data/files/x"
    monkeypatch.setattr(cli, "_migrate", bug)
    with pytest.raises(FileNotFoundError):
        cli.main(["migrate"])


@pytest.mark.parametrize(
    ("option", "raw", "said"),
    [
        ("--port", "abc", "abc is no port; ports are 1 to 65535"),
        ("--port", "70000", "70000 is no port; ports are 1 to 65535"),
        ("--workers", "many", "many is no number of processes; say 1 to 999"),
        ("--workers", "0", "0 is no number of processes; say 1 to 999"),
    ],
)
def test_an_option_that_cannot_be_used_is_explained(
    capsys: pytest.CaptureFixture[str], option: str, raw: str, said: str
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["serve", option, raw])
    assert capsys.readouterr().err.endswith(f"argument {option}: {said}\n")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _created_with(monkeypatch: pytest.MonkeyPatch) -> str:
    """The password that `createadmin` without one comes to."""
    given: list[str] = []

    def created(values: dict[str, str], **_: object) -> object:
        given.append(values["password"])
        return SimpleNamespace(username="a", phone="+919000000001")

    monkeypatch.setattr(cli, "_prepare_for_use", lambda: None)
    monkeypatch.setattr("tandem.accounts.actions.users.create_user", created)
    cli.main(COMMANDS[1][:-2])
    return given[0]


def test_createadmin_reads_a_password_that_is_piped_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Correct Horse 7 \nnext line\n"))
    assert _created_with(monkeypatch) == "Correct Horse 7 "


def test_createadmin_asks_twice_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", _Terminal())
    typed = iter(["Correct-Horse-7", "Correct-Horse-7", "Correct-Horse-7", "Correct-House-7"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    assert _created_with(monkeypatch) == "Correct-Horse-7"
    with pytest.raises(SystemExit, match="differ"):
        _created_with(monkeypatch)


def test_createadmin_without_any_password_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(SystemExit, match="tandem: a password is needed"):
        _created_with(monkeypatch)


@pytest.mark.parametrize("username", ["", "   "])
def test_createadmin_needs_a_username(monkeypatch: pytest.MonkeyPatch, username: str) -> None:
    def created(values: dict[str, str], **_: object) -> object:
        return SimpleNamespace(username=None, phone="+919000000001")

    monkeypatch.setattr(cli, "_prepare_for_use", lambda: None)
    monkeypatch.setattr("tandem.accounts.actions.users.create_user", created)
    with pytest.raises(SystemExit) as refused:
        cli.main(["createadmin", "--username", username, *COMMANDS[1][3:]])
    said = "Use at most 150 letters, digits, spaces and @ . + - _ in a username."
    assert str(refused.value) == f"tandem: username: {said}"


def test_createadmin_on_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(cli, "_prepare_for_use", lambda: None)
    monkeypatch.setattr("tandem.accounts.actions.users.create_user", full)
    with pytest.raises(SystemExit) as refused:
        cli.main(COMMANDS[1])
    assert str(refused.value) == "tandem: the database cannot be used: database or disk is full"


@pytest.mark.processes
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no rights but the files'")
@pytest.mark.parametrize("command", [["migrate"], ["worker"], ["createadmin", *COMMANDS[1][1:]]])
def test_a_role_without_rights_is_one_line(tmp_path: Path, command: list[str]) -> None:
    role = f"tandem_nobody_{uuid.uuid4().hex[:8]}"
    with prepared(tmp_path / "ready") as ready, empty(tmp_path / "bare") as bare:
        ready.execute(f"CREATE ROLE {role} LOGIN")
        try:
            for installation in (ready, bare):
                url = urlsplit(installation.environment["DATABASE_URL"])
                login = f"{role}@{url.netloc.rpartition('@')[2]}"
                installation.settings = {"DATABASE_URL": urlunsplit(url._replace(netloc=login))}
                refused = installation.tandem(*command)
                assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), refused.stderr
                assert refused.stderr.startswith("tandem: the database ")
        finally:
            ready.execute(f"DROP ROLE {role}")
