from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Prefetch
from rest_framework import viewsets
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import SAFE_METHODS, BasePermission, IsAuthenticated
from rest_framework.response import Response

from bench.idiomatic.leads import LeadSerializer
from bench.idiomatic.models import LeadNote, LeadTask
from bench.idiomatic.serializers import (
    CardDetailSerializer,
    CardSerializer,
    VisitDetailSerializer,
    VisitSerializer,
)
from tandem.academy.models import Entity, Lead
from tandem.academy.queries import definitions_of
from tandem.accounts.models import Role
from tandem.fieldservice.models import Card, ServiceEntry, Visit


class RoleMay(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        allowed = {Role.ADMIN, Role.CUSTOMER, Role.WORKER} if request.method in SAFE_METHODS else view.writers
        return request.user.role in allowed


class Pages(PageNumberPagination):
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 1000


class PlainOrPaged(viewsets.ModelViewSet):
    """A bare array, or the envelope when a page was asked for."""

    permission_classes = [IsAuthenticated, RoleMay]
    pagination_class = Pages

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        if "page" in request.query_params or "page_size" in request.query_params:
            return super().list(request, *args, **kwargs)
        rows = self.filter_queryset(self.get_queryset())[: int(request.query_params.get("limit", 1000))]
        return Response(self.get_serializer(rows, many=True).data)


_ENTRIES = Prefetch("entries", ServiceEntry.objects.select_related("performed_by").order_by("id"))


class VisitViewSet(PlainOrPaged):
    writers = (Role.ADMIN, Role.CUSTOMER)

    def get_serializer_class(self) -> Any:
        return VisitDetailSerializer if self.action == "retrieve" else VisitSerializer

    def get_queryset(self) -> Any:
        visits = Visit.objects.visible_to(self.request.user).select_related("card__customer", "assigned_to")
        if self.action == "retrieve":
            return visits.select_related("feedback").prefetch_related(_ENTRIES)
        return visits.order_by("schedule_key", "created_at", "id")

    def perform_create(self, serializer: Any) -> None:
        serializer.save(requested_by=self.request.user)


class CardViewSet(PlainOrPaged):
    writers = (Role.ADMIN,)

    def get_serializer_class(self) -> Any:
        return CardDetailSerializer if self.action == "retrieve" else CardSerializer

    def get_queryset(self) -> Any:
        cards = Card.objects.visible_to(self.request.user).select_related("customer").order_by("id")
        if self.action != "retrieve":
            return cards
        newest = (
            Visit.objects.select_related("card__customer", "assigned_to")
            .prefetch_related(_ENTRIES)
            .order_by("-created_at", "-id")[:20]
        )
        return cards.prefetch_related(Prefetch("visits", newest, to_attr="newest_visits"))


class LeadViewSet(PlainOrPaged):
    writers = (Role.ADMIN,)
    serializer_class = LeadSerializer

    def get_queryset(self) -> Any:
        leads = Lead.objects.live().select_related("responsible", "pipeline", "possible_client", "created_by")
        items = [Prefetch(name, model.objects.select_related("user")) for name, model in _ITEMS.items()]
        return leads.prefetch_related(*items).order_by("-created_at", "-id")

    def filter_queryset(self, leads: Any) -> Any:
        for name, value in self.request.query_params.items():
            if name == "stage":
                leads = leads.filter(stage__iexact=value)
            elif name.startswith("attributes."):
                attribute = name.removeprefix("attributes.")
                # Only PostgreSQL has containment, and an index that serves it.
                has = {"attributes__contains": {attribute: value}}
                leads = leads.filter(
                    **has if connection.vendor == "postgresql" else {f"attributes__{attribute}": value}
                )
        return leads

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "defined": {one.name for one in definitions_of(Entity.LEAD)}}

    def perform_create(self, serializer: Any) -> None:
        serializer.save(created_by=self.request.user)


_ITEMS = {"tasks": LeadTask, "notes": LeadNote}
