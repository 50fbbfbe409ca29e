"""`/api/my-tasks/` reads the tasks of its caller, however many others have some, on PostgreSQL."""

from __future__ import annotations

import pytest
from django.db import connection

from tandem.academy.models import Lead, Task
from tandem.common import moments
from tests.cast import Api, as_, person
from tests.database import plan_of, rows

pytestmark = [
    pytest.mark.django_db(transaction=True),  # an index alone answers for rows that were vacuumed
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the plans of PostgreSQL"),
]


@pytest.fixture
def asha() -> Api:
    """An admin who is responsible for twenty leads; each of 8,000 has an open task that somebody else wrote."""
    api, omar, now = as_("asha"), person("omar"), moments.now()
    me = api.get("/api/me/").json()["id"]
    stamps = {"created_at": now, "updated_at": now}
    leads = [Lead(name="A", stage="New", responsible_id=omar.pk if n % 400 else me, **stamps) for n in range(8_000)]
    Lead.objects.bulk_create(leads)
    Task.objects.bulk_create(
        Task(entity="lead", record=lead.pk, position=0, user=omar, date_created=now, task="Call") for lead in leads
    )
    for table in ("academy_lead", "academy_task"):
        rows(f"VACUUM ANALYZE {table}")
    return api


def test_tasks_of_ones_leads_are_found_through_the_index(asha: Api) -> None:
    assert len(asha.get("/api/my-tasks/").json()) == 20
    plan = plan_of(asha, "/api/my-tasks/", "academy_task")
    assert "Index Only Scan using open_tasks_of_record" in plan
    assert "Seq Scan on academy_task" not in plan
