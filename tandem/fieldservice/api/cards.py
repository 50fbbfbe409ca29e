"""Contract F §3: cards."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import ADMIN, CUSTOMER_OR_ADMIN, FIELD, caller
from tandem.accounts.models import Role
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, Who, find, operation
from tandem.common.inputs import DayField, Defaulting, IdField
from tandem.common.reading.listing import Listing, by_choice, by_flag, by_id, by_text, by_word
from tandem.common.rendering import empty_answer
from tandem.fieldservice.actions.cards import OpenVisits, change_card, create_card, delete_card, restore_card
from tandem.fieldservice.api.answers import CARD, CARD_DETAIL
from tandem.fieldservice.models import Card, CardType

_FILTERS = {
    "customer": by_id("customer"),
    "region": by_word("region__lower"),
    "card_type": by_choice("card_type", CardType.values),
    "is_active": by_flag("is_active"),
    "search": by_text(
        "model__icontains",
        "customer_name__icontains",
        "customer__phone__contains",
        "address__icontains",
        "city__icontains",
        phones=True,
        doc="Part of the model, the customer's name or phone, the address or the city.",
    ),
}
CARDS = Listing(CARD, Card.objects.visible_to, _FILTERS)
DELETED_CARDS = Listing(CARD, Card.objects.deleted_for, _FILTERS)

# Which customers may write is a setting, read when a request comes.
_WRITERS = Who(
    "admins; customers for their own machines where CRM_ALLOW_CUSTOMER_CARD_CREATE is on",
    lambda user: (
        CUSTOMER_OR_ADMIN.allows(user) and (user.role == Role.ADMIN or settings.CRM_ALLOW_CUSTOMER_CARD_CREATE)
    ),
)


class CardIn(Defaulting):
    defaults = ("customer_name", "card_type", "region", "address", "city", "postal_code", "is_active")

    model = serializers.CharField(max_length=100)
    customer = IdField(required=False)
    customer_name = serializers.CharField(max_length=150, required=False, allow_null=True, allow_blank=True)
    card_type = serializers.ChoiceField(CardType.choices, required=False, allow_null=True)
    region = serializers.CharField(max_length=50, required=False, allow_null=True, allow_blank=True)
    address = serializers.CharField(max_length=255, required=False, allow_null=True, allow_blank=True)
    city = serializers.CharField(max_length=100, required=False, allow_null=True, allow_blank=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_null=True, allow_blank=True)
    date_of_installation = DayField(required=False, allow_null=True)
    warranty_start_date = DayField(required=False, allow_null=True)
    warranty_end_date = DayField(required=False, allow_null=True)
    amc_start_date = DayField(required=False, allow_null=True)
    amc_end_date = DayField(required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False, allow_null=True)


class CardList(Endpoint):
    @operation(FIELD, gives=CARDS)
    def get(self, request: Request) -> HttpResponse:
        """The cards that the caller may see; `?deleted=true` (admins): only the deleted ones."""
        return self.live_or_deleted(request, CARDS, DELETED_CARDS, sees_deleted=ADMIN)

    @operation(_WRITERS, takes=CardIn, gives=CARD, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Register a machine for a customer."""
        card = create_card(body, by=caller(request), now=moments.now())
        return self.record(CARD, card.pk, status=201)


class CardDetail(Endpoint):
    shows, rows = CARD_DETAIL, Card.objects.visible_to

    @operation(FIELD, gives=CARD_DETAIL)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """A card with its newest visits and the next day on which a visit would be free."""
        return self.detail(request, pk)

    @operation(_WRITERS, takes=CardIn, gives=CARD_DETAIL)
    def put(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a card; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(_WRITERS, takes=CardIn, gives=CARD_DETAIL)
    def patch(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a card."""
        card = find(Card.objects.visible_to(caller(request)), pk)
        change_card(card, body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(ADMIN, refuses=[OpenVisits])
    def delete(self, request: Request, pk: int) -> HttpResponse:
        """Take a card out of every list; `restore/` brings it back."""
        card = find(Card.objects.visible_to(caller(request)), pk)
        delete_card(card, by=caller(request), now=moments.now())
        return empty_answer()


class CardRestore(Endpoint):
    # With If-Match, and for the answer, a card is looked for whether it is deleted or not.
    shows, rows = CARD_DETAIL, Card.objects.kept_for

    @operation(ADMIN, gives=CARD_DETAIL)
    def post(self, request: Request, pk: int) -> HttpResponse:
        """Bring a deleted card back."""
        restore_card(find(Card.objects.all(), pk), by=caller(request), now=moments.now())
        return self.detail(request, pk)
