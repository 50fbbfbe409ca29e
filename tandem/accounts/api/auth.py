"""Contract F §1 and A "Authentication": signing up, in and out."""

from __future__ import annotations

from typing import Any

import orjson
from django.http import HttpResponse
from rest_framework import serializers

from tandem.accounts.access import caller
from tandem.accounts.actions.sessions import WrongCredentials, check_login
from tandem.accounts.actions.users import change_own_password, register_customer
from tandem.accounts.api.answers import DONE, KEY, NEW_SESSION, SIGNED_IN_USER, TOKENS, USER
from tandem.accounts.api.me import ProfileIn
from tandem.accounts.models import User
from tandem.accounts.throttle import TooManyTries
from tandem.accounts.tokens import (
    BadToken,
    KeyDigest,
    close_session,
    delete_key,
    open_key,
    open_session,
    refresh_session,
)
from tandem.common import moments
from tandem.common.addresses import client_address
from tandem.common.endpoint import ANYONE, SIGNED_IN, Endpoint, Request, operation, written
from tandem.common.errors import Invalid
from tandem.common.inputs import Input
from tandem.common.rendering import json_answer

LONGEST_LOGIN = 254


def password_field() -> serializers.CharField:
    return serializers.CharField(max_length=1000, trim_whitespace=False)


class LoginIn(Input):
    phone = serializers.CharField(max_length=LONGEST_LOGIN, required=False, allow_null=True)
    username = serializers.CharField(max_length=LONGEST_LOGIN, required=False, allow_null=True)
    password = password_field()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("phone") or attrs.get("username")):
            raise serializers.ValidationError({"phone": ["Give a phone or a username."]})
        return attrs


class KeyIn(Input):
    username = serializers.CharField(max_length=LONGEST_LOGIN)
    password = password_field()


class RegisterIn(ProfileIn):
    phone = serializers.CharField(max_length=40)
    password = password_field()


class RefreshIn(Input):
    refresh = serializers.CharField(max_length=4000)


class ChangePasswordIn(Input):
    old_password = password_field()
    new_password = password_field()


class Login(Endpoint):
    @operation(
        ANYONE, takes=LoginIn, gives=SIGNED_IN_USER, form=True, apart=True, refuses=[WrongCredentials, TooManyTries]
    )
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Sign in with a phone or a username; answers a token pair and who one is."""
        now = moments.now()
        login = body.get("phone") or body["username"]
        user = check_login(login, body["password"], address=client_address(request._request), now=now)
        return _signed_in(user)


class Register(Endpoint):
    @operation(ANYONE, takes=RegisterIn, gives=SIGNED_IN_USER, status=201, refuses=[TooManyTries], slow=True)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Sign up as a customer, whatever role the body claims."""
        user = register_customer(body, address=client_address(request._request), now=moments.now())
        return _signed_in(user, status=201)


class Refresh(Endpoint):
    @operation(ANYONE, takes=RefreshIn, gives=TOKENS, refuses=[BadToken])
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Exchange a refresh token for a new pair. The old one works for 60 seconds more, then never again."""
        pair = refresh_session(body["refresh"], now=moments.now())
        return json_answer({"access": pair.access, "refresh": pair.refresh})


class Logout(Endpoint):
    @operation(ANYONE, takes=RefreshIn, gives=DONE, refuses=[BadToken])
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Revoke a refresh token, and all that came from the same sign-in."""
        close_session(body["refresh"])
        return json_answer({"detail": "Signed out."})


class ChangePassword(Endpoint):
    @operation(SIGNED_IN, takes=ChangePasswordIn, gives=NEW_SESSION, refuses=[TooManyTries], slow=True)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Set a new password. Every session ends, this one too; the answer holds the tokens of a new one."""
        now = moments.now()
        user, address = caller(request), client_address(request._request)
        change_own_password(user, old=body["old_password"], new=body["new_password"], address=address, now=now)
        pair = open_session(User.objects.get(pk=user.pk), now=now)
        answer = {"detail": "Password changed successfully", "access": pair.access, "refresh": pair.refresh}
        return json_answer(answer)


class ObtainKey(Endpoint):
    @operation(ANYONE, takes=KeyIn, gives=KEY, form=True, apart=True, refuses=[TooManyTries])
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """A key for `Authorization: Token <key>`; `username` may also be a phone. Shown once, so keep it."""
        now = moments.now()
        try:
            user = check_login(body["username"], body["password"], address=client_address(request._request), now=now)
        except WrongCredentials as refused:
            raise Invalid({"non_field_errors": [refused.message], "detail": refused.message}) from None
        return json_answer({"token": open_key(user, now=now)})


class DeleteKey(Endpoint):
    @operation(SIGNED_IN, gives=DONE)
    def post(self, request: Request) -> HttpResponse:
        """Delete the key that this request was sent with. Nothing happens to a request with a Bearer token."""
        if isinstance(request.auth, KeyDigest):
            delete_key(request.auth)
        return json_answer({"detail": "Signed out."})


def _signed_in(user: User, *, status: int = 200) -> HttpResponse:
    pair = open_session(user, now=moments.now())
    shown = {"access": pair.access, "refresh": pair.refresh, "user": orjson.Fragment(written(USER, user.pk))}
    return json_answer(shown, status=status)
