"""What happened to a machine or a visit, newest first. Beside contract F."""

from __future__ import annotations

from django.db.models import QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse

from tandem.accounts.access import FIELD, caller
from tandem.accounts.models import Role
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.viewers import Viewer
from tandem.events.history import history_of
from tandem.events.models import Event
from tandem.fieldservice.models import Card, Visit


def _since_it_is_theirs(events: QuerySet[Event], viewer: Viewer) -> QuerySet[Event]:
    """To all but admins, only what happened since its customer became its customer: what was before is another's."""
    if viewer.role == Role.ADMIN:
        return events
    handed_over = events.filter(before__has_key="customer").order_by("-id").values("id")[:1]
    return events.filter(id__gt=Coalesce(Subquery(handed_over), 0))


CARD_HISTORY = history_of("card", seen=_since_it_is_theirs)
VISIT_HISTORY = history_of("visit", seen=_since_it_is_theirs)


class CardHistory(Endpoint):
    @operation(FIELD, gives=CARD_HISTORY)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """What happened to a card; whoever sees the card sees it, as far as it was its customer's already."""
        card = find(Card.objects.visible_to(caller(request)), pk)
        return self.page(request, CARD_HISTORY, subject=str(card.pk))


class VisitHistory(Endpoint):
    @operation(FIELD, gives=VISIT_HISTORY)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """What happened to a visit; whoever sees the visit sees it, as far as it was its customer's already."""
        visit = find(Visit.objects.visible_to(caller(request)), pk)
        return self.page(request, VISIT_HISTORY, subject=str(visit.pk))
