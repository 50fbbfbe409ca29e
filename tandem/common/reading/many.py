"""Many records by their ids, whoever looks: for what is written about many records at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import F

from tandem.common.reading.answer import Answer, vendor_of
from tandem.common.reading.statement import compiled

AT_ONCE = 500  # ids in one statement


def read_many(answer: Answer, pks: Sequence[Any]) -> dict[str, str]:
    """Id as text → JSON text of the record; ids that name nothing are missing. A query for each 500 of them."""
    return {
        pk: text for start in range(0, len(pks), AT_ONCE) for pk, text in _read(answer, pks[start : start + AT_ONCE])
    }


def _read(answer: Answer, pks: Sequence[Any]) -> Iterator[tuple[str, str]]:
    # Compiled anew for each number of ids; beside what it costs to read so many records that is little.
    found = answer.model._default_manager.filter(pk__in=pks)
    rows = found.values(**answer.columns(), **answer.inputs(), k0=F("pk"))
    key: Any = answer.model._meta.pk
    for row in compiled(rows, answer.select(vendor_of(), extra=["k0"])).run({}):
        yield str(key.to_python(row[-1])), answer.finished(row)
