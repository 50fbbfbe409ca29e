"""`?attributes.<name>=` goes the way that is best for the value, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import connection

from tandem.academy.models import Attribute, Lead
from tandem.common import moments
from tests.cast import Api, as_
from tests.database import plan_of, rows

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no index of attributes"),
]


@pytest.fixture
def asha() -> Api:
    """An admin, and 4,000 leads: each fourth from Madurai, each with a number of its own; the oldest are 1, 2, 3 …"""
    now = moments.now()
    stamps = {"created_at": now, "updated_at": now}
    for name, kind in {"city": "text", "number": "number"}.items():
        Attribute.objects.create(entity="lead", name=name, label=name, type=kind, **stamps)
    cities = ["Madurai", "Salem", "Theni", "Vellore"]
    Lead.objects.bulk_create(
        Lead(name="A", stage="New", attributes={"city": cities[n % 4], "number": n}, **stamps) for n in range(4_000)
    )
    rows("SELECT gin_clean_pending_list('leads_by_attribute')")  # what autovacuum does
    rows("ANALYZE academy_lead")
    return as_("asha")


def plan_of_leads(api: Api, query: str) -> str:
    return plan_of(api, f"/api/leads/?{query}", "@>")


def test_a_rare_value_is_found_through_the_index(asha: Api) -> None:
    for query in ("attributes.number=7", "attributes.number=7&page=1", "attributes.number=3&stage=new"):
        assert "leads_by_attribute" in plan_of_leads(asha, query)


def test_a_common_value_is_found_newest_first(asha: Api) -> None:
    assert "leads_newest_first" in plan_of_leads(asha, "attributes.city=Madurai&limit=20")


def test_each_value_is_planned_for(asha: Api) -> None:
    # From its sixth run on a prepared statement keeps one plan: a million leads were read for each rare value then.
    for _ in range(6):
        asha.get("/api/leads/?attributes.number=7&limit=20")
        asha.get("/api/leads/?attributes.number=7&page=1")
        asha.get("/api/leads/?limit=20")
    prepared = [statement for (statement,) in rows("SELECT statement FROM pg_prepared_statements")]
    assert any("academy_lead" in statement for statement in prepared)
    assert not [statement for statement in prepared if "@>" in statement]
