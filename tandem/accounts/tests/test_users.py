"""The admin's part of contract F §2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.actions.users import LastAdmin, update_user_by_admin
from tandem.accounts.models import Role, User
from tandem.accounts.tests.conftest import Api, bearer, without_times
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import PASSWORD, newcomer

USERS = "/api/auth/admin/users/"


def update(user: User) -> str:
    return f"{USERS}{user.pk}/update/"


def ids(answer: object) -> list[int]:
    return [row["id"] for row in answer.json()]  # type: ignore[attr-defined]


class TestWhoMay:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", USERS),
            ("POST", USERS),
            ("GET", USERS + "{pk}/"),
            ("PATCH", USERS + "{pk}/update/"),
            ("PUT", USERS + "{pk}/update/"),
            ("POST", USERS + "{pk}/change-password/"),
        ],
    )
    @pytest.mark.parametrize("who", ["chitra", "wasim", "omar", "nobody"])
    def test_admins_only(
        self, request: pytest.FixtureRequest, anyone: Api, chitra: User, method: str, path: str, who: str
    ) -> None:
        api = anyone if who == "nobody" else bearer(request.getfixturevalue(who))
        rows = list(User.objects.order_by("pk").values())
        body = {"name": "X", "phone": "9876543210", "role": "admin", "new_password": "another-lantern-43"}

        answer = api.send(method, path.format(pk=chitra.pk), body)

        assert answer.status_code == (401 if who == "nobody" else 403)
        assert list(User.objects.order_by("pk").values()) == rows


class TestTheList:
    def test_it_shows_all(self, asha: User, wasim: User, chitra: User, signed_in: Callable[[User], Api]) -> None:
        answer = signed_in(asha).get(USERS)

        assert answer.status_code == 200
        assert without_times(answer.json()[1]) == {
            "id": wasim.pk,
            "username": "+919000000004",
            "name": "Wasim",
            "phone": "+919000000004",
            "email": "",
            "role": "worker",
            "region": "Madurai",
            "address": "",
            "city": "",
            "postal_code": "",
            "is_active": True,
        }
        assert ids(answer) == [asha.pk, wasim.pk, chitra.pk]

    @pytest.mark.parametrize(
        ("query", "names", "why"),
        [
            ("role=worker", ["Wasim"], ""),
            ("role=staff", ["Wasim"], "F's word"),
            ("role=office", ["Omar"], ""),
            ("phone=0000002", ["Chitra"], "part of it"),
            ("phone=09000000002", ["Chitra"], "as dialled at home"),
            ("phone=90000 00002", ["Chitra"], "with a space"),
            ("phone=%2B919000000002", ["Chitra"], "E.164"),
            ("phone=00919000000002", ["Chitra"], "as dialled abroad"),
            ("phone=0004", ["Wasim"], "zeros in the middle of the number count"),
            ("phone=00000", ["Asha", "Wasim", "Chitra"], "zeros alone"),
            ("phone=000000002", ["Chitra"], "also where the part is as long as a number may be"),
            ("phone=01", ["Asha"], "a zero and a one, not just a one"),
            ("phone=4711", [], "nobody's"),
            ("search=ASH", ["Asha"], "the name in any case"),
            ("search=omar", ["Omar"], "the username"),
            ("search=00004", ["Wasim"], "the phone"),
            ("search=090000 00004", ["Wasim"], "the phone as people dial it"),
            ("search=%25", [], "no wildcard"),
            ("search=_", [], "no wildcard"),
            ("is_active=false", ["Dora"], ""),
            ("is_active=true&role=customer", ["Chitra"], ""),
            ("?role=worker", ["Wasim"], "F's stray question mark"),
            ("password=x&ordering=password&role__in=a&limit=9", ["Asha", "Wasim", "Chitra", "Omar", "Dora"], "unknown"),
        ],
    )
    def test_it_filters(
        self, asha: User, wasim: User, chitra: User, omar: User, query: str, names: list[str], why: str
    ) -> None:
        newcomer("Dora", is_active=False)

        answer = bearer(asha).get(f"{USERS}?{query}")

        assert answer.status_code == 200
        assert [row["name"] for row in answer.json()] == names, why

    @pytest.mark.parametrize(
        ("query", "field"),
        [("role=boss", "role"), ("is_active=perhaps", "is_active"), ("phone=abc", "phone"), ("page=0", "page")],
    )
    def test_it_refuses_what_it_cannot_read(self, asha: User, query: str, field: str) -> None:
        answer = bearer(asha).get(f"{USERS}?{query}")

        assert (answer.status_code, list(answer.json())) == (400, [field])

    def test_it_pages(self, asha: User, wasim: User, chitra: User) -> None:
        body = bearer(asha).get(f"{USERS}?page=2&page_size=2").json()

        assert body["count"] == 3
        assert [row["id"] for row in body["results"]] == [chitra.pk]
        assert body["next"] is None

    def test_it_takes_as_many_queries_for_one_as_for_ten(self, asha: User) -> None:
        api = bearer(asha)
        counts = []
        for rows in (1, 10):
            while User.objects.count() < rows:
                newcomer(f"User {User.objects.count()}")
            with CaptureQueriesContext(connection) as queries:
                api.get(USERS)
            counts.append(len(queries))

        assert counts == [2, 2]

    def test_no_answer_holds_a_hash(self, asha: User, chitra: User) -> None:
        api = bearer(asha)
        for path in (USERS, f"{USERS}{chitra.pk}/", "/api/auth/me/", "/api/me/"):
            assert "argon2" not in api.get(path).content.decode()


class TestOneUser:
    def test_it_shows_the_groups_too(self, asha: User, omar: User) -> None:
        bearer(asha).patch(update(omar), {"groups": ["Sales", "Management"]})

        answer = bearer(asha).get(f"{USERS}{omar.pk}/")

        assert answer.status_code == 200
        assert answer.json()["groups"] == ["Management", "Sales"]
        assert answer.json()["username"] == "omar"
        assert answer["ETag"]

    @pytest.mark.parametrize("pk", ["0", "999999", "9" * 30])
    def test_an_unknown_one_is_404(self, asha: User, pk: str) -> None:
        api = bearer(asha)
        assert api.get(f"{USERS}{pk}/").status_code == 404
        assert api.patch(f"{USERS}{pk}/update/", {"name": "X"}).status_code == 404
        assert api.post(f"{USERS}{pk}/change-password/", {"new_password": "another-lantern-43"}).status_code == 404


class TestMakingOne:
    def test_it_works(self, anyone: Api, asha: User) -> None:
        given = {
            "username": "deepa",
            "name": "Deepa",
            "phone": "98765 43210",
            "email": "deepa@example.org",
            "role": "staff",
            "region": "Madurai",
            "address": "1 Temple Road",
            "city": "Madurai",
            "postal_code": "625001",
            "password": PASSWORD,
            "groups": ["Operations"],
        }
        answer = bearer(asha).post(USERS, given)

        assert answer.status_code == 201
        deepa = User.objects.get(username="deepa")
        expected = given | {"id": deepa.pk, "phone": "+919876543210", "role": "worker", "is_active": True}
        del expected["password"]
        assert without_times(answer.json()) == expected
        event = Event.objects.get()
        assert (event.type, event.actor, event.subject_id) == ("user.created", asha, str(deepa.pk))
        assert PASSWORD not in str(event.after)
        assert event.after["groups"] == ["Operations"]
        assert anyone.post("/api/auth/login/", {"username": "deepa", "password": PASSWORD}).status_code == 200

    def test_without_a_password_nobody_signs_in(self, anyone: Api, asha: User) -> None:
        answer = bearer(asha).post(USERS, {"phone": "9876543210"})

        assert answer.status_code == 201
        assert answer.json()["role"] == "customer"
        for guess in ("", "!", "None"):
            login = anyone.post("/api/auth/login/", {"phone": "9876543210", "password": guess})
            assert login.status_code in (400, 401)

    def test_the_phone_may_stand_in_for_the_username(self, asha: User) -> None:
        answer = bearer(asha).post(USERS, {"username": "09876543210", "phone": "9876543210"})

        assert answer.status_code == 201
        assert User.objects.get(phone="+919876543210").username is None

    @pytest.mark.parametrize(
        ("body", "field", "why"),
        [
            ({"name": "X"}, "phone", "neither username nor phone"),
            ({"username": "", "phone": ""}, "phone", "both empty"),
            ({"username": "12345"}, "username", "could be a phone"),
            ({"username": "a\tb"}, "username", "a tab"),
            ({"username": "<b>"}, "username", "brackets"),
            ({"username": "ASHA"}, "username", "taken, in another case"),
            ({"phone": "09000000001"}, "phone", "taken, in another spelling"),
            ({"username": "x", "phone": "12"}, "phone", "no phone"),
            ({"username": "x", "role": "boss"}, "role", "no role"),
            ({"username": "x", "is_active": "perhaps"}, "is_active", "no boolean"),
            ({"username": "x", "groups": ["Nobody"]}, "groups", "no group"),
            ({"username": "x", "groups": "Sales"}, "groups", "no list"),
            ({"username": "x", "password": "short1"}, "password", "too short"),
            ({"username": "xanthippe", "password": "xanthippe1"}, "password", "like the username"),
            ({"username": "x", "region": "r" * 51}, "region", "too long"),
            ({"username": "x" * 151}, "username", "too long"),
        ],
    )
    def test_bad_input_is_named_and_nothing_is_stored(self, asha: User, body: dict, field: str, why: str) -> None:
        answer = bearer(asha).post(USERS, body)

        assert answer.status_code == 400, why
        assert list(answer.json()) == [field], why
        assert User.objects.count() == 1
        assert not Event.objects.exists()


class TestChangingOne:
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_it_changes_what_is_given(self, asha: User, chitra: User, method: str) -> None:
        api = bearer(asha)
        before = api.get(f"{USERS}{chitra.pk}/").json()

        answer = api.send(method, update(chitra), {"name": "Chitra K", "role": "staff", "region": "Madurai"})

        assert answer.status_code == 200
        assert answer.json() == before | {"name": "Chitra K", "role": "worker", "region": "Madurai"}
        event = Event.objects.get()
        assert (event.type, event.actor, event.subject_id) == ("user.updated", asha, str(chitra.pk))
        assert event.before == {"name": "Chitra", "role": "customer", "region": ""}
        assert event.after == {"name": "Chitra K", "role": "worker", "region": "Madurai"}

    def test_whole_answers_may_come_back(self, asha: User, chitra: User) -> None:
        api = bearer(asha)
        whole = api.get(f"{USERS}{chitra.pk}/").json()
        row = User.objects.filter(pk=chitra.pk).values().get()

        assert api.patch(update(chitra), whole).status_code == 200
        assert User.objects.filter(pk=chitra.pk).values().get() == row
        assert not Event.objects.exists()

        # Here `username` still shows the old phone.
        assert api.patch(update(chitra), {**whole, "phone": "9876543210"}).status_code == 200
        chitra.refresh_from_db()
        assert (chitra.username, chitra.phone) == (None, "+919876543210")

    @pytest.mark.parametrize("nothing", ["", None])
    def test_nothing_said_of_the_role_or_the_state_keeps_them(self, asha: User, wasim: User, nothing: Any) -> None:
        answer = bearer(asha).patch(update(wasim), {"name": "W", "role": nothing, "is_active": nothing})

        assert answer.status_code == 200, answer.content
        assert {key: answer.json()[key] for key in ("name", "role", "is_active")} == {
            "name": "W",
            "role": "worker",
            "is_active": True,
        }
        made = bearer(asha).post(USERS, {"username": "new", "role": nothing, "is_active": nothing})
        assert (made.status_code, made.json()["role"], made.json()["is_active"]) == (201, "customer", True)

    def test_read_only_and_unknown_keys_are_ignored(self, asha: User, chitra: User) -> None:
        row = User.objects.filter(pk=chitra.pk).values().get()
        body = {"id": 1, "password": "x", "session_epoch": 9, "date_joined": "x", "is_superuser": True, "x": {}}

        assert bearer(asha).patch(update(chitra), body).status_code == 200
        assert User.objects.filter(pk=chitra.pk).values().get() == row

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"phone": "+919000000001"}, "phone"),
            ({"phone": "nonsense"}, "phone"),
            ({"phone": None}, "phone"),
            ({"phone": ""}, "phone"),
            ({"username": "Asha"}, "username"),
            ({"username": "4711"}, "username"),
            ({"groups": ["Sales", "Nobody"]}, "groups"),
            ({"role": "boss"}, "role"),
            ({"email": "nonsense"}, "email"),
        ],
    )
    def test_bad_input_is_named_and_nothing_is_stored(self, asha: User, chitra: User, body: dict, field: str) -> None:
        row = User.objects.filter(pk=chitra.pk).values().get()

        answer = bearer(asha).patch(update(chitra), {"name": "New", **body})

        assert (answer.status_code, list(answer.json())) == (400, [field])
        assert User.objects.filter(pk=chitra.pk).values().get() == row
        assert not Event.objects.exists()

    @pytest.mark.parametrize("nothing", ["", None])
    @pytest.mark.parametrize(
        ("has", "given", "field"),
        [
            ({"phone": "+919000000002"}, ["phone"], "phone"),
            ({"phone": "+919000000002"}, ["phone", "username"], "phone"),
            ({"username": "chitra"}, ["username"], "username"),
            ({"username": "chitra"}, ["phone", "username"], "username"),
            ({"phone": "+919000000002", "username": "chitra"}, ["phone", "username"], "phone"),
        ],
    )
    def test_the_last_way_to_sign_in_is_not_taken(
        self, asha: User, has: dict, given: list[str], field: str, nothing: str | None
    ) -> None:
        chitra = User.objects.create(name="Chitra", **has)
        row = User.objects.filter(pk=chitra.pk).values().get()

        answer = bearer(asha).patch(update(chitra), {"name": "New", **dict.fromkeys(given, nothing)})

        assert (answer.status_code, answer.json()) == (400, {field: ["Give a phone number or a username."]})
        assert User.objects.filter(pk=chitra.pk).values().get() == row

    @pytest.mark.parametrize("name", ["phone", "username"])
    def test_one_of_two_ways_to_sign_in_may_go(self, asha: User, name: str) -> None:
        chitra = User.objects.create(name="Chitra", phone="+919000000002", username="chitra")

        assert bearer(asha).patch(update(chitra), {name: ""}).status_code == 200

        assert User.objects.filter(pk=chitra.pk, **{name: None}).exists()

    def test_what_is_taken_is_named_whatever_the_names_are(self, asha: User) -> None:
        """PostgreSQL tells in its message what was written."""
        one, other = (User.objects.create(name=name, username=name) for name in ("phone", "two"))
        User.objects.filter(pk=one.pk).update(phone="+919000000002")

        by_username = bearer(asha).patch(update(other), {"username": "PHONE"})
        by_phone = bearer(asha).patch(update(other), {"phone": "9000000002"})

        assert by_username.json() == {"username": ["A user with this username exists already."]}
        assert by_phone.json() == {"phone": ["A user with this phone number exists already."]}

    def test_deactivating_and_reactivating_are_told_apart(self, asha: User, chitra: User) -> None:
        for is_active in (False, True):
            bearer(asha).patch(update(chitra), {"is_active": is_active})

        assert list(Event.objects.order_by("id").values_list("type", flat=True)) == [
            "user.deactivated",
            "user.reactivated",
        ]

    def test_an_etag_guards_it(self, asha: User, chitra: User) -> None:
        api = bearer(asha)
        etag = api.get(f"{USERS}{chitra.pk}/")["ETag"]

        assert api.patch(update(chitra), {"groups": ["Sales"]}, **{"If-Match": etag}).status_code == 200
        assert api.patch(update(chitra), {"name": "Late"}, **{"If-Match": etag}).status_code == 412


class TestTheLastAdmin:
    @pytest.mark.parametrize("body", [{"is_active": False}, {"role": "worker"}, {"role": "office", "is_active": False}])
    def test_nobody_takes_it_away(self, asha: User, body: dict) -> None:
        newcomer("Retired", role=Role.ADMIN, is_active=False)
        api = bearer(asha)

        answer = api.patch(update(asha), {"name": "New", **body})

        assert answer.status_code == 409
        assert answer.json()["code"] == "last_admin"
        assert User.objects.get(pk=asha.pk).name == "Asha"
        assert api.get("/api/auth/me/").status_code == 200
        assert not Event.objects.exists()

    def test_the_last_but_one_may_go(self, asha: User) -> None:
        boris = newcomer("Boris", role=Role.ADMIN)

        assert bearer(asha).patch(update(boris), {"role": "worker"}).status_code == 200
        assert bearer(asha).patch(update(asha), {"role": "worker"}).status_code == 409

    def test_two_who_demote_each_other_leave_one(self, asha: User) -> None:
        """Both decide on what they read before either wrote."""
        boris = newcomer("Boris", role=Role.ADMIN)
        stale = {user.pk: User.objects.get(pk=user.pk) for user in (asha, boris)}

        update_user_by_admin(stale[boris.pk], {"role": "worker"}, by=asha, now=moments.now())
        with pytest.raises(LastAdmin):
            update_user_by_admin(stale[asha.pk], {"role": "worker"}, by=boris, now=moments.now())

        assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1

    def test_all_admins_are_locked_in_one_order(self, asha: User, chitra: User) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time, from the beginning of its transaction")
        api, etag = bearer(asha), bearer(asha).get(f"{USERS}{chitra.pk}/").headers["ETag"]
        with CaptureQueriesContext(connection) as queries:
            assert api.patch(update(chitra), {"role": "worker"}, **{"If-Match": etag}).status_code == 200

        locking = [query["sql"] for query in queries if " FOR " in query["sql"] and "UPDATE" in query["sql"]]
        assert len(locking) == 2, "for If-Match, and by the action"
        assert {sql.partition("WHERE")[2] for sql in locking} == {locking[1].partition("WHERE")[2]}
        assert locking[0].endswith('ORDER BY "accounts_user"."id" ASC FOR NO KEY UPDATE')


class TestSettingAPassword:
    NEW = "another-lantern-43"

    def test_it_works(self, anyone: Api, asha: User, chitra: User) -> None:
        answer = bearer(asha).post(f"{USERS}{chitra.pk}/change-password/", {"new_password": self.NEW})

        assert (answer.status_code, answer.json()) == (200, {"detail": "Password changed successfully"})
        assert anyone.post("/api/auth/login/", {"phone": chitra.phone, "password": self.NEW}).status_code == 200
        event = Event.objects.get()
        assert (event.type, event.actor, event.subject_id) == ("user.password_changed", asha, str(chitra.pk))

    @pytest.mark.parametrize("body", [{}, {"new_password": "short1"}, {"new_password": ""}, {"new_password": None}])
    def test_bad_input_is_named(self, asha: User, chitra: User, body: dict) -> None:
        answer = bearer(asha).post(f"{USERS}{chitra.pk}/change-password/", body)

        assert (answer.status_code, list(answer.json())) == (400, ["new_password"])
        assert User.objects.get(pk=chitra.pk).password == chitra.password
