"""Signing in to the admin pages."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.test import Client, RequestFactory

from tandem.accounts.models import LoginFailures, User
from tandem.accounts.tokens import end_sessions
from tests.cast import PASSWORD


def test_it_takes_a_username_or_a_phone(asha: User) -> None:
    request = RequestFactory().post("/admin/login/")
    for login in ("asha", "Asha", "09000000001"):
        assert authenticate(request, username=login, password=PASSWORD) == asha


def test_it_refuses_alike(asha: User, omar: User) -> None:
    User.objects.filter(pk=omar.pk).update(is_active=False)
    request = RequestFactory().post("/admin/login/")
    for login, password in [("asha", "wrong"), ("omar", PASSWORD), ("nobody", PASSWORD), ("asha", ""), ("", "")]:
        assert authenticate(request, username=login, password=password) is None


def test_its_tries_are_limited_too(asha: User) -> None:
    request = RequestFactory().post("/admin/login/")
    for _ in range(10):
        authenticate(request, username="asha", password="wrong")

    assert authenticate(request, username="asha", password=PASSWORD) is None
    assert LoginFailures.objects.count() == 2


def test_a_browser_session_ends_with_the_others(asha: User) -> None:
    browser = Client()
    browser.force_login(asha)
    before = User.objects.get(pk=asha.pk).get_session_auth_hash()

    end_sessions(asha)

    assert User.objects.get(pk=asha.pk).get_session_auth_hash() != before
