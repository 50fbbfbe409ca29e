"""Contract F §6: work logs."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from tandem.accounts.access import FIELD, WORKER_OR_ADMIN, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.inputs import IdField
from tandem.common.reading.listing import Listing, by_id
from tandem.fieldservice.actions.completion import VisitCancelled, add_entry
from tandem.fieldservice.api.answers import ENTRY
from tandem.fieldservice.api.work import WorkIn, work_of
from tandem.fieldservice.models import ServiceEntry

ENTRIES = Listing(ENTRY, ServiceEntry.objects.visible_to, filters={"service": by_id("visit")})


class EntryIn(WorkIn):
    service = IdField()


class EntryList(Endpoint):
    @operation(FIELD, gives=ENTRIES)
    def get(self, request: Request) -> HttpResponse:
        """The work logs of the visits that the caller may see, oldest first."""
        return self.page(request, ENTRIES)

    @operation(WORKER_OR_ADMIN, takes=EntryIn, gives=ENTRY, status=201, multipart=True, refuses=[VisitCancelled])
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Log work on a visit, without completing it. The assigned worker, or an admin."""
        entry = add_entry(work_of(body), to=body["service"], by=caller(request), now=moments.now())
        return self.record(ENTRY, entry.pk, status=201)
