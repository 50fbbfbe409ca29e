"""How people sign in to the admin pages: by the same rules as to the API."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from tandem.accounts.actions.sessions import check_login
from tandem.accounts.models import User
from tandem.common import moments
from tandem.common.addresses import client_address
from tandem.common.errors import Refusal


class Accounts(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **other: Any
    ) -> User | None:
        """The active user with this username or phone, and this password."""
        if not username or not password:
            return None
        address = client_address(request) if request is not None else ""
        try:
            return check_login(username, password, address=address, now=moments.now())
        except Refusal as refused:
            raise PermissionDenied(refused.message) from None
