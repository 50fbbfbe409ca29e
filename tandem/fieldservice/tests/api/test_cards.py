"""Writing /api/crm/cards/. Contract F §3."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.accounts.models import User
from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.models import Card
from tests.cast import as_, card_of, person
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/cards/"


@pytest.fixture
def card() -> Card:
    return card_of(person("chitra"))


# As the document shows it; only `customer` is filled in.
AS_DOCUMENTED = {
    "model": "AquaPure X1",
    "customer_name": "Ramesh",
    "card_type": "om",
    "region": "rajapalayam",
    "address": "12 MG Road",
    "city": "Rajapalayam",
    "postal_code": "626117",
    "date_of_installation": "2025-09-15",
    "warranty_start_date": "2025-09-15",
    "warranty_end_date": "2026-09-14",
}
NOT_THE_CUSTOMERS = {
    "card_type": "normal",
    "warranty_start_date": None,
    "warranty_end_date": None,
    "amc_start_date": None,
    "amc_end_date": None,
    "is_active": True,
}


class TestByCustomers:
    @pytest.fixture(autouse=True)
    def allowed(self, settings: Any) -> None:
        settings.CRM_ALLOW_CUSTOMER_CARD_CREATE = True

    @pytest.mark.parametrize("names_herself", [True, False])
    def test_the_documented_body_registers_a_machine_without_what_admins_decide(self, names_herself: bool) -> None:
        chitra = person("chitra")
        body = {**AS_DOCUMENTED, "amc_start_date": "2026-01-01", "amc_end_date": "2025-01-01", "is_active": False}
        answer = as_("chitra").post(URL, {**body, **({"customer": chitra.pk} if names_herself else {})})
        assert answer.status_code == 201, answer.content
        card = Card.objects.get()
        assert answer.json() == {
            **AS_DOCUMENTED,
            **NOT_THE_CUSTOMERS,
            "id": card.pk,
            "customer": chitra.pk,
            "customer_phone": "+919000000002",
            "created_at": moments.iso(card.created_at),
            "updated_at": moments.iso(card.updated_at),
        }
        assert Event.objects.get().after.keys().isdisjoint(NOT_THE_CUSTOMERS)

    def test_a_whole_card_comes_back_with_another_city(self, card: Card) -> None:
        Card.objects.update(amc_start_date="2026-01-01", amc_end_date="2026-12-31", is_active=False)
        chitra, url = as_("chitra"), f"{URL}{card.pk}/"
        whole = chitra.get(url).json()
        shown = chitra.put(url, {**whole, **NOT_THE_CUSTOMERS, "card_type": "om", "city": "Madurai"}).json()
        assert shown == {**whole, "city": "Madurai", "updated_at": shown["updated_at"]}
        assert Event.objects.get().after == {"city": "Madurai"}

    @pytest.mark.parametrize("method", ["post", "put", "patch"])
    def test_nobody_registers_a_machine_for_somebody_else(self, card: Card, method: str) -> None:
        chitra, deepak = as_("chitra"), person("deepak")
        before = everything()
        body = {"model": "AquaPure X1", "customer": deepak.pk}
        answer = getattr(chitra, method)(URL if method == "post" else f"{URL}{card.pk}/", body)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
        assert everything() == before

    def test_without_the_setting_they_may_not(self, card: Card, settings: Any) -> None:
        settings.CRM_ALLOW_CUSTOMER_CARD_CREATE = False
        chitra = as_("chitra")
        before = everything()
        assert chitra.post(URL, AS_DOCUMENTED).status_code == 403
        assert chitra.put(f"{URL}{card.pk}/", AS_DOCUMENTED).status_code == 403
        assert everything() == before


def test_a_whole_card_comes_back_whatever_its_owner_is_by_now(card: Card) -> None:
    asha, url = as_("asha"), f"{URL}{card.pk}/"
    User.objects.filter(pk=card.customer_id).update(role="worker")
    whole, before = asha.get(url), everything()
    assert asha.put(url, whole.json()).content == whole.content
    assert everything() == before
    shown = asha.put(url, {**whole.json(), "city": "Madurai"}).json()
    assert (shown["city"], shown["customer"]) == ("Madurai", card.customer_id)
    assert Event.objects.get().after == {"city": "Madurai"}


@pytest.mark.parametrize("name", ["wasim", "asha", "omar"])
def test_only_a_customer_becomes_a_machine_s_customer(card: Card, name: str) -> None:
    asha, other = as_("asha"), person(name)
    before = everything()
    answer = asha.patch(f"{URL}{card.pk}/", {"customer": other.pk})
    assert (answer.status_code, list(answer.json())) == (400, ["customer"])
    assert everything() == before
