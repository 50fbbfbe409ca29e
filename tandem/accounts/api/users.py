"""Contract F §2, the admin's part: all users."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import ADMIN, caller
from tandem.accounts.actions.users import (
    LastAdmin,
    create_user,
    locked_with_admins,
    set_password_by_admin,
    update_user_by_admin,
)
from tandem.accounts.api.answers import DONE, USER, USER_DETAIL
from tandem.accounts.api.auth import password_field
from tandem.accounts.api.me import ProfileIn
from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import Defaulting, Input
from tandem.common.phones import as_stored
from tandem.common.reading.listing import Filter, Listing, NotThisType, by_choice, by_flag, by_text
from tandem.common.rendering import json_answer
from tandem.common.viewers import Viewer

# Contract F says "staff" where it means the role `worker`.
ALSO_ROLES = {"staff": Role.WORKER.value}


def _digits(raw: str) -> tuple[str, ...]:
    """The digits of a part of a phone number, and of a whole one also those of E.164.

    A zero in front may be how one dials it inside the country, or be in the middle of the number that is looked for.
    """
    digits = "".join(str(int(char)) for char in raw if char.isdecimal())
    if not digits:
        raise NotThisType("Give digits of a phone number.")
    return digits, *as_stored(raw)


def _everybody(viewer: Viewer) -> QuerySet[User]:
    """For endpoints that let only admins in."""
    return User.objects.all()


USERS = Listing(
    USER,
    _everybody,
    {
        "phone": Filter(
            ("phone__contains",),
            _digits,
            models.TextField(),
            {"type": "string"},
            doc="Digits of the phone number.",
            spellings=True,
        ),
        "role": by_choice("role", Role.values, also=ALSO_ROLES),
        "is_active": by_flag("is_active"),
        "search": by_text(
            "name__icontains",
            "username__icontains",
            "phone__contains",
            "email__icontains",
            phones=True,
            doc="Part of the name, the username, the phone or the email.",
        ),
    },
)


class RoleField(serializers.ChoiceField):
    def __init__(self, **options: Any) -> None:
        super().__init__([*Role.values, *ALSO_ROLES], **options)

    def to_internal_value(self, data: Any) -> str:
        chosen: str = super().to_internal_value(data)
        return ALSO_ROLES.get(chosen, chosen)


class UserIn(ProfileIn, Defaulting):
    defaults = ("role", "is_active")

    username = serializers.CharField(max_length=150, required=False, allow_null=True)
    phone = serializers.CharField(max_length=40, required=False, allow_null=True)
    role = RoleField(required=False, allow_null=True)
    region = serializers.CharField(max_length=50, required=False, allow_null=True)
    is_active = serializers.BooleanField(required=False, allow_null=True)
    groups = serializers.ListField(
        child=serializers.CharField(max_length=150), required=False, allow_null=True, max_length=100
    )


class NewUserIn(UserIn):
    password = serializers.CharField(max_length=1000, trim_whitespace=False, required=False, allow_null=True)


class NewPasswordIn(Input):
    new_password = password_field()


class UserList(Endpoint):
    @operation(ADMIN, gives=USERS)
    def get(self, request: Request) -> HttpResponse:
        """All users."""
        return self.page(request, USERS)

    @operation(ADMIN, takes=NewUserIn, gives=USER_DETAIL, status=201, slow=True)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Make a user of any role. Without a password nobody can sign in as this user until one is set."""
        user = create_user(body, by=caller(request), now=moments.now())
        return self.record(USER_DETAIL, user.pk, status=201)


class UserDetail(Endpoint):
    shows, rows = USER_DETAIL, staticmethod(_everybody)

    @operation(ADMIN, gives=USER_DETAIL)
    def get(self, request: Request, pk: int) -> HttpResponse:
        """A user, with groups."""
        return self.detail(request, pk)


class UserUpdate(Endpoint):
    shows, rows = USER_DETAIL, staticmethod(_everybody)

    @operation(ADMIN, takes=UserIn, gives=USER_DETAIL, refuses=[LastAdmin])
    def put(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a user; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(ADMIN, takes=UserIn, gives=USER_DETAIL, refuses=[LastAdmin])
    def patch(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Change a user. Deactivating one ends every session of theirs at once."""
        update_user_by_admin(find(User.objects.all(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    def lock(self, pk: int) -> None:
        """All admins beside the user, as the action does."""
        locked_with_admins(pk)


class UserPassword(Endpoint):
    @operation(ADMIN, takes=NewPasswordIn, gives=DONE, slow=True)
    def post(self, request: Request, pk: int, body: dict[str, Any]) -> HttpResponse:
        """Set somebody's password. Every session of theirs ends at once."""
        user = find(User.objects.all(), pk)
        set_password_by_admin(user, new=body["new_password"], by=caller(request), now=moments.now())
        return json_answer({"detail": "Password changed successfully"})
