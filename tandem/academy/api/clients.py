"""Contract A §2: clients."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.clients import HasStudents, change_client, create_client, delete_client, restore_client
from tandem.academy.api.answers import CLIENT
from tandem.academy.api.filters import by_attribute
from tandem.academy.api.inputs import DescribedIn
from tandem.academy.api.records import Resource, deleted_or_live
from tandem.academy.models import Client, Entity
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.reading.listing import Listing, Order, by_text
from tandem.common.reading.query import flag_in
from tandem.common.rendering import empty_answer

NEWEST_FIRST = {"": Order(("created_at", "id"), descending=True)}

_FILTERS = {
    "name": by_text("name__icontains"),
    "search": by_text("name__icontains"),
    **by_attribute(Entity.CLIENT),
}
CLIENTS = Listing(CLIENT, Client.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_CLIENTS = Listing(CLIENT, Client.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Resource(Entity.CLIENT, Client, CLIENT, "client", restore_client)


class ClientIn(DescribedIn):
    name = serializers.CharField(max_length=255)


class ClientList(Endpoint):
    @operation(may("view", "client"), gives=CLIENTS)
    def get(self, request: Request) -> HttpResponse:
        """All clients, newest first; `?attributes.<name>=` narrows; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, CLIENTS, DELETED_CLIENTS)

    @operation(may("add", "client"), takes=ClientIn, gives=CLIENT, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a client."""
        client = create_client(body, by=caller(request), now=moments.now())
        return self.record(CLIENT, client.pk, status=201)


class ClientDetail(Endpoint):
    shows, rows = CLIENT, Client.objects.visible_to

    @operation(may("view", "client"), gives=CLIENT)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A client."""
        return self.detail(request, pk)

    @operation(may("change", "client"), takes=ClientIn, gives=CLIENT)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a client; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "client"), takes=ClientIn, gives=CLIENT)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a client; attributes are merged, lists of tasks and notes replaced."""
        change_client(find(Client.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "client"), refuses=[HasStudents], query={"cascade": {"type": "boolean"}})
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a client; `?cascade=true` deletes its students along."""
        client = find(Client.objects.live(), pk)
        cascade = bool(flag_in(request.query_params.dict(), "cascade"))
        delete_client(client, cascade=cascade, by=caller(request), now=moments.now())
        return empty_answer()
