"""Contract A §7: cohorts."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.cohorts import CohortInUse, change_cohort, create_cohort, delete_cohort, restore_cohort
from tandem.academy.api.clients import NEWEST_FIRST
from tandem.academy.api.records import Kept, deleted_or_live
from tandem.academy.api.teaching_answers import COHORT
from tandem.academy.models import Cohort
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import DayField, IdField, Input
from tandem.common.reading.listing import Listing, by_day, by_id, by_text
from tandem.common.rendering import empty_answer

_FILTERS = {
    "name": by_text("name_cohort__icontains"),
    "search": by_text("name_cohort__icontains", "instructor__name__icontains", doc="Part of either name."),
    "instructor": by_id("instructor_id"),
    # The two together give what runs on any day of a range.
    "from": by_day("end_date__gte"),
    "to": by_day("start_date__lte"),
}
COHORTS = Listing(COHORT, Cohort.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_COHORTS = Listing(COHORT, Cohort.objects.deleted_for, _FILTERS, NEWEST_FIRST)
RESOURCE = Kept("cohort", Cohort, COHORT, "cohort", restore_cohort)


class CohortIn(Input):
    name_cohort = serializers.CharField(max_length=255)
    start_date = DayField(required=False, allow_null=True)
    end_date = DayField(required=False, allow_null=True)
    instructor = IdField(required=False, allow_null=True)


class CohortList(Endpoint):
    @operation(may("view", "cohort"), gives=COHORTS)
    def get(self, request: Request) -> HttpResponse:
        """All cohorts, newest first; `?deleted=true` (admins): only deleted ones."""
        return deleted_or_live(self, request, COHORTS, DELETED_COHORTS)

    @operation(may("add", "cohort"), takes=CohortIn, gives=COHORT, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a cohort."""
        return self.record(COHORT, create_cohort(body, by=caller(request), now=moments.now()).pk, status=201)


class CohortDetail(Endpoint):
    shows, rows = COHORT, Cohort.objects.visible_to

    @operation(may("view", "cohort"), gives=COHORT)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A cohort."""
        return self.detail(request, pk)

    @operation(may("change", "cohort"), takes=CohortIn, gives=COHORT)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a cohort; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(may("change", "cohort"), takes=CohortIn, gives=COHORT)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a cohort."""
        change_cohort(find(Cohort.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "cohort"), refuses=[CohortInUse])
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a cohort that nothing needs any more."""
        delete_cohort(find(Cohort.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()
