"""Searches within names go through an index, where PostgreSQL can have one."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection, transaction

from tandem.academy.models import Client, Lead, Student
from tandem.academy.tests.leads import client
from tandem.academy.trigrams import EXTENSION, INDEXES, are_names_indexed, index_names
from tandem.common import moments
from tandem.config import doctor
from tests.cast import as_
from tests.database import plan_of, rows

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no such indexes"),
]
NAMES = ["Kumar", "Priya", "Ravi", "Meena"]


def people(how_many: int) -> None:
    """Of every kind: each fourth called Kumar, the oldest Xerxes."""
    now = moments.now()
    stamps = {"created_at": now, "updated_at": now}
    owner = client("Owner")
    for model, own in ((Client, {}), (Student, {"client": owner}), (Lead, {"stage": "New"})):
        manager: Any = model._default_manager
        manager.bulk_create(model(name=f"{NAMES[n % 4]} {n:05d}", **own, **stamps) for n in range(how_many))
        manager.create(name="Xerxes", **own, created_at=now.replace(year=2001), updated_at=now)
    for name, table in INDEXES.items():
        rows("SELECT gin_clean_pending_list(%s)", name)  # what autovacuum does
        rows(f"ANALYZE {table}")


@pytest.mark.parametrize("kind", ["clients", "services", "leads"])
def test_a_rare_word_is_found_through_the_index(kind: str) -> None:
    people(4_000)
    api = as_("asha")
    [index] = [name for name in INDEXES if name.startswith({"services": "students"}.get(kind, kind))]
    for query in ("name=xerx", "search=xerx", "search=xerx&page=1"):
        assert index in plan_of(api, f"/api/{kind}/?{query}", "LIKE")
    assert "newest_first" in plan_of(api, f"/api/{kind}/?search=kumar&limit=20", "LIKE"), "a common one, newest first"
    assert [row["name"] for row in api.get(f"/api/{kind}/?search=XERX").json()] == ["Xerxes"]


def test_a_search_is_planned_for_its_word_each_time() -> None:
    api = as_("asha")
    for _ in range(6):
        api.get("/api/leads/?search=kumar")
        api.get("/api/leads/?search=kumar&page=1")
        api.get("/api/leads/")
    prepared = [statement for (statement,) in rows("SELECT statement FROM pg_prepared_statements")]
    assert any("academy_lead" in statement for statement in prepared)
    assert not [statement for statement in prepared if "LIKE" in statement]


def test_a_role_that_may_not_have_them_gets_along_and_the_doctor_tells() -> None:
    assert are_names_indexed(connection)
    role = f"weak_{uuid.uuid4().hex}"
    rows(f"DROP EXTENSION {EXTENSION} CASCADE")
    rows(f"CREATE ROLE {role}")
    with transaction.atomic():
        rows(f"SET LOCAL ROLE {role}")
        assert "permission denied" in index_names(connection)
        rows("RESET ROLE")
    assert not are_names_indexed(connection)
    finding = doctor.searches()
    assert (finding.verdict, EXTENSION in finding.cure) == (doctor.Verdict.WARNING, True)
    client("Still found")
    assert [row["name"] for row in as_("asha").get("/api/clients/?search=still").json()] == ["Still found"]

    rows("SET CONSTRAINTS ALL IMMEDIATE")  # what is pending at the end of a transaction is in the way of an index
    assert index_names(connection) == ""
    assert index_names(connection) == "", "as often as one likes"
    assert are_names_indexed(connection)
    assert doctor.searches().verdict == doctor.Verdict.OK
