"""Contract F §2 and A "Get User Context": who I am."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import caller
from tandem.accounts.actions.users import update_own_profile
from tandem.accounts.api.answers import CONTEXT, USER
from tandem.accounts.models import User
from tandem.accounts.queries import groups_of, permissions_of
from tandem.common import moments
from tandem.common.endpoint import SIGNED_IN, Endpoint, Operation, Request, etag, operation
from tandem.common.inputs import Input
from tandem.common.rendering import encoded, json_answer
from tandem.common.viewers import Viewer


class ProfileIn(Input):
    name = serializers.CharField(max_length=150, required=False, allow_null=True)
    email = serializers.EmailField(max_length=254, required=False, allow_null=True)
    address = serializers.CharField(max_length=255, required=False, allow_null=True)
    city = serializers.CharField(max_length=100, required=False, allow_null=True)
    postal_code = serializers.CharField(max_length=20, required=False, allow_null=True)


def _oneself(viewer: Viewer) -> QuerySet[User]:
    return User.objects.filter(pk=viewer.pk)


class Me(Endpoint):
    shows, rows = USER, staticmethod(_oneself)

    def _matched(self, request: Request, chosen: Operation) -> HttpResponse:
        self.kwargs["pk"] = request.user.pk  # the address has no id: it is the caller's
        return super()._matched(request, chosen)

    @operation(SIGNED_IN, gives=USER)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """The caller's profile."""
        return self.detail(request, pk)

    @operation(SIGNED_IN, takes=ProfileIn, gives=USER)
    def put(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change the caller's profile; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(SIGNED_IN, takes=ProfileIn, gives=USER)
    def patch(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change the caller's name, email or address. Role, phone, region and status are an admin's to change."""
        update_own_profile(caller(request), body, now=moments.now())
        return self.detail(request, pk)


class Context(Endpoint):
    @operation(SIGNED_IN, gives=CONTEXT)
    def get(self, request: Request) -> HttpResponse:
        """The caller with groups and permissions, own and of groups."""
        user = caller(request)
        body = encoded(
            {
                "id": user.pk,
                "username": user.username or user.phone or "",
                "name": user.name,
                "email": user.email,
                "role": user.role,
                "groups": groups_of(user),
                "permissions": permissions_of(user),
                "is_staff": user.is_staff,
                "is_superuser": user.is_superuser,
            }
        )
        return json_answer(raw=body, headers={"ETag": etag(body.decode())})
