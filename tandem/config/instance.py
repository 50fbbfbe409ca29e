"""Who may touch the data directory at the same time.

Whatever serves or works holds `instance.lock` in the data directory *shared*, each process for itself and for as long
as it lives; `migrate` and `restore` want it *exclusively*. So a schema is never changed, and a database never replaced,
under a process that still writes, an orphan of a killed supervisor included. It is a flock: the kernel gives it back
when a process dies, so there is no stale lock to remove by hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

_held: list[IO[str]] = []  # open files that hold the lock as long as this process lives


class Busy(SystemExit):
    """The lock is held by others; the process ends with one line that tells what to do."""


def lock_file(data_dir: Path) -> Path:
    return data_dir / "instance.lock"


def unusable(data_dir: Path) -> str:
    """Why nothing can be kept in the data directory, which is made if it is not there; "" when it can."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        return f"{data_dir} is no directory"
    except OSError as failed:
        return f"{data_dir} is not there and cannot be made: {failed.strerror}"
    if not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        return f"{data_dir} is not readable and writable for this user"
    return ""


def share(data_dir: Path) -> None:
    """Hold the lock, together with others, until this process ends. Raises Busy during a migration or a restore."""
    if fcntl is None or _held:
        return
    file = _open(data_dir)
    # `is_running` finds out by holding the lock for an instant; that is no reason to refuse.
    until = time.monotonic() + 1
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.02)
                continue
            file.close()
            raise Busy(
                f"tandem: a migration or a restore is at work in {data_dir}; wait until it has ended, then start again"
            ) from None
        _held.append(file)
        return


@contextmanager
def alone(data_dir: Path, *, wanted_for: str) -> Iterator[None]:
    """Hold the lock alone. Raises Busy while any process of Tandem runs on this data directory."""
    if fcntl is None:
        yield
        return
    with _open(data_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"tandem: {wanted_for} needs {data_dir} for itself, but Tandem is running there; "
                "stop `tandem serve` and `tandem worker` first"
            ) from None
        yield


@contextmanager
def in_turn(data_dir: Path) -> Iterator[None]:
    """One backup at a time: wait until the one that is being made has ended, and let the next one wait."""
    with open(data_dir / "backup.lock", "a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_running(data_dir: Path) -> bool:
    """Say whether some process serves or works on this data directory now."""
    if fcntl is None or not lock_file(data_dir).exists():
        return False
    with _open(data_dir) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _open(data_dir: Path) -> IO[str]:
    data_dir.mkdir(parents=True, exist_ok=True)
    return open(lock_file(data_dir), "a")
