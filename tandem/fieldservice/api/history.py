"""What happened to a machine or a visit, newest first. Beside contract F."""

from __future__ import annotations

from django.http import HttpResponse

from tandem.accounts.access import FIELD, caller
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.events.history import history_of
from tandem.fieldservice.models import Card, Visit

CARD_HISTORY = history_of("card")
VISIT_HISTORY = history_of("visit")


class CardHistory(Endpoint):
    @operation(FIELD, gives=CARD_HISTORY)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """Everything that happened to a card; whoever sees the card sees it."""
        card = find(Card.objects.visible_to(caller(request)), pk)
        return self.page(request, CARD_HISTORY, subject=str(card.pk))


class VisitHistory(Endpoint):
    @operation(FIELD, gives=VISIT_HISTORY)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """Everything that happened to a visit; whoever sees the visit sees it."""
        visit = find(Visit.objects.visible_to(caller(request)), pk)
        return self.page(request, VISIT_HISTORY, subject=str(visit.pk))
