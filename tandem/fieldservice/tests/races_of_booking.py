"""What is raced in test_races_of_booking.py; see tests/racing.py."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Visit
from tests.cast import as_, card_of, person, visit_to
from tests.racing import Scenario

URL = "/api/crm/services/"


def _booking(card: int, days: int) -> dict[str, Any]:
    return {"card": card, "preferred_date": (moments.today() + timedelta(days=days)).isoformat()}


def one_day() -> Scenario:
    card, chitra = card_of(person("chitra")), as_("chitra")
    answers = yield lambda n: chitra.post(URL, _booking(card.pk, 5)).status_code
    return {"answers": Counter(answers), "visits": Visit.objects.count(), "events": _events("visit.booked")}


def many_days() -> Scenario:
    card, chitra = card_of(person("chitra")), as_("chitra")

    def book(n: int) -> list[Any]:
        answer = chitra.post(URL, _booking(card.pk, 1 + n % 30))
        return [answer.status_code, answer.json().get("service_type")]

    answers = yield book
    return {"free": answers.count([201, "free"]), "stored": Visit.objects.filter(service_type="free").count()}


def one_key() -> Scenario:
    card, chitra = card_of(person("chitra")), as_("chitra")

    def book(n: int) -> list[Any]:
        answer = chitra.post(URL, _booking(card.pk, 5), Idempotency_Key="tap")
        return [answer.status_code, answer.json().get("code"), answer.json().get("id")]

    answers = yield book
    again = chitra.post(URL, _booking(card.pk, 5), Idempotency_Key="tap")
    return {
        "answers": sorted({tuple(answer) for answer in answers}),
        "visits": [visit.pk for visit in Visit.objects.all()],
        "events": _events("visit.booked"),
        "again": [again.status_code, again.json()["id"], again["Idempotent-Replayed"]],
    }


def one_worker() -> Scenario:
    visit, asha = visit_to(card_of(person("chitra"))), as_("asha")
    body = {"assigned_to": person("wasim").pk}
    answers = yield lambda n: asha.post(f"{URL}{visit.pk}/assign/", body).status_code
    return {"answers": Counter(answers), "events": _events("visit.assigned")}


def _events(type: str) -> int:
    return Event.objects.filter(type=type).count()
