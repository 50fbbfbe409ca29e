from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import User
from tandem.accounts.rights import CODENAMES
from tandem.accounts.tests.conftest import Api, bearer, without_times
from tandem.events.models import Event
from tests.cast import PASSWORD

ME = "/api/auth/me/"


def test_it_shows_the_caller(chitra: User, signed_in: Callable[[User], Api]) -> None:
    answer = signed_in(chitra).get(ME)

    assert answer.status_code == 200
    assert without_times(answer.json()) == {
        "id": chitra.pk,
        "username": "+919000000002",
        "name": "Chitra",
        "phone": "+919000000002",
        "email": "",
        "role": "customer",
        "region": "",
        "address": "12 MG Road",
        "city": "Rajapalayam",
        "postal_code": "",
        "is_active": True,
    }
    assert answer["ETag"]


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_it_changes_what_is_given(chitra: User, method: str) -> None:
    api = bearer(chitra)
    before = api.get(ME).json()

    answer = api.send(method, ME, {"name": "Chitra Kumar", "email": "c@example.org", "city": None, "postal_code": ""})

    assert answer.status_code == 200
    assert answer.json() == before | {"name": "Chitra Kumar", "email": "c@example.org", "city": ""}
    assert api.get(ME).json() == answer.json()
    event = Event.objects.get()
    assert (event.type, event.actor) == ("user.updated", chitra)
    assert event.before == {"name": "Chitra", "email": "", "city": "Rajapalayam"}
    assert event.after == {"name": "Chitra Kumar", "email": "c@example.org", "city": ""}


def test_the_rest_is_ignored(chitra: User, asha: User) -> None:
    api = bearer(chitra)
    before = api.get(ME).json()
    row = User.objects.filter(pk=chitra.pk).values().get()
    others = {"role": "admin", "phone": asha.phone, "region": "x", "is_active": False, "username": "x", "id": 1}
    more = {"password": "x", "groups": ["Sales"], "session_epoch": 7, "is_superuser": True, "date_joined": "x"}

    answer = api.patch(ME, {**before, **others, **more})

    assert (answer.status_code, answer.json()) == (200, before)
    assert User.objects.filter(pk=chitra.pk).values().get() == row
    assert not Event.objects.exists()


def test_bad_input_is_named(chitra: User) -> None:
    answer = bearer(chitra).patch(ME, {"email": "nonsense", "postal_code": "9" * 21})

    assert answer.status_code == 400
    assert sorted(answer.json()) == ["email", "postal_code"]


def test_a_stale_etag_changes_nothing(chitra: User) -> None:
    api = bearer(chitra)
    etag = api.get(ME)["ETag"]

    assert api.patch(ME, {"name": "First"}, **{"If-Match": etag}).status_code == 200
    assert api.patch(ME, {"name": "Second"}, **{"If-Match": etag}).status_code == 412
    assert api.get(ME).json()["name"] == "First"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_there_are_no_other_methods(chitra: User, method: str) -> None:
    assert bearer(chitra).send(method, ME).status_code == 405


class TestContext:
    """`GET /api/me/` of contract A."""

    def test_it_shows_groups_and_permissions(self, omar: User, signed_in: Callable[[User], Api]) -> None:
        omar.groups.set(Group.objects.filter(name__in=["Teacher Assistant", "Instructors"]))
        omar.user_permissions.add(Permission.objects.get(codename="add_webhook"))
        omar.user_permissions.add(Permission.objects.get(codename="view_user"))  # not the contract's

        answer = signed_in(omar).get("/api/me/")

        assert answer.status_code == 200
        assert answer.json() == {
            "id": omar.pk,
            "username": "omar",
            "name": "Omar",
            "email": "",
            "role": "office",
            "groups": ["Instructors", "Teacher Assistant"],
            "permissions": [
                "app.add_followup",
                "app.add_transferrequest",
                "app.add_webhook",
                "app.change_followup",
                "app.view_cohort",
                "app.view_enrollment",
                "app.view_enrollmentdetail",
                "app.view_followup",
                "app.view_service",
                "app.view_transferrequest",
            ],
            "is_staff": False,
            "is_superuser": False,
        }

    def test_admins_have_every_permission(self, asha: User) -> None:
        body = bearer(asha).get("/api/me/").json()

        assert body["permissions"] == [f"app.{codename}" for codename in CODENAMES]
        assert len(body["permissions"]) == 44
        assert (body["is_staff"], body["is_superuser"]) == (True, True)

    def test_customers_have_none(self, chitra: User) -> None:
        body = bearer(chitra).get("/api/me/").json()

        assert (body["groups"], body["permissions"], body["username"]) == ([], [], "+919000000002")

    def test_it_takes_three_queries(self, omar: User) -> None:
        omar.groups.set(Group.objects.all())
        api = bearer(omar)
        with CaptureQueriesContext(connection) as queries:
            api.get("/api/me/")

        assert len(queries) == 3


class TestChangingOnesPassword:
    PATH = "/api/auth/change-password/"
    NEW = "another-lantern-43"

    def test_it_works(self, anyone: Api, chitra: User) -> None:
        answer = bearer(chitra).post(self.PATH, {"old_password": PASSWORD, "new_password": self.NEW})

        assert answer.status_code == 200
        body = answer.json()
        assert body["detail"] == "Password changed successfully"
        assert Api(f"Bearer {body['access']}").get(ME).status_code == 200
        assert anyone.post("/api/auth/login/", {"phone": chitra.phone, "password": PASSWORD}).status_code == 401
        assert anyone.post("/api/auth/login/", {"phone": chitra.phone, "password": self.NEW}).status_code == 200
        event = Event.objects.get()
        assert (event.type, event.actor, event.before, event.after, event.facts) == (
            "user.password_changed",
            chitra,
            {},
            {},
            {},
        )

    @pytest.mark.parametrize(
        ("old", "new", "field"),
        [
            ("wrong", NEW, "old_password"),
            (PASSWORD, "short1", "new_password"),
            (PASSWORD, "12345678901", "new_password"),
            (PASSWORD, "", "new_password"),
        ],
    )
    def test_refusals_change_nothing(self, chitra: User, old: str, new: str, field: str) -> None:
        api = bearer(chitra)
        answer = api.post(self.PATH, {"old_password": old, "new_password": new})

        assert answer.status_code == 400
        assert list(answer.json()) == [field]
        assert api.get(ME).status_code == 200
        assert User.objects.get(pk=chitra.pk).password == chitra.password
        assert not Event.objects.exists()

    def test_a_stolen_session_cannot_guess_without_end(self, chitra: User) -> None:
        api = bearer(chitra)
        guesses = [{"old_password": f"guess {n}", "new_password": self.NEW} for n in range(11)]

        assert [api.post(self.PATH, guess).status_code for guess in guesses] == [400] * 10 + [429]
