"""The queue of SQLite's writers. All of it on database files of its own, whatever database the suite runs on."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import ConnectionHandler, OperationalError

from tandem.common.sqlite.base import DatabaseWrapper, begins_to_write
from tests.figures import figure

Opener = Callable[[], DatabaseWrapper]


def settings_of(file: Path, *, timeout_seconds: float = 20) -> dict:
    return {
        "ENGINE": "tandem.common.sqlite",
        "NAME": file,
        "CONN_MAX_AGE": None,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": timeout_seconds},
    }


@pytest.fixture
def database_file(tmp_path: Path) -> Path:
    file = tmp_path / "queue.sqlite3"
    with sqlite3.connect(file) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE written (id INTEGER PRIMARY KEY, writer INT, wait REAL)")
    made.close()
    return file


@pytest.fixture
def opened(database_file: Path, django_db_blocker) -> Iterator[Opener]:
    handlers: list[ConnectionHandler] = []

    def open_one() -> DatabaseWrapper:
        handlers.append(ConnectionHandler({"default": settings_of(database_file, timeout_seconds=0.3)}))
        return handlers[-1]["default"]

    with django_db_blocker.unblock():
        yield open_one
        for handler in handlers:
            handler["default"].close()


def begin(connection: DatabaseWrapper) -> None:
    connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def queue_is_free(database_file: Path) -> bool:
    with open(f"{database_file}.writelock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("BEGIN IMMEDIATE", True),
        ("BEGIN EXCLUSIVE", True),
        ("BEGIN", False),  # deferred: it takes no lock
        ('INSERT INTO "t" VALUES (1)', True),
        ("update t set a=1", True),
        ("DELETE FROM t", True),
        ("CREATE TABLE t (a)", True),
        ("DROP TABLE t", True),
        ("SELECT 1", False),
        ("PRAGMA foreign_keys = ON", False),
        ("SAVEPOINT s1", False),
    ],
)
def test_what_begins_to_write_queues(statement: str, expected: bool) -> None:
    assert begins_to_write(statement) is expected


def test_a_transaction_holds_its_place_until_it_is_committed(opened: Opener, database_file: Path) -> None:
    connection = opened()
    begin(connection)
    assert not queue_is_free(database_file)
    connection.cursor().execute("INSERT INTO written (writer) VALUES (1)")
    assert not queue_is_free(database_file)
    connection.commit()
    assert queue_is_free(database_file)


def test_a_rolled_back_transaction_leaves_the_queue(opened: Opener, database_file: Path) -> None:
    connection = opened()
    begin(connection)
    connection.rollback()
    assert queue_is_free(database_file)


def test_a_closed_connection_leaves_the_queue(opened: Opener, database_file: Path) -> None:
    connection = opened()
    begin(connection)
    connection.close()
    assert queue_is_free(database_file)


def test_savepoints_stay_inside_the_place_of_their_transaction(opened: Opener, database_file: Path) -> None:
    connection = opened()
    begin(connection)
    cursor = connection.cursor()
    cursor.execute("SAVEPOINT s1")
    cursor.execute("INSERT INTO written (writer) VALUES (1)")
    cursor.execute("ROLLBACK TO SAVEPOINT s1")
    cursor.execute("RELEASE SAVEPOINT s1")
    assert not queue_is_free(database_file)
    connection.commit()
    assert queue_is_free(database_file)


def test_a_single_write_outside_of_a_transaction_leaves_the_queue_at_once(opened: Opener, database_file: Path) -> None:
    connection = opened()
    connection.cursor().execute("INSERT INTO written (writer) VALUES (1)")
    assert queue_is_free(database_file)
    assert opened().cursor().execute("SELECT count(*) FROM written").fetchone() == (1,)


def test_a_failing_write_leaves_the_queue(opened: Opener, database_file: Path) -> None:
    connection = opened()
    with pytest.raises(OperationalError, match="no such table"):
        connection.cursor().execute("INSERT INTO nowhere VALUES (1)")
    assert queue_is_free(database_file)


def test_reads_do_not_queue(opened: Opener, database_file: Path) -> None:
    begin(opened())
    assert opened().cursor().execute("SELECT count(*) FROM written").fetchone() == (0,)


def test_who_waits_too_long_is_told_that_the_database_is_locked(opened: Opener, database_file: Path) -> None:
    first, second = opened(), opened()
    begin(first)
    with pytest.raises(OperationalError, match="database is locked"):
        begin(second)
    first.commit()
    # The thread that still stood in the queue gives the lock straight back.
    for waiter in threading.enumerate():
        if waiter.name == "sqlite-write-queue":
            waiter.join(5)
    assert queue_is_free(database_file)
    begin(second)
    second.commit()


def test_who_waits_gets_its_turn_when_the_other_commits(opened: Opener, database_file: Path) -> None:
    first, second = opened(), opened()
    second.inc_thread_sharing()
    begin(first)
    begun = threading.Thread(target=begin, args=(second,))
    begun.start()
    begun.join(0.05)
    assert begun.is_alive()
    first.commit()
    begun.join(5)
    assert not begun.is_alive()
    assert not queue_is_free(database_file)
    second.commit()


def test_the_kernel_frees_the_queue_of_a_killed_writer(opened: Opener, database_file: Path) -> None:
    child = os.fork()
    if child == 0:
        begin(opened())
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert queue_is_free(database_file)


def test_a_forked_child_does_not_keep_its_parents_place(opened: Opener, database_file: Path) -> None:
    connection = opened()
    begin(connection)
    child_lives, say_that_child_lives = os.pipe()
    parent_looked, say_that_parent_looked = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(say_that_child_lives, b"1")
        os.read(parent_looked, 1)
        os._exit(0)
    os.read(child_lives, 1)
    connection._write_queue.close()  # as the parent's death does: no unlock, only a close
    try:
        assert queue_is_free(database_file)
    finally:
        os.write(say_that_parent_looked, b"1")
        os.waitpid(child, 0)
        connection.rollback()


def test_without_a_file_there_is_no_queue(django_db_blocker) -> None:
    with django_db_blocker.unblock():
        connection = ConnectionHandler({"default": settings_of(Path("x")) | {"NAME": ":memory:"}})["default"]
        begin(connection)
        assert connection._write_queue is None
        connection.rollback()


WRITER = """
import json, sys, time
from django.conf import settings
databases, writer, seconds = json.loads(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
settings.configure(DATABASES=databases)
import django
django.setup()
from django.db import OperationalError, connection, transaction
connection.ensure_connection()
print("ready", flush=True)
sys.stdin.readline()
written, worst, locked, end = 0, 0.0, 0, time.monotonic() + seconds
while time.monotonic() < end:
    asked = time.monotonic()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            worst = max(worst, time.monotonic() - asked)
            cursor.execute("INSERT INTO written (writer, wait) VALUES (%s, 0)", [writer])
            cursor.execute("SELECT count(*) FROM written WHERE id < 200")
        written += 1
    except OperationalError:
        locked += 1
print(json.dumps([written, worst, locked]), flush=True)
sys.stdin.readline()  # whoever ends takes a processor from those who still write
"""


@pytest.mark.processes
@pytest.mark.any_database
def test_many_writing_processes_wait_their_turn(database_file: Path) -> None:
    _written_together(database_file, writers=16, seconds=3)


@pytest.mark.soak
@pytest.mark.processes
@pytest.mark.any_database
def test_64_writing_processes_get_even_shares(database_file: Path) -> None:
    assert _written_together(database_file, writers=64, seconds=30) >= 0.3


def _written_together(database_file: Path, *, writers: int, seconds: int) -> float:
    """What the writer with the least got, of what the one with the most got."""
    databases = json.dumps({"default": settings_of(database_file)}, default=str)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, databases, str(number), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(writers)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate()
    written, waits, locked = zip(*results, strict=True)
    figure(
        f"SQLite, {writers} writers, {seconds} s: {sum(written)} rows, worst wait {max(waits):.2f} s, "
        f"least/most {min(written) / max(written):.2f}, locked {sum(locked)}"
    )
    assert sum(locked) == 0
    # How even the shares are, and how long the longest wait was, is printed above: on a machine that others use, both
    # tell more of them than of us. That nobody starves is ours.
    assert min(written) > 0
    with sqlite3.connect(database_file) as read:
        assert read.execute("SELECT count(*) FROM written").fetchone() == (sum(written),)
    read.close()
    return float(min(written) / max(written))
