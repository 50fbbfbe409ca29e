"""Writing /api/crm/cards/. Contract F §3."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tandem.accounts.models import User
from tandem.common import moments
from tandem.events.models import Event
from tandem.fieldservice.actions import completion
from tandem.fieldservice.models import Card, Visit
from tandem.fieldservice.rules import otp
from tandem.fieldservice.tests.api.conftest import as_
from tests.cast import card_of, person, visit_to
from tests.database import everything

pytestmark = pytest.mark.django_db
URL = "/api/crm/cards/"


@pytest.fixture
def card() -> Card:
    return card_of(person("chitra"))


class TestDeleted:
    @pytest.fixture(autouse=True)
    def deleted(self, card: Card) -> Card:
        """Beside one that is there, to which nothing was ever done."""
        deleted = card_of(person("chitra"))
        assert as_("asha").delete(f"{URL}{deleted.pk}/").status_code == 204
        return deleted

    @pytest.mark.parametrize(
        "query", ["deleted=true", "deleted=1", "deleted=True", "%3Fdeleted=true", "deleted=+TRUE+"]
    )
    def test_admins_list_the_deleted_ones(self, deleted: Card, query: str) -> None:
        assert [row["id"] for row in as_("asha").get(f"{URL}?{query}").json()] == [deleted.pk]

    @pytest.mark.parametrize("name", ["chitra", "wasim"])
    @pytest.mark.parametrize("query", ["deleted=true", "deleted=1", "%3Fdeleted=True"])
    def test_nobody_else_does(self, name: str, query: str) -> None:
        assert as_(name).get(f"{URL}?{query}").status_code == 403

    @pytest.mark.parametrize("name", ["asha", "chitra"])
    @pytest.mark.parametrize("query", ["deleted=false", "deleted=0", "deleted=False", "deleted=", "%3Fdeleted=0"])
    def test_without_it_those_that_are_there_are_listed(self, card: Card, name: str, query: str) -> None:
        assert [row["id"] for row in as_(name).get(f"{URL}?{query}").json()] == [card.pk]

    @pytest.mark.parametrize("name", ["asha", "chitra"])
    @pytest.mark.parametrize("raw", ["abc", "yes", "2", "true,false"])
    def test_what_is_no_flag_is_refused(self, name: str, raw: str) -> None:
        answer = as_(name).get(f"{URL}?deleted={raw}")
        assert (answer.status_code, answer.json()) == (400, {"deleted": ["Must be true or false."]})

    def test_lists_of_the_other_contract_read_it_in_the_same_way(self) -> None:
        asha, url = as_("asha"), "/api/clients/"
        made = asha.post(url, {"name": "Jane Doe"}).json()
        assert asha.delete(f"{url}{made['id']}/").status_code == 204
        assert [row["id"] for row in asha.get(f"{url}?%3Fdeleted=1").json()] == [made["id"]]
        assert asha.get(f"{url}?deleted=0").json() == []
        assert asha.get(f"{url}?deleted=abc").json() == {"deleted": ["Must be true or false."]}


@pytest.mark.parametrize("dialled", ["09000000002", "90000 00002", "+91-90000-00002", "00000002"])
def test_a_search_finds_a_phone_however_it_is_written(card: Card, dialled: str) -> None:
    card_of(person("deepak"))
    for url, found in ((URL, card), ("/api/crm/services/", visit_to(card))):
        assert [row["id"] for row in as_("asha").get(f"{url}?search={quote(dialled)}").json()] == [found.pk]


class TestRestoreIfMatch:
    """The tag is the one that the card had before it was deleted: a deletion changes nothing that is shown."""

    def test_any_and_the_right_one_match(self, card: Card) -> None:
        asha, url = as_("asha"), f"{URL}{card.pk}/"
        tag = asha.get(url).headers["ETag"]
        for wanted in ("*", tag):
            assert asha.delete(url).status_code == 204
            assert asha.post(f"{url}restore/", If_Match=wanted).status_code == 200

    def test_another_does_not_and_restores_nothing(self, card: Card) -> None:
        asha, url = as_("asha"), f"{URL}{card.pk}/"
        assert asha.delete(url).status_code == 204
        assert asha.post(f"{url}restore/", If_Match='"x"').status_code == 412
        assert asha.get(url).status_code == 404


@pytest.mark.parametrize("key", ["customer_name", "card_type", "region", "address", "is_active"])
def test_null_for_what_cannot_be_null_says_nothing(card: Card, key: str) -> None:
    before = as_("asha").get(f"{URL}{card.pk}/").json()
    assert as_("asha").patch(f"{URL}{card.pk}/", {key: None}).json() == before


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


# --- another customer ------------------------------------------------------------------------------------------------
def waiting(card: Card) -> Visit:
    """A visit of Wasim's that waits for the customer's code."""
    visit = visit_to(card, status="in_progress", assigned_to=person("wasim"))
    assert as_("wasim").post(f"/api/crm/services/{visit.pk}/request_otp/").status_code == 200
    visit.refresh_from_db()
    return visit


def verify(visit: Visit, code: str) -> Any:
    return as_("wasim").post(f"/api/crm/services/{visit.pk}/verify_otp/", {"otp": code})


def test_a_code_that_the_old_customer_was_sent_completes_nothing(card: Card, clock, latest_code, messages) -> None:
    visit = waiting(card)
    of_chitra, expires_at = latest_code(), moments.iso(clock.time + otp.VALID_FOR)
    clock.move(seconds=10)
    answer = as_("asha").patch(f"{URL}{card.pk}/", {"customer": person("deepak").pk})
    assert (answer.status_code, answer.json()["customer"]) == (200, person("deepak").pk)
    [told, of_card] = Event.objects.order_by("pk")[1:]
    owners = [{"customer": person(name).pk} for name in ("chitra", "deepak")]
    assert (told.type, told.subject_id) == ("visit.code_voided", str(visit.pk))
    sides = ({**owners[0], "otp_expires_at": expires_at}, {**owners[1], "otp_expires_at": None})
    assert (told.before, told.after) == sides
    assert (of_card.type, of_card.facts) == ("card.updated", {"codes_voided": [visit.pk]})
    assert verify(visit, of_chitra).json()["code"] == "otp_expired"
    clock.move(seconds=60)
    assert as_("wasim").post(f"/api/crm/services/{visit.pk}/request_otp/").status_code == 200
    assert [to for to, _ in messages()] == [person("chitra").phone, person("deepak").phone]
    assert verify(visit, latest_code()).status_code == 200


def test_a_code_that_is_asked_for_meanwhile_goes_to_the_new_customer(card: Card, clock, messages, monkeypatch) -> None:
    visit = visit_to(card, status="in_progress", assigned_to=person("wasim"))
    locked, deepak = completion.locked_visit, person("deepak")

    def locked_when_the_change_was_done(visit: Visit, **options: Any) -> Visit:
        found = locked(visit, **options)
        Card.objects.update(customer=deepak)
        return found

    monkeypatch.setattr(completion, "locked_visit", locked_when_the_change_was_done)
    assert as_("wasim").post(f"/api/crm/services/{visit.pk}/request_otp/").status_code == 200
    assert [to for to, _ in messages()] == [deepak.phone]


@pytest.mark.parametrize("sent", [{"city": "Madurai"}, {"customer": "chitra"}])
def test_the_code_stays_while_the_customer_does(card: Card, clock, latest_code, sent: dict[str, str]) -> None:
    visit = waiting(card)
    body = {name: person(value).pk if name == "customer" else value for name, value in sent.items()}
    assert as_("asha").patch(f"{URL}{card.pk}/", body).status_code == 200
    assert not Event.objects.filter(type="visit.code_voided").exists()
    assert verify(visit, latest_code()).status_code == 200


def test_visits_without_a_pending_code_stay_as_they_are(card: Card, clock) -> None:
    other = waiting(card_of(person("chitra"), model="Another"))
    its_own = visit_to(card, status="assigned", assigned_to=person("wasim"))
    visit_to(card, status="completed", assigned_to=person("wasim"))
    before = list(Visit.objects.order_by("pk").values())
    as_("asha").patch(f"{URL}{card.pk}/", {"customer": person("deepak").pk})
    after = list(Visit.objects.order_by("pk").values())
    changed = {"customer_id": person("deepak").pk, "updated_at": after[1]["updated_at"]}
    assert after == [{**row, **changed} if row["id"] == its_own.pk else row for row in before]
    assert before[0]["id"] == other.pk
    assert Event.objects.get(type="card.updated").facts == {}


@pytest.mark.parametrize(
    ("was", "sent", "becomes"),
    [
        ("Chitra", {}, "Deepak"),
        ("Chitra", {"customer_name": ""}, "Deepak"),
        ("Chitra", {"customer_name": "The café"}, "The café"),
        ("The café", {}, "The café"),
        ("The café", {"customer_name": ""}, "Deepak"),
    ],
)
def test_the_name_follows_if_it_was_the_old_customer_s(
    card: Card, was: str, sent: dict[str, str], becomes: str
) -> None:
    Card.objects.update(customer_name=was)
    shown = as_("asha").patch(f"{URL}{card.pk}/", {"customer": person("deepak").pk, **sent}).json()
    assert shown["customer_name"] == becomes
    event = Event.objects.get()
    assert event.before.get("customer_name", becomes) == was
    assert event.after.get("customer_name", was) == becomes
