"""Who sends a request. Each scheme costs one indexed statement, and no answer of it outlives the request."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache

from django.db import models
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from tandem.accounts.models import AccessKey, User
from tandem.accounts.tokens import BadToken, KeyDigest, digest_of, read_access_token
from tandem.common.reading.ahead import Known, Reading, Row, read_caller
from tandem.common.reading.statement import Param, Statement, adapted, compiled
from tandem.common.rendering import CHALLENGE

# All that requests usually ask of their user. The rest, above all the password's hash, is read when it is asked for.
CARRIED = ("id", "username", "name", "phone", "email", "role", "region", "session_epoch")
_ID, _ROLE = CARRIED.index("id"), CARRIED.index("role")


class AccessTokens(BaseAuthentication):
    """`Authorization: Bearer <jwt>`. `request.auth` is None."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        scheme, credential = _header(request)
        if scheme != "bearer":
            return None
        try:
            claims = read_access_token(credential)
        except BadToken:
            raise _refused() from None
        caller = Reading(_by_token(), {"caller": claims.user_id, "epoch": claims.epoch})
        return _user(request, caller, credential=claims.user_id), None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class KeyTokens(BaseAuthentication):
    """`Authorization: Token <key>`. `request.auth` is the digest of the key. Stands last: it refuses other schemes."""

    def authenticate(self, request: Request) -> tuple[User, KeyDigest] | None:
        scheme, credential = _header(request)
        if not scheme:
            return None
        if scheme != "token":
            raise _refused("Use `Authorization: Bearer <token>` or `Authorization: Token <key>`.")
        digest = digest_of(credential)
        column = AccessKey._meta.get_field("digest")
        return _user(request, Reading(_by_key(), {"digest": adapted(digest, column)}), credential=digest), digest

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


def _header(request: Request) -> tuple[str, str]:
    """The scheme in small letters and the credential. Both are empty when no credential was sent."""
    scheme, _, credential = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    # Ours are ASCII. Other text need not even be encodable.
    return scheme.lower(), credential.strip() if credential.isascii() else ""


def _user(request: Request, caller: Reading, *, credential: Hashable) -> User:
    view = request.parser_context.get("view")  # None: `/metrics` asks outside of any
    wanted = getattr(view, "wanted", lambda caller: None)  # the schema's view is not ours
    row, found = read_caller(caller, width=len(CARRIED), credential=credential, known=_known, wanted=wanted)
    if row is None:
        raise _refused()
    if view is not None:
        view.read_ahead = found
    user = User.from_db("default", CARRIED, row)
    user.is_active = True  # the statement finds no others
    return user


def _known(row: Row) -> Known:
    return Known(row[_ID], row[_ROLE])


def _refused(message: str = BadToken.message) -> AuthenticationFailed:
    return AuthenticationFailed(message, code=BadToken.code)


@cache
def _by_token() -> Statement:
    epoch = Param("epoch", models.PositiveIntegerField())
    return compiled(User.objects.filter(pk=Param("caller"), session_epoch=epoch, is_active=True).values_list(*CARRIED))


@cache
def _by_key() -> Statement:
    digest = Param("digest", models.CharField(max_length=64))
    return compiled(User.objects.filter(access_keys__digest=digest, is_active=True).values_list(*CARRIED))
