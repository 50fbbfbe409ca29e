"""Columns that no form declares are sent to every write, by everybody who may write: none has an effect.

QUALITY "Authorisation": mass assignment.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.apps import apps
from django.db import models, transaction

from tandem.common import routes
from tandem.common.endpoint import operation_of
from tests.database import everything
from tests.matrix.actors import NOBODY, callers
from tests.matrix.expectations import EXPECTED
from tests.matrix.test_matrix import address_of, send
from tests.matrix.world import OTHER, OWN, records

WORD, NUMBER, UUID = "taken-from-the-body", 1_933_133_719, "3a11f00d-0000-4000-8000-00000000beef"
DAY, MOMENT = "2031-03-13", "2031-03-13T03:13:31Z"
TRACES = (WORD, str(NUMBER), UUID, UUID.replace("-", ""), DAY, "2031, 3, 13")

WRITES = sorted(
    (path, verb) for path, route in EXPECTED.items() for verb in route.verbs if verb in ("POST", "PUT", "PATCH")
)


def bait() -> dict[str, Any]:
    """Every column of every table, under its name and under its column's, with a value that is found again."""
    found: dict[str, Any] = {"groups": [NUMBER], "permissions": [WORD], "user_permissions": [NUMBER]}
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            found[field.name] = found[field.attname] = _value(field)
    return found


def _value(field: Any) -> Any:
    kind = field.target_field if field.is_relation else field
    for of, value in (
        (models.BooleanField, True),
        (models.DateTimeField, MOMENT),
        (models.DateField, DAY),
        (models.UUIDField, UUID),
        (models.IntegerField, NUMBER),
        (models.DecimalField, f"{NUMBER}.00"),
        (models.JSONField, {"x": WORD}),
    ):
        if isinstance(kind, of):
            return value
    return WORD


def declared(path: str, verb: str, world: dict[str, Any]) -> set[str]:
    """The keys that the form of an operation takes."""
    view = routes.index().find(address_of(path, world["pk"], world["world"]))
    takes = getattr(operation_of(view.func.view_class, verb), "takes", None) if view else None
    return set(takes().get_fields()) if takes else set()


def flags(written: dict[str, list[dict[str, Any]]]) -> Counter[Any]:
    """How often each flag of each table is set: a flag has no value that could be found again."""
    return Counter(
        (table, name) for table, rows in written.items() for row in rows for name, value in row.items() if value is True
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "verb"), WRITES)
def test_what_no_form_declares_has_no_effect(path: str, verb: str) -> None:
    route, people, world = EXPECTED[path], callers(), records()
    let, all_columns, wrong = route.verbs[verb], bait(), []
    targets = (
        [world[route.noun][target] for target in (OWN, OTHER) if target in world[route.noun]] if route.noun else [0]
    )
    for actor in sorted(let.may - NOBODY):
        for pk in targets:
            body = let.body(pk)
            if not isinstance(body, dict):
                continue
            keys = declared(path, verb, {"pk": pk, "world": world}) | set(body)
            undeclared = {name: value for name, value in all_columns.items() if name not in keys}
            url = address_of(path, pk, world)
            status, plain_flags, _ = _tried(people[actor], verb, url, body)
            with_bait, bait_flags, traces = _tried(people[actor], verb, url, {**undeclared, **body})
            cell = f"{verb} {path} by {actor}"
            if status != with_bait:
                wrong.append(f"{cell}: {with_bait} instead of {status}")
            if traces:
                wrong.append(f"{cell}: {', '.join(traces)} in the database")
            if plain_flags != bait_flags:
                wrong.append(f"{cell}: flags {dict((bait_flags - plain_flags) | (plain_flags - bait_flags))}")
    assert not wrong, "\n".join(wrong)


def _tried(api: Any, verb: str, url: str, body: Any) -> tuple[int, Counter[Any], list[str]]:
    """The status of a call, the flags and the traces of the bait after it; then it is undone."""
    with transaction.atomic():
        answer = send(api, verb, url, body)
        rows = everything()
        text = str({table: rows[table] for table in rows if table != "common.IdempotentAnswer"})
        found = flags(rows), [trace for trace in TRACES if trace in text]
        transaction.set_rollback(True)
    return answer.status_code, *found
