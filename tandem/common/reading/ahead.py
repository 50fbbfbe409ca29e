"""The caller and the record that is asked for, in one statement.

Who calls is known after a first statement, and which statement reads the record depends on the caller's role. So what a
credential stood for the last time is a guess, and the record is read along with the caller as that person would see it.
Nothing of a guess is ever believed: what was read is used only in place of the very same reading (`is_same`), whose
statement is made for the caller's role and whose values hold the caller's id. A wrong guess costs reading again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db import connection

from tandem.common.reading.statement import Statement

Row = Sequence[Any]

KEPT = 10_000  # guesses of one process; beyond that the oldest is forgotten


@dataclass(frozen=True)
class Known:
    """Whom a credential stood for."""

    pk: Any
    role: Any


@dataclass(frozen=True)
class Reading:
    """A statement with its values, and what it found when it was carried out already."""

    statement: Statement
    values: Mapping[str, Any]
    found: Sequence[Row] | None = None

    def run(self) -> Sequence[Row]:
        """One query, none when it was carried out already."""
        return self.statement.run(self.values) if self.found is None else self.found

    def is_same(self, other: Reading | None) -> bool:
        """Whether it reads the same with the same eyes."""
        return other is not None and other.statement is self.statement and other.values == self.values


_guesses: OrderedDict[Hashable, Known] = OrderedDict()


def read_caller(
    caller: Reading,
    *,
    width: int,
    credential: Hashable,
    known: Callable[[Row], Known],
    wanted: Callable[[Known], Reading | None],
) -> tuple[Row | None, Reading | None]:
    """The caller's row, None for a credential that is worth nothing, and what was read along as the guess wanted it.

    caller: a statement of `width` columns and at most one row. known: whom its row tells of. wanted: what the request
    will read if it is this person, None for nothing; its values have other names than the caller's. One query.
    """
    guess = _guesses.get(credential) if pays() else None
    asked = wanted(guess) if guess is not None else None
    if asked is None or asked.statement.sql is None:
        rows, found = caller.run(), None
    else:
        rows = _in_one(caller.statement, asked.statement).run({**caller.values, **asked.values})
        # Behind the caller's columns: a 1 where there is a record, and its own columns.
        found = [row[width + 1 :] for row in rows if row[width]]
    if not rows:
        _guesses.pop(credential, None)
        return None, None
    row = rows[0][:width]
    _remember(credential, known(row))
    return row, Reading(asked.statement, asked.values, found) if asked and found is not None else None


def pays() -> bool:
    """A round trip to PostgreSQL is a fifth of a small request; SQLite has none to save."""
    return connection.vendor == "postgresql"


def _remember(credential: Hashable, person: Known) -> None:
    with suppress(KeyError):  # another thread was quicker, which is as good
        _guesses[credential] = person
        _guesses.move_to_end(credential)
        if len(_guesses) > KEPT:
            _guesses.popitem(last=False)


@lru_cache(maxsize=1024)
def _in_one(caller: Statement, record: Statement) -> Statement:
    # Without a condition to join on, a database can only go through the right side for each row of the left one.
    sql = (
        f"SELECT caller.*, record.* FROM ({caller.sql}) caller"
        f" LEFT JOIN (SELECT 1 AS is_there, one.* FROM ({record.sql}) one) record ON 1 = 1"
    )
    return Statement(sql, (*caller.parameters, *record.parameters), caller.using)
