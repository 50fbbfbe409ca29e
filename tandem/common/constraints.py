"""Which named constraint a write broke: rules that the database holds are refused in their own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, models

from tandem.common.errors import Refusal


@contextmanager
def refused_by(model: type[models.Model], constraint: str, refusal: Refusal) -> Iterator[None]:
    """Turn the breach of one unique constraint into a refusal; any other breach stays what it is.

    Stands around a whole `transaction.atomic()`, which then is rolled back, so it costs no savepoint.
    """
    try:
        yield
    except IntegrityError as error:
        if not _broke(error, model, constraint):
            raise
        raise refusal from None


def _broke(error: IntegrityError, model: type[models.Model], constraint: str) -> bool:
    diagnosis = getattr(error.__cause__, "diag", None)
    if diagnosis is not None:
        return bool(diagnosis.constraint_name == constraint)
    # SQLite names the columns, or the index when it has expressions.
    named = next(one for one in model._meta.constraints if one.name == constraint)
    fields: Any = [model._meta.get_field(name) for name in getattr(named, "fields", ())]
    columns = ", ".join(f"{model._meta.db_table}.{field.column}" for field in fields)
    message = str(error)
    return f"'{constraint}'" in message or (bool(columns) and message == f"UNIQUE constraint failed: {columns}")
