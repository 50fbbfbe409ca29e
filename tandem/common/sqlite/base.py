"""SQLite for many writing processes: whoever writes queues at a file lock first.

SQLite lets one connection write at a time. A second one that begins gets SQLITE_BUSY and, with a timeout set, SQLite
makes it *poll*: sleep a little, try again, sleep longer. There is no queue. Whoever happens to wake up in the instant
in which the lock is free gets it; the longer one has waited, the longer one's naps, so newcomers win. With 64 writers
on 2 cores the unluckiest waited for 5 to 7 seconds, and some hit the timeout: "database is locked".

So a writer first takes an exclusive flock on a file beside the database, `<database>.writelock`, and only then says
BEGIN IMMEDIATE. The kernel keeps a queue for that lock and wakes the first in it, so nobody naps and nobody polls;
the worst wait became 0.55 to 1.4 seconds under the same load. SQLite's own lock stays the one that protects the
data: the queue only makes people arrive one by one. Hence all that follows may be lenient. Where the queue cannot be
used (a database in memory, a system without flock, a directory that we may not write to), writers fall back on
SQLite's polling; a foreign program that does not know the queue (the sqlite3 shell) is met with the same polling.

What follows from flock:
- The kernel lets go of it when the process dies, however it dies.
- It belongs to the open file, not to the process. Each connection opens its own, so that two threads queue as two
  processes do; and a forked child must close what it inherited, or it would share its parent's place in the queue,
  and keep it occupied after the parent's death.
- It has no timeout. So a wait happens in a thread of its own, which is left behind when the wait was too long, and
  which then gives the lock straight back when it arrives.

A connection is in the queue exactly while it is in a transaction that writes, or for the length of one statement that
writes outside of a transaction. Reads never come near it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db.backends.sqlite3 import base as django_sqlite
from django.db.backends.sqlite3 import operations as django_operations

from tandem.common.context import tally

try:
    import fcntl
except ImportError:  # not a Unix
    fcntl = None  # type: ignore[assignment]

DEFAULT_TIMEOUT_SECONDS = 20.0

# The first six letters of what takes SQLite's write lock when no transaction is open. A plain BEGIN is not among them:
# it is deferred, takes no lock, and Tandem never says it. `WITH … INSERT` is not recognised and polls.
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLAC", "CREATE", "ALTER ", "DROP T", "DROP I", "DROP V"})
_BEGINS = ("BEGIN IMMEDIATE", "BEGIN EXCLUSIVE")


# SQLite's own LOWER and LIKE know the case of A to Z only: for them "ÉCOLE" and "école" are two words.
_IN_ANY_CASE = {"icontains", "istartswith", "iendswith", "iexact"}


def fold_case(connection: sqlite3.Connection) -> None:
    """Let LOWER know every letter, as PostgreSQL's does. Indexes are made with it, so whatever writes, or checks them
    (`PRAGMA integrity_check`), must have been told."""
    connection.create_function("LOWER", 1, _lowered, deterministic=True)


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class WriteQueue:
    """One connection's place in the queue of one database's writers."""

    def __init__(self, lock_file: Path) -> None:
        self._lock_file = lock_file
        self._fd: int | None = None
        self._held = False
        _all_queues.add(self)

    def enter(self, *, timeout_seconds: float) -> None:
        """Wait until it is our turn. Does nothing for who is in already.

        Raises the driver's OperationalError ("database is locked") when the wait exceeds the timeout.
        """
        if self._held:
            return
        fd = self._open()
        if fd is None:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait(fd, timeout_seconds)
        except OSError:  # a file system without flock
            return
        self._held = True

    def leave(self) -> None:
        if self._held and self._fd is not None:
            self._held = False
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        self._held = False
        if self._fd is not None:
            # Without LOCK_UN first: in a forked child that would unlock the parent, for both share the open file.
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int | None:
        if self._fd is None and fcntl is not None:
            with contextlib.suppress(OSError):  # no right to write here: SQLite will say so in its own words
                self._fd = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        return self._fd

    def _wait(self, fd: int, timeout_seconds: float) -> None:
        waiter = _Waiter(fd)
        waiter.start()
        if not waiter.arrived_within(timeout_seconds):
            self._fd = None  # it is the waiter's now
            raise sqlite3.OperationalError("database is locked")


class _Waiter(threading.Thread):
    """Stands in the queue for somebody who may lose patience."""

    def __init__(self, fd: int) -> None:
        super().__init__(name="sqlite-write-queue", daemon=True)
        self._fd = fd
        self._arrived = threading.Event()
        self._settled = threading.Lock()
        self._abandoned = False

    def run(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        with self._settled:
            if self._abandoned:
                os.close(self._fd)
            else:
                self._arrived.set()

    def arrived_within(self, seconds: float) -> bool:
        """Say whether the lock is ours; if not, the thread owns the file from now on and will close it."""
        self._arrived.wait(seconds)
        with self._settled:
            self._abandoned = not self._arrived.is_set()
        return not self._abandoned


_all_queues: weakref.WeakSet[WriteQueue] = weakref.WeakSet()


def _forget_parents_places() -> None:
    for queue in list(_all_queues):
        queue.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parents_places)


def begins_to_write(query: str) -> bool:
    start = query[:6].upper()
    return start in _WRITES or (start == "BEGIN " and query.upper().startswith(_BEGINS))


@lru_cache(maxsize=2048)
def _with_question_marks(query: str) -> str:
    """`%s` and `%%` as SQLite wants them. Django does it anew for each statement, though few are ever new."""
    return django_sqlite.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class QueuedCursor(django_sqlite.SQLiteCursorWrapper):
    """A cursor whose writes enter the queue first, unless a transaction is open, which has entered it already."""

    database: DatabaseWrapper

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is None:
            return _with_question_marks(query)
        return super().convert_query(query, param_names=param_names)

    def execute(self, query: str, params: Any = None) -> Any:
        if query[:6] != "BEGIN ":  # not counted on PostgreSQL either
            tally.queries += 1
        if self.connection.in_transaction or not begins_to_write(query):
            done = super().execute(query, params)
            if query[:6].upper() in ("COMMIT", "ROLLBA", "END"):
                self.database.leave_write_queue()
            return done
        self.database.enter_write_queue()
        try:
            return super().execute(query, params)
        finally:
            self.database.leave_write_queue()

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        tally.queries += 1
        if self.connection.in_transaction or not begins_to_write(query):
            return super().executemany(query, param_list)
        self.database.enter_write_queue()
        try:
            return super().executemany(query, param_list)
        finally:
            self.database.leave_write_queue()


class Operations(django_operations.DatabaseOperations):
    def lookup_cast(self, lookup_type: str, internal_type: str | None = None) -> str:
        return "LOWER(%s)" if lookup_type in _IN_ANY_CASE else super().lookup_cast(lookup_type, internal_type)


class DatabaseWrapper(django_sqlite.DatabaseWrapper):
    ops_class = Operations
    operators = django_sqlite.DatabaseWrapper.operators | dict.fromkeys(_IN_ANY_CASE, r"LIKE LOWER(%s) ESCAPE '\'")
    pattern_ops = {
        name: pattern.replace("UPPER(", "LOWER(") for name, pattern in django_sqlite.DatabaseWrapper.pattern_ops.items()
    }
    _write_queue: WriteQueue | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        connection: sqlite3.Connection = super().get_new_connection(conn_params)
        fold_case(connection)
        return connection

    def enter_write_queue(self) -> None:
        queue = self._write_queue
        if queue is None:
            lock_file = self._write_lock_file()
            if lock_file is None:
                return
            queue = self._write_queue = WriteQueue(lock_file)
        queue.enter(timeout_seconds=self.settings_dict["OPTIONS"].get("timeout", DEFAULT_TIMEOUT_SECONDS))

    def leave_write_queue(self) -> None:
        """Leave the queue, unless a transaction is open: then its end leaves it."""
        if self._write_queue is not None and not (self.connection is not None and self.connection.in_transaction):
            self._write_queue.leave()

    def create_cursor(self, name: str | None = None) -> QueuedCursor:
        cursor: QueuedCursor = self.connection.cursor(factory=QueuedCursor)
        cursor.database = self
        return cursor

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        finally:
            self.leave_write_queue()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self.leave_write_queue()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            if self._write_queue is not None:
                self._write_queue.close()
                self._write_queue = None

    def _write_lock_file(self) -> Path | None:
        name = str(self.settings_dict["NAME"])
        if self.is_in_memory_db() or name.startswith("file:"):
            return None
        return Path(f"{name}.writelock")
