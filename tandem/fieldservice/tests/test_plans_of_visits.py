"""Pages of visits are found through an index of their order, however many visits there are, on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from tandem.common import moments
from tandem.fieldservice.models import Visit
from tests.cast import Api, as_, card_of, person, visit_to
from tests.database import plan_of, rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="the plans of PostgreSQL"),
]
TODAY = moments.today()


@pytest.fixture
def asha() -> Api:
    """An admin; 8,000 visits that are done, four a day, some to come, and a few that have no day yet."""
    card, wasim = card_of(person("chitra")), person("wasim")
    one = visit_to(card, scheduled_on=TODAY)
    stamps = {
        name: getattr(one, name) for name in ("card_id", "customer_id", "requested_by_id", "created_at", "updated_at")
    }
    fixed = [
        Visit(
            **stamps,
            status="completed" if n > 40 else "assigned",
            assigned_to=wasim if n % 4 == 0 else None,
            preferred_date=(on := TODAY + timedelta(days=10 - n // 4)),
            scheduled_on=on,
            scheduled_at=moments.start_of(on),
        )
        for n in range(8_000)
    ]
    undated = [Visit(**stamps, status="pending", preferred_date=TODAY - timedelta(days=n + 1)) for n in range(20)]
    Visit.objects.all().delete()
    # None of them is open twice on a day.
    Visit.objects.bulk_create([v for v in fixed if v.status == "completed" or v.assigned_to_id] + undated)
    rows("VACUUM ANALYZE fieldservice_visit")
    return as_("asha")


def plan_of_visits(api: Api, query: str) -> str:
    assert api.get(f"/api/crm/services/?limit=50&{query}").json()
    return plan_of(api, f"/api/crm/services/?limit=50&{query}", "schedule_key")


def test_those_of_one_status_stand_in_their_order(asha: Api) -> None:
    """Those that wait for a day stand behind all others: along the order of all they were found last."""
    plan = plan_of_visits(asha, "status=pending")
    assert "Index Scan using visits_by_status on fieldservice_visit" in plan, plan
    assert "Sort" not in plan, plan


def test_those_of_a_worker_stand_in_their_order(asha: Api) -> None:
    plan = plan_of_visits(asha, f"assigned_to={person('wasim').pk}")
    assert "Index Scan using visits_of_worker on fieldservice_visit" in plan, plan
    assert "Sort" not in plan, plan


def test_what_was_before_the_first_day_is_not_read(asha: Api) -> None:
    assert "Index Cond: (schedule_key >= " in plan_of_visits(asha, f"from={TODAY - timedelta(days=9)}")
