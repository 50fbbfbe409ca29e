"""Contract F §7: customers' ratings."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import CUSTOMER, FIELD, caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, operation
from tandem.common.inputs import IdField, Input
from tandem.common.reading.listing import Listing, Order, by_id
from tandem.fieldservice.actions.feedback import AlreadyRated, NotCompleted, give_feedback
from tandem.fieldservice.api.answers import FEEDBACK
from tandem.fieldservice.models import Feedback

FEEDBACKS = Listing(
    FEEDBACK,
    Feedback.objects.visible_to,
    filters={"rating": by_id("rating"), "worker": by_id("visit__assigned_to"), "service": by_id("visit")},
    orders={"": Order(("id",), descending=True)},
)


class FeedbackIn(Input):
    service = IdField()
    rating = serializers.IntegerField(min_value=1, max_value=5)
    comments = serializers.CharField(required=False, allow_blank=True, allow_null=True, max_length=5000)


class FeedbackList(Endpoint):
    @operation(FIELD, gives=FEEDBACKS)
    def get(self, request: Request) -> HttpResponse:
        """Ratings, newest first: customers see their own, workers those of their visits, admins all."""
        return self.page(request, FEEDBACKS)

    @operation(CUSTOMER, takes=FeedbackIn, gives=FEEDBACK, status=201, refuses=[NotCompleted, AlreadyRated])
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Rate a completed visit to one's own machine, once."""
        feedback = give_feedback(
            to=body["service"],
            rating=body["rating"],
            comments=body.get("comments") or "",
            by=caller(request),
            now=moments.now(),
        )
        return self.record(FEEDBACK, feedback.pk, status=201)
