"""The admin pages: to look at, and to grant rights."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from tandem.accounts.actions.rights import grant_to_group
from tandem.accounts.models import User
from tandem.accounts.queries import permissions_of
from tandem.accounts.tests.conftest import bearer
from tandem.common import moments
from tandem.common.errors import Invalid
from tandem.events.models import Event
from tests.cast import PASSWORD

USERS = "/admin/accounts/user/"
GROUPS = "/admin/auth/group/"


@pytest.fixture
def browser(asha: User) -> Client:
    client = Client(HTTP_HOST="localhost")
    assert client.login(username="asha", password=PASSWORD)
    return client


def ids(*codenames: str) -> list[int]:
    return list(Permission.objects.filter(codename__in=codenames).values_list("pk", flat=True))


def test_the_login_page_signs_admins_in_and_nobody_else(asha: User, omar: User) -> None:
    for login, status in (("asha", 302), ("omar", 200)):
        client = Client(HTTP_HOST="localhost")
        answer = client.post("/admin/login/", {"username": login, "password": PASSWORD})
        assert answer.status_code == status
        assert client.get(USERS).status_code == (200 if login == "asha" else 302)


def test_its_pages_open(browser: Client, chitra: User) -> None:
    for path in ("/admin/", USERS, f"{USERS}?q=chit", f"{USERS}{chitra.pk}/change/", GROUPS, f"{GROUPS}add/"):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert b"argon2" not in answer.content


@pytest.mark.parametrize("path", [f"{USERS}add/", USERS + "{pk}/delete/", USERS + "{pk}/password/"])
def test_users_are_neither_made_nor_deleted_here(browser: Client, chitra: User, path: str) -> None:
    answer = browser.post(path.format(pk=chitra.pk), {"username": "x", "post": "yes"})

    assert answer.status_code in (302, 403, 404)  # 302: to the index, for an address that does not exist
    assert User.objects.count() == 2
    assert User.objects.get(pk=chitra.pk).password == chitra.password


def test_rights_are_granted_by_an_action_and_nothing_else_changes(browser: Client, omar: User) -> None:
    row = User.objects.filter(pk=omar.pk).values().get()
    omar.user_permissions.add(Permission.objects.get(codename="view_user"))
    sales = Group.objects.get(name="Sales")

    answer = browser.post(
        f"{USERS}{omar.pk}/change/",
        {
            "groups": [sales.pk],
            "user_permissions": ids("add_webhook"),
            "role": "admin",
            "name": "X",
            "password": "x",
            "is_active": "",
        },
    )

    assert answer.status_code == 302
    assert User.objects.filter(pk=omar.pk).values().get() == row
    assert "app.add_webhook" in permissions_of(omar)
    assert "app.add_lead" in permissions_of(omar)
    assert omar.user_permissions.filter(codename="view_user").exists()  # not the contract's, so not touched
    event = Event.objects.get()
    assert (event.type, event.actor.username, event.subject_id) == ("user.rights_changed", "asha", str(omar.pk))
    assert event.before == {"groups": [], "permissions": []}
    assert event.after == {"groups": ["Sales"], "permissions": ["app.add_webhook"]}


def test_only_rights_of_the_contract_can_be_granted(browser: Client, omar: User) -> None:
    answer = browser.post(f"{USERS}{omar.pk}/change/", {"user_permissions": ids("delete_user")})

    assert answer.status_code == 200  # the form again, with its error
    assert omar.user_permissions.count() == 0


def test_groups_are_changed_and_made(browser: Client) -> None:
    sales = Group.objects.get(name="Sales")

    answer = browser.post(f"{GROUPS}{sales.pk}/change/", {"name": "Sales", "permissions": ids("view_lead")})
    assert answer.status_code == 302
    assert list(sales.permissions.values_list("codename", flat=True)) == ["view_lead"]

    answer = browser.post(f"{GROUPS}add/", {"name": "Finance", "permissions": ids("view_client", "view_service")})
    assert answer.status_code == 302
    assert Group.objects.get(name="Finance").permissions.count() == 2
    finance = Group.objects.get(name="Finance")
    answer = browser.post(f"{GROUPS}{finance.pk}/change/", {"name": "Money", "permissions": ids("view_client")})
    assert answer.status_code == 302
    answer = browser.post(f"{GROUPS}{finance.pk}/change/", {"name": "Accounts", "permissions": ids("view_client")})
    assert answer.status_code == 302
    assert list(Event.objects.order_by("id").values_list("type", "facts")) == [
        ("group.rights_changed", {"name": "Sales"}),
        ("group.created", {"name": "Finance"}),
        ("group.rights_changed", {"name": "Money"}),
        ("group.renamed", {"name": "Accounts"}),
    ]
    renamed = Event.objects.latest("id")
    assert (renamed.before, renamed.after) == ({"name": "Money"}, {"name": "Accounts"})


def test_groups_that_are_known_by_their_names_keep_them(browser: Client, asha: User) -> None:
    sales = Group.objects.get(name="Sales")
    answer = browser.post(f"{GROUPS}{sales.pk}/change/", {"name": "Sellers", "permissions": ids("view_lead")})
    assert answer.status_code == 302
    sales.name = "Sellers"
    with pytest.raises(Invalid) as refused:
        grant_to_group(sales, [], by=asha, now=moments.now())
    assert list(refused.value.fields) == ["name"]
    assert Group.objects.get(pk=sales.pk).name == "Sales"


def change_password(browser: Client, old: str, new: str) -> int:
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return browser.post("/admin/password_change/", fields).status_code


def test_changing_ones_password_ends_all_other_sessions(browser: Client, asha: User) -> None:
    other = Client(HTTP_HOST="localhost")
    other.login(username="asha", password=PASSWORD)
    api = bearer(asha)

    assert change_password(browser, PASSWORD, "another-lantern-43") == 302

    assert browser.get(USERS).status_code == 200
    assert other.get(USERS).status_code == 302
    assert api.get("/api/auth/me/").status_code == 401
    assert Event.objects.get().type == "user.password_changed"


def test_guessing_the_old_password_is_limited(browser: Client, asha: User) -> None:
    for n in range(10):
        assert change_password(browser, f"guess {n}", "another-lantern-43") == 200
    assert change_password(browser, PASSWORD, "another-lantern-43") == 200

    assert User.objects.get(pk=asha.pk).password == asha.password


def test_deactivating_ends_the_browser_session(browser: Client, asha: User) -> None:
    User.objects.filter(pk=asha.pk).update(is_active=False)

    assert browser.get(USERS).status_code == 302
