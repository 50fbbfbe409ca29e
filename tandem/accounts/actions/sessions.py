"""Signing in."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.hashers import check_password, is_password_usable, make_password

from tandem.accounts.models import User
from tandem.accounts.queries import login_name, user_by_login
from tandem.accounts.throttle import account_buckets, give_back, reserve_try
from tandem.common.errors import NotSignedIn
from tandem.common.metrics import count_refused_login

# A hash of nobody's password, with the parameters of everybody's: looking at it takes as long as at a real one.
NOBODYS_PASSWORD = (
    "argon2$argon2id$v=19$m=19456,t=2,p=1$8ASjdHchUKUr2qUo1oGNhQ$eA9TsQaTYIGo8AOpkupd1KhbS8hAArFGdgQCgTCEIT4"  # noqa: S105
)


class WrongCredentials(NotSignedIn):
    code = "no_active_account"
    message = "No active account has these credentials."


def check_login(login: str, password: str, *, address: str, now: datetime) -> User:
    """The active user with this username or phone, and this password.

    Unknown, deactivated and wrong are told apart by nothing: the same refusal after the same work, which is one look
    for the user, one counted try, one hash. Raises WrongCredentials or TooManyTries.
    """
    user = user_by_login(login)
    buckets = account_buckets(f"id {user.pk}" if user else f"login {login_name(login)}", address)
    reserve_try(buckets, now=now)
    is_right = is_password_of(user, password)
    if user is None or not is_right or not user.is_active:
        count_refused_login("wrong_credentials")
        raise WrongCredentials
    give_back(buckets)
    return user


def is_password_of(user: User | None, password: str) -> bool:
    """Compare a password; nobody's takes as long as anybody's. A hash with old parameters is renewed on the way."""
    kept = user.password if user is not None and is_password_usable(user.password) else NOBODYS_PASSWORD

    def renew(right: str) -> None:
        if user is not None and User.objects.filter(pk=user.pk, password=kept).update(password=make_password(right)):
            user.refresh_from_db(fields=["password"])

    return check_password(password, kept, renew) and kept is not NOBODYS_PASSWORD
