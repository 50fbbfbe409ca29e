"""Contract A §1: attributes, the fields that users define."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField
from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.attributes import (
    AttributeInUse,
    OptionInUse,
    change_attribute,
    create_attribute,
    delete_attribute,
)
from tandem.academy.api.answers import ATTRIBUTE
from tandem.academy.models import Attribute, AttributeType, Entity
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.errors import NotFound
from tandem.common.inputs import Defaulting
from tandem.common.reading.listing import Listing, Order
from tandem.common.reading.statement import Param
from tandem.common.rendering import empty_answer
from tandem.events.history import history_of

MOST_OPTIONS = 1000
_SMALL = 2**31 - 1  # what the column holds


def _of_entity(viewer: Any) -> Any:
    entity: Any = Param("entity", CharField(max_length=10))
    return Attribute.objects.live().filter(entity=entity)


ATTRIBUTES = Listing(ATTRIBUTE, _of_entity, orders={"": Order(("order", "created_at", "id"))})
HISTORY = history_of("attribute")


class OptionsField(serializers.ListField):
    """Options in their order, each once."""

    def to_internal_value(self, data: Any) -> list[str]:
        return list(dict.fromkeys(super().to_internal_value(data)))


class ChangeAttributeIn(Defaulting):
    defaults = ("label", "is_required", "description", "order")

    label = serializers.CharField(max_length=255, required=False, allow_null=True)  # type: ignore[assignment]  # a form has one too
    type = serializers.ChoiceField(AttributeType.choices)
    is_required = serializers.BooleanField(required=False, allow_null=True)
    list_values = OptionsField(
        child=serializers.CharField(max_length=255), required=False, allow_null=True, max_length=MOST_OPTIONS
    )
    description = serializers.CharField(max_length=2000, required=False, allow_null=True, allow_blank=True)
    order = serializers.IntegerField(required=False, allow_null=True, min_value=-_SMALL, max_value=_SMALL)

    def validate_list_values(self, value: list[str] | None) -> list[str]:
        return value or []


class AttributeIn(ChangeAttributeIn):
    name = serializers.CharField(max_length=63)


class AttributeList(Endpoint):
    @operation(may("view", "attribute"), gives=ATTRIBUTES)
    def get(self, request: Request, entity: str) -> HttpResponse:
        """The attributes of an entity: `client`, `service`, `lead`, `follow_up` (also `followup`)."""
        return self.page(request, ATTRIBUTES, entity=_entity(entity).value)

    @operation(
        may("add", "attribute"), takes=AttributeIn, gives=ATTRIBUTE, status=201, refuses=[AttributeInUse, OptionInUse]
    )
    def post(self, request: Request, entity: str, body: dict[str, Any]) -> HttpResponse:
        """Define an attribute; one that was deleted comes back with its stored values."""
        made = create_attribute(_entity(entity), body, by=caller(request), now=moments.now())
        return self.record(ATTRIBUTE, made.pk, status=201)


def _entity(word: str) -> Entity:
    found = Entity.named(word)
    if found is None:
        raise NotFound
    return found


class AttributeDetail(Endpoint):
    shows, rows = ATTRIBUTE, Attribute.objects.visible_to

    @operation(may("view", "attribute"), gives=ATTRIBUTE)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """An attribute."""
        return self.detail(request, pk)

    @operation(
        may("change", "attribute"), takes=ChangeAttributeIn, gives=ATTRIBUTE, refuses=[AttributeInUse, OptionInUse]
    )
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change an attribute; absent fields stay as they are, the name always does."""
        return self.patch(request, pk, body)

    @operation(
        may("change", "attribute"), takes=ChangeAttributeIn, gives=ATTRIBUTE, refuses=[AttributeInUse, OptionInUse]
    )
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change an attribute; absent fields stay as they are, the name always does."""
        change_attribute(find(Attribute.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(may("delete", "attribute"))
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete an attribute; the stored values stay, hidden, until it is defined again."""
        delete_attribute(find(Attribute.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()


class AttributeHistory(Endpoint):
    @operation(may("view", "attribute"), gives=HISTORY)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """Everything that happened to an attribute, newest first; also to one that is deleted."""
        return self.page(request, HISTORY, subject=str(find(Attribute.objects.all(), pk).pk))
