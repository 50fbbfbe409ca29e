"""What goes wrong is told in one line, with exit code 1."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tandem.config import cli, instance
from tests.installation import Installation, free_port

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
