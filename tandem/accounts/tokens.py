"""The two kinds of credentials: signed tokens (`Bearer`) with their refresh tokens, and keys (`Token`). Contract §1.

What ends them: the user's `session_epoch` stands in every signed token, so raising it ends all of them at the next
request; keys and refresh tokens are rows, and `end_sessions` deletes them. Everything here that makes a credential
first locks the user's row and compares the epoch, so none slips through while sessions are being ended.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from tandem.accounts.models import AccessKey, RefreshSession, User
from tandem.common.errors import NotSignedIn

GRACE = timedelta(seconds=60)
LARGEST_ID = 2**63 - 1


class BadToken(NotSignedIn):
    code = "token_not_valid"
    message = "This token is not valid, or not any more. Sign in again."


class KeyDigest(str):
    """What is stored of a key. A plain hash will do: 160 random bits cannot be guessed."""

    __slots__ = ()


@dataclass(frozen=True)
class TokenPair:
    access: str
    refresh: str


@dataclass(frozen=True)
class Claims:
    """What a token says after its signature, its kind and its end were checked."""

    user_id: int
    epoch: int
    jti: str


def read_access_token(raw: str) -> Claims:
    """Raises BadToken. No query."""
    return _claims(AccessToken, raw)


def read_refresh_token(raw: str) -> Claims:
    """Raises BadToken. No query."""
    return _claims(RefreshToken, raw)


def open_session(user: User, *, now: datetime) -> TokenPair:
    """Sign a user in: the first tokens of a new family. Two queries.

    Raises BadToken when the user's sessions were ended since `user` was read.
    """
    with transaction.atomic():
        _still_allowed(user, now)
        return _issue(user, family=uuid.uuid4(), now=now)


def open_key(user: User, *, now: datetime) -> str:
    """A new key for `Authorization: Token`: 40 hex digits, known only to the caller from now on. Two queries.

    Raises BadToken when the user's sessions were ended since `user` was read.
    """
    key = secrets.token_hex(20)
    with transaction.atomic():
        _still_allowed(user, now)
        AccessKey.objects.create(user=user, digest=digest_of(key), created_at=now)
    return key


def refresh_session(raw: str, *, now: datetime) -> TokenPair:
    """Exchange a refresh token for the next pair of its family.

    One that was exchanged already is accepted for `GRACE` more: a client with parallel requests, or one that lost the
    answer, gets a pair of its own. Raises BadToken otherwise, and for ended sessions. Five queries.
    """
    claims = read_refresh_token(raw)
    with transaction.atomic():
        user = (
            User.objects.select_for_update(no_key=True)
            .filter(pk=claims.user_id, session_epoch=claims.epoch, is_active=True)
            .first()
        )
        session = RefreshSession.objects.filter(jti=claims.jti, user_id=claims.user_id).first()
        if user is None or session is None:
            raise BadToken
        if session.rotated_at is None:
            RefreshSession.objects.filter(pk=session.pk, rotated_at=None).update(rotated_at=now)
        elif now - session.rotated_at > GRACE:
            raise BadToken
        RefreshSession.objects.filter(_used_up(now), user=user).delete()
        return _issue(user, family=session.family, now=now)


def close_session(raw: str) -> None:
    """Revoke a refresh token and all that came from the same sign-in. Three queries.

    Doing it twice is fine. Raises BadToken for what is no refresh token of ours.
    """
    claims = read_refresh_token(raw)
    with transaction.atomic():
        # The user's lock keeps an exchange that runs meanwhile from adding to the family behind our back.
        list(User.objects.select_for_update(no_key=True).filter(pk=claims.user_id).values_list("pk"))
        family = RefreshSession.objects.filter(jti=claims.jti, user_id=claims.user_id).values("family")
        RefreshSession.objects.filter(user_id=claims.user_id, family__in=family).delete()


def delete_key(key: KeyDigest) -> None:
    """Make one key worthless. Doing it twice is fine. One query."""
    AccessKey.objects.filter(digest=key).delete()


def end_sessions(user: User) -> None:
    """End every session of a user, in both schemes, from the next request on. Belongs into the change that causes it.

    Three queries.
    """
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.session_epoch += 1
    AccessKey.objects.filter(user=user).delete()
    RefreshSession.objects.filter(user=user).delete()


def digest_of(key: str) -> KeyDigest:
    return KeyDigest(hashlib.sha256(key.encode()).hexdigest())


def _used_up(now: datetime) -> Q:
    return Q(expires_at__lte=now) | Q(rotated_at__lt=now - GRACE)


def _still_allowed(user: User, now: datetime) -> None:
    same = User.objects.filter(pk=user.pk, session_epoch=user.session_epoch, is_active=True)
    if not same.update(last_login=now):
        raise BadToken


def _issue(user: User, *, family: uuid.UUID, now: datetime) -> TokenPair:
    refresh, access = _signed(RefreshToken, user, now), _signed(AccessToken, user, now)
    RefreshSession.objects.create(
        jti=refresh["jti"], family=family, user=user, issued_at=now, expires_at=now + RefreshToken.lifetime
    )
    return TokenPair(access=str(access), refresh=str(refresh))


def _signed(kind: type[Token], user: User, now: datetime) -> Token:
    token = kind()
    token.set_iat(at_time=now)
    token.set_exp(from_time=now)
    token["user_id"] = str(user.pk)
    token["epoch"] = user.session_epoch
    return token


def _claims(kind: type[Token], raw: str) -> Claims:
    try:
        token: Any = kind(raw)  # type: ignore[arg-type]  # the library types the raw text as a Token
    except TokenError:
        raise BadToken from None
    user_id, epoch, jti = str(token.get("user_id", "")), token.get("epoch"), token.get("jti")
    if not (user_id.isascii() and user_id.isdigit() and type(epoch) is int and isinstance(jti, str)):
        raise BadToken
    if int(user_id) > LARGEST_ID or not 0 <= epoch < 2**31:
        raise BadToken
    return Claims(int(user_id), epoch, jti)
