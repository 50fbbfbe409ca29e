"""PATCH and PUT of visits that are completed or cancelled: nobody changes anything. CONTRACT §3 "Visit"."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tandem.common import moments
from tandem.fieldservice.models import Visit
from tests.cast import as_, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/services/"
TODAY = moments.today()


def day(plus: int) -> str:
    return (moments.today() + timedelta(days=plus)).isoformat()


@pytest.fixture
def visit() -> Visit:
    """Chitra's, done by Wasim."""
    return visit_to(card_of(person("chitra")), status="completed", assigned_to=person("wasim"))


@pytest.mark.parametrize("status", ["completed", "cancelled"])
@pytest.mark.parametrize(
    ("who", "body"),
    [
        ("asha", {"description": "x"}),
        ("asha", {"service_type": "free"}),
        ("asha", {"service_type": "auto"}),
        ("asha", {"visit_type": "CC"}),
        ("asha", {"preferred_date": day(5)}),
        ("asha", {"preferred_time": "11:00"}),
        ("asha", {"scheduled_at": None}),
        ("asha", {"scheduled_at": day(5)}),
        ("asha", {"next_service_date": day(90)}),
        ("asha", {"assigned_to": None}),
        ("wasim", {"description": "x"}),
        ("chitra", {"description": "x"}),
        ("chitra", {"preferred_date": day(5)}),
        ("chitra", {"preferred_time": "11:00"}),
    ],
)
def test_nobody_changes_a_closed_visit(visit: Visit, status: str, who: str, body: dict) -> None:
    Visit.objects.update(status=status, scheduled_on=TODAY, scheduled_at=moments.start_of(TODAY))
    api, before = as_(who), everything()
    answer = api.patch(f"{URL}{visit.pk}/", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "visit_closed")
    assert everything() == before


@pytest.mark.parametrize("who", ["asha", "chitra", "wasim"])
def test_a_closed_visit_gets_no_other_state(visit: Visit, who: str) -> None:
    Visit.objects.update(status="completed")
    wanted = "in_progress" if who == "wasim" else "cancelled"
    api, before = as_(who), everything()
    answer = api.patch(f"{URL}{visit.pk}/", {"description": "x", "status": wanted}).json()
    assert (answer["code"], answer["from"], answer["to"]) == ("invalid_transition", "completed", wanted)
    assert everything() == before


@pytest.mark.parametrize("status", ["completed", "cancelled"])
@pytest.mark.parametrize(
    ("who", "names"),
    [
        ("asha", None),
        ("wasim", {"status", "description"}),
        ("chitra", {"status", "description", "preferred_date", "preferred_time"}),
    ],
)
def test_a_closed_visit_may_come_back_as_it_is(visit: Visit, status: str, who: str, names: set[str] | None) -> None:
    past = TODAY - timedelta(days=40)
    Visit.objects.update(status=status, preferred_date=past, scheduled_on=past, scheduled_at=moments.start_of(past))
    api, url = as_(who), f"{URL}{visit.pk}/"
    shown, before = api.get(url), everything()
    answer = api.put(url, {key: value for key, value in shown.json().items() if not names or key in names})
    assert (answer.status_code, answer.content) == (200, shown.content)
    assert everything() == before
