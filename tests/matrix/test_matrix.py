"""Actor × route × verb × record: what everybody gets everywhere, and that a refusal writes nothing.

QUALITY "Authorisation". The routes come from the URL map; the expectations are in expectations.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import URLPattern, URLResolver, get_resolver

from tests.figures import figure
from tests.matrix.actors import ACTORS, ADMINS, NOBODY, callers
from tests.matrix.expectations import EXPECTED, OUTSIDE, SEES, Let, Route
from tests.matrix.world import DELETED, MISSING, OTHER, OWN, records

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TARGETS = (OWN, OTHER, MISSING, DELETED)
API = ("api/", "api-token-auth/", "services/")
REFUSED = frozenset({401, 403, 404, 405})


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    """Every path of the URL map that belongs to the API."""
    for one in (resolver or get_resolver()).url_patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from routes(one, path)
        elif isinstance(one, URLPattern) and path.startswith(API):
            yield path


def cells(route: Route) -> Iterator[tuple[str, str, str | None]]:
    for verb in VERBS:
        for actor in ACTORS:
            targets = [target for target in TARGETS if target in _TARGETS_OF.get(route.noun or "", ())]
            for target in targets or [None]:
                yield verb, actor, target


_TARGETS_OF = {
    "card": (OWN, OTHER, MISSING, DELETED),
    "visit": (OWN, OTHER, MISSING),
    "finished": (OWN, OTHER, MISSING),
    "user": (OTHER, MISSING),
    "job": (OWN, MISSING),
    "client": (OWN, MISSING, DELETED),
    "student": (OWN, MISSING, DELETED),
    "follow_up": (OWN, MISSING, DELETED),
    "attribute": (OWN, MISSING, DELETED),
    "pipeline": (OWN, MISSING, DELETED),
    "lead": (OWN, MISSING, DELETED),
    "cohort": (OWN, MISSING, DELETED),
    "enrollment": (OWN, MISSING, DELETED),
    "seat": (OWN, MISSING, DELETED),
    "transfer": (OWN, MISSING, DELETED),
    "webhook": (OWN, MISSING, DELETED),
}


def expected(path: str, route: Route, verb: str, actor: str, target: str | None) -> frozenset[int]:
    let = route.verbs.get(verb)
    if let is not None and let.public:
        return _as_set(let.ok)
    if actor in NOBODY:
        return frozenset({401})
    if let is None:
        return frozenset({405})
    if actor not in let.may:
        return frozenset({403})
    names_a_record = "<" in path or verb == "POST"
    if target is not None and names_a_record and not _reaches(route.noun or "", let, actor, target):
        return frozenset({let.hidden})
    return frozenset({let.instead[actor]}) if actor in let.instead else _as_set(let.ok)


def _reaches(noun: str, let: Let, actor: str, target: str) -> bool:
    also = let.also | let.admins_also if actor in ADMINS else let.also
    return target in also or actor in SEES[noun].get(target, frozenset())


def _as_set(status: int | frozenset[int]) -> frozenset[int]:
    return status if isinstance(status, frozenset) else frozenset({status})


def rows_written() -> int:
    """How many rows this connection has inserted, updated or deleted so far, undone ones included."""
    if connection.vendor == "sqlite":
        return int(connection.connection.total_changes)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables")
        return int(cursor.fetchone()[0] or 0)


def _lists() -> dict[str, str]:
    """The lists, and the kind of record that each is one of: that of the address below it."""
    found = {}
    for path, route in EXPECTED.items():
        below = [EXPECTED[one] for one in (f"{path}<int:pk>/", f"{path}<uuid:pk>/") if one in EXPECTED]
        if "GET" in route.verbs and below and below[0].noun and "GET" in below[0].verbs:
            found[path] = below[0].noun
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("path", sorted(EXPECTED))
def test_everybody_gets_what_is_due(path: str) -> None:
    route, people, world = EXPECTED[path], callers(), records()
    wrong = []
    for verb, actor, target in cells(route):
        pk = world[route.noun][target] if route.noun and target else 0
        due = expected(path, route, verb, actor, target)
        let = route.verbs.get(verb)
        body = let.body(pk) if let and verb in ("POST", "PUT", "PATCH") else {}
        with transaction.atomic():
            before = rows_written()
            answer = send(people[actor], verb, address_of(path, pk, world), body)
            written = rows_written() - before
            transaction.set_rollback(True)
        cell = f"{verb} {path} by {actor} on {target}"
        if answer.status_code not in due:
            wrong.append(f"{cell}: {answer.status_code} instead of {sorted(due)}: {answer.content[:120]!r}")
        elif answer.status_code in REFUSED and written:
            wrong.append(f"{cell}: refused with {answer.status_code}, yet {written} rows were written")
        elif answer.status_code == 401 and "WWW-Authenticate" not in answer.headers:
            wrong.append(f"{cell}: a 401 without a challenge")
    assert not wrong, "\n".join(wrong)


# Nothing of this is a filter, so it must change nothing: neither narrow, nor order, nor reach for hidden columns.
_LURES = ("", "?ordering=password", "?order_by=-id&customer__password__startswith=a", "?deleted_at__isnull=false")


@pytest.mark.django_db
@pytest.mark.parametrize("path", sorted(_lists()))
def test_a_list_shows_the_records_whose_details_one_may_see(path: str) -> None:
    noun, people, world = _lists()[path], callers(), records()
    let, wrong = EXPECTED[path].verbs["GET"], []
    for actor in sorted(let.may - NOBODY):
        for lure in _LURES:
            answer = people[actor].get(address_of(path, 0, world) + lure)
            shown = {str(row["id"]) for row in answer.json()}
            for target in (OWN, OTHER, DELETED):
                if target not in world[noun]:
                    continue
                visible = target != DELETED and _reaches(noun, let, actor, target)
                if (str(world[noun][target]) in shown) != visible:
                    wrong.append(f"GET {path}{lure} by {actor}: {target} is {'missing' if visible else 'shown'}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("path", [path for path in sorted(_lists()) if "POST" in EXPECTED[path].verbs])
def test_what_is_created_has_the_etag_of_its_detail_where_it_looks_the_same(path: str) -> None:
    world, asha = records(), callers()["admin"]
    noun = EXPECTED[path].noun
    made = send(
        asha, "POST", address_of(path, 0, world), EXPECTED[path].verbs["POST"].body(world[noun][OWN] if noun else 0)
    )
    assert made.status_code in (200, 201), made.content
    shown = asha.get(f"{address_of(path, 0, world)}{made.json()['id']}/")
    assert made.headers.get("ETag") == (shown.headers["ETag"] if made.content == shown.content else None)


def address_of(path: str, pk: Any, world: dict[str, Any]) -> str:
    """The path with the tried record in it, and a fixed one of every other kind that it names."""
    named = {"pk": pk, "entity": "client", "student": world["student"][OWN], "delivery": world["delivery"][OWN]}
    return "/" + re.sub(r"<\w+:(\w+)>", lambda match: str(named[match[1]]), path)


def send(api: Any, verb: str, path: str, body: Any, **headers: str) -> Any:
    data = "" if verb == "GET" else json.dumps(body)
    return api.client.generic(verb, path, data, content_type="application/json", headers={**api.headers, **headers})


def test_every_route_has_an_expectation() -> None:
    assert set(routes()) == set(EXPECTED) | OUTSIDE


def test_the_size_of_the_matrix(record_property: Any) -> None:
    count = sum(1 for route in EXPECTED.values() for _ in cells(route))
    record_property("matrix_cells", count)
    figure(f"authorisation matrix: {count} cells, {len(EXPECTED)} routes, {len(ACTORS)} actors")
    assert count > 4000
