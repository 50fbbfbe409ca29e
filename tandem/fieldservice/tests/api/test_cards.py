"""Writing /api/crm/cards/. Contract F §3."""

from __future__ import annotations

import pytest

from tandem.accounts.models import User
from tandem.events.models import Event
from tandem.fieldservice.models import Card
from tests.cast import as_, card_of, person
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/cards/"


@pytest.fixture
def card() -> Card:
    return card_of(person("chitra"))


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
