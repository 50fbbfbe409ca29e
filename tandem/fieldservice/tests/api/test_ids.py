"""Ids that no record can have, in addresses and in bodies: not found and bad input, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tandem.common import moments
from tests.cast import as_, card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
VISITS, CARDS = "/api/crm/services/", "/api/crm/cards/"


@pytest.mark.parametrize("headers", [{}, {"If_Match": "*"}, {"If_Match": '"old"'}])
@pytest.mark.parametrize("pk", ["4711", str(2**63 - 1), str(2**63), "9" * 20])
def test_an_address_that_names_no_record_is_not_found(pk: str, headers: dict[str, str]) -> None:
    asha, wasim = as_("asha"), person("wasim")
    tomorrow = (moments.today() + timedelta(days=1)).isoformat()
    before = everything()
    for method, address, body in (
        ("patch", f"{VISITS}{pk}/", {"description": "x"}),
        ("put", f"{VISITS}{pk}/", {"description": "x"}),
        ("post", f"{VISITS}{pk}/assign/", {"assigned_to": wasim.pk}),
        ("post", f"{VISITS}{pk}/reschedule/", {"scheduled_at": tomorrow}),
        ("post", f"{VISITS}{pk}/cancel/", {}),
        ("post", f"{VISITS}{pk}/request_otp/", {}),
        ("post", f"{VISITS}{pk}/verify_otp/", {"otp": "123456"}),
        ("patch", f"{CARDS}{pk}/", {"city": "x"}),
        ("post", f"{CARDS}{pk}/restore/", {}),
    ):
        answer = getattr(asha, method)(address, body, **headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), address
    assert everything() == before


@pytest.mark.parametrize("pk", ["9" * 19, "9" * 40, str(2**63), "-" + "9" * 19, -1, 0])
def test_an_id_that_no_record_can_have_is_bad_input_on_its_field(pk: Any) -> None:
    card, asha, chitra = card_of(person("chitra")), as_("asha"), as_("chitra")
    visit, day = visit_to(card), (moments.today() + timedelta(days=2)).isoformat()
    before = everything()
    for answer, field in (
        (chitra.post(VISITS, {"card": pk, "preferred_date": day}), "card"),
        (asha.post(VISITS, {"card": pk, "preferred_date": day}), "card"),
        (asha.post(VISITS, {"card": card.pk, "preferred_date": day, "assigned_to": pk}), "assigned_to"),
        (asha.patch(f"{VISITS}{visit.pk}/", {"assigned_to": pk}), "assigned_to"),
        (asha.post(f"{VISITS}{visit.pk}/assign/", {"assigned_to": pk}), "assigned_to"),
        (asha.post(CARDS, {"model": "AquaPure", "customer": pk}), "customer"),
        (asha.patch(f"{CARDS}{card.pk}/", {"customer": pk}), "customer"),
        (asha.post("/api/crm/service-entries/", {"service": pk, "work_detail": "x"}), "service"),
        (chitra.post("/api/crm/feedbacks/", {"service": pk, "rating": 5}), "service"),
        (asha.post("/api/crm/attendance/mark_present/", {"user": pk, "date": day}), "user"),
    ):
        assert (answer.status_code, list(answer.json())) == (400, [field])
    assert everything() == before
