"""`If-Match` locks in the order of the action behind it, or two requests could wait for each other for ever."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import resolve

from tests.matrix.actors import callers
from tests.matrix.expectations import EXPECTED
from tests.matrix.test_matrix import address_of, send
from tests.matrix.world import DELETED, OTHER, OWN, records

GUARDED = ("POST", "PUT", "PATCH", "DELETE")
_LOCK = re.compile(r'FROM "(\w+)".* FOR (?:NO KEY )?(?:UPDATE|SHARE)')


def _guarded() -> list[tuple[str, str]]:
    """Every change of a record whose ETag can be asked for."""
    found = []
    for path, route in EXPECTED.items():
        view: Any = resolve("/" + re.sub(r"<(\w+):\w+>", _example, path)).func
        if getattr(view.view_class, "shows", None) is not None:
            found += [(verb, path) for verb in GUARDED if verb in route.verbs]
    return sorted(found)


def _example(match: re.Match[str]) -> str:
    return {"int": "1", "uuid": "8d7c2f5e-0000-4000-8000-000000000000"}.get(match[1], "client")


def _locked(verb: str, address: str, body: Any, **headers: str) -> tuple[int, list[str]]:
    """The status, and the tables in the order in which a row of them was locked first. Nothing is kept."""
    seen: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with transaction.atomic(), connection.execute_wrapper(note):
        answer = send(callers()["admin"], verb, address, body, **headers)
        transaction.set_rollback(True)
    locks = map(_LOCK.search, seen)
    return answer.status_code, list(dict.fromkeys(lock[1] for lock in locks if lock))


@pytest.mark.django_db
def test_if_match_locks_in_the_order_of_the_action() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, from the beginning of its transaction")
    world, compared, wrong = records(), 0, []
    for verb, path in _guarded():
        route = EXPECTED[path]
        some = world[route.noun] if route.noun else {}
        pk = some.get(DELETED if path.endswith("restore/") else OWN, some.get(OTHER))
        address, body = address_of(path, pk, world), route.verbs[verb].body(pk)
        plain, without = _locked(verb, address, body)
        guarded, with_it = _locked(verb, address, body, **{"If-Match": "*"})
        if plain >= 400 or not without:
            continue
        compared += 1
        if guarded != plain:
            wrong.append(f"{verb} {path}: {guarded} with If-Match, {plain} without")
        if [table for table in with_it if table in without] != without:
            wrong.append(f"{verb} {path} locks {with_it} with If-Match, {without} without")
    assert not wrong, "\n".join(wrong)
    assert compared >= 30
