"""A secret key that is lost or another one is noticed by whatever would use it, and never replaced in silence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.calling import make_admin
from tests.installation import Installation, copy_of, empty, prepared
from tests.ports import free_port

pytestmark = pytest.mark.processes

ANOTHER = "another-key-Kq0plWmv8Zx1uYtRbNcE5hGfA7oSiQ2jd93"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with prepared(tmp_path_factory.mktemp("original")) as installation:
        make_admin(installation)
        yield installation


@pytest.fixture
def installation(original: Installation, tmp_path: Path) -> Iterator[Installation]:
    with copy_of(original, tmp_path / "data") as made:
        yield made


def commands(directory: Path) -> list[list[str]]:
    return [["migrate"], ["serve", "--port", str(free_port())], ["worker"], ["backup", str(directory / "backup.zip")]]


def test_migrate_makes_it_and_nothing_else_does(tmp_path: Path) -> None:
    with empty(tmp_path) as bare:
        for command in ("doctor", "worker"):
            assert bare.tandem(command).returncode == 1
            assert not (tmp_path / "secret_key").exists()
        assert bare.tandem("migrate").returncode == 0
        kept = (tmp_path / "secret_key").read_text()
        assert (len(kept) > 32, (tmp_path / "secret_key").stat().st_mode & 0o777) == (True, 0o600)
        assert bare.tandem("migrate").stdout == "The database is up to date.\n"
        assert (tmp_path / "secret_key").read_text() == kept


def test_a_lost_one_is_not_made_anew(installation: Installation, tmp_path: Path) -> None:
    (installation.data_dir / "secret_key").unlink()
    for command in commands(tmp_path):
        refused = installation.tandem(*command)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), command
        assert "the secret key is lost" in refused.stderr
        assert "`tandem migrate --new-key` goes on without it" in refused.stderr
    told = installation.tandem("doctor")
    assert "PROBLEM  secret key: there is none" in told.stdout
    assert not (installation.data_dir / "secret_key").exists()
    assert not (tmp_path / "backup.zip").exists()


def test_another_one_is_noticed(installation: Installation, tmp_path: Path) -> None:
    installation.settings = {"TANDEM_SECRET_KEY": ANOTHER}
    for command in commands(tmp_path):
        refused = installation.tandem(*command)
        assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1), command
        assert "the secret key is another one than the database was used with" in refused.stderr
        assert ANOTHER not in refused.stderr
    told = installation.tandem("doctor")
    assert "PROBLEM  known key: the secret key is another one" in told.stdout
    assert not (tmp_path / "backup.zip").exists()


def test_who_has_lost_it_for_good_goes_on_with_a_new_one(installation: Installation, tmp_path: Path) -> None:
    (installation.data_dir / "secret_key").unlink()
    assert installation.tandem("migrate", "--new-key").returncode == 0
    assert (installation.data_dir / "secret_key").exists()
    assert installation.tandem("migrate").stdout == "The database is up to date.\n"
    assert installation.tandem("backup", str(tmp_path / "backup.zip")).returncode == 0


def test_the_key_of_an_installation_without_fingerprint_is_taken_for_right(installation: Installation) -> None:
    installation.execute("DELETE FROM common_installation")
    assert installation.tandem("migrate").returncode == 0
    installation.settings = {"TANDEM_SECRET_KEY": ANOTHER}
    assert "another one" in installation.tandem("migrate").stderr


def test_the_fingerprint_is_not_the_key(installation: Installation) -> None:
    key = (installation.data_dir / "secret_key").read_text()
    (known,) = [rows for table, rows in installation._tables() if table == "common_installation"]
    assert key not in str(known)
