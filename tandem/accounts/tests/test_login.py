from __future__ import annotations

import statistics
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import User
from tandem.accounts.tests.conftest import Api
from tests.cast import PASSWORD

LOGIN = "/api/auth/login/"
REFUSED = {"detail": "No active account has these credentials.", "code": "no_active_account"}


def test_it_answers_tokens_and_the_user(anyone: Api, chitra: User) -> None:
    answer = anyone.post(LOGIN, {"phone": "+919000000002", "password": PASSWORD})

    assert answer.status_code == 200
    body = answer.json()
    assert sorted(body) == ["access", "refresh", "user"]
    me = Api(f"Bearer {body['access']}").get("/api/auth/me/")
    assert me.json() == body["user"]
    assert body["user"]["id"] == chitra.pk


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"phone": "+919000000001"}, "E.164"),
        ({"phone": "09000000001"}, "as dialled at home"),
        ({"phone": "90000 00001"}, "with a space"),
        ({"phone": 9000000001}, "as a number"),
        ({"username": "asha"}, "by username"),
        ({"username": " Asha "}, "case and spaces do not count"),
        ({"username": "09000000001"}, "a phone in the username's field"),
        ({"phone": "asha"}, "a username in the phone's field"),
        ({"phone": "", "username": "asha"}, "an empty field is no field"),
    ],
)
def test_it_knows_all_spellings_of_a_person(anyone: Api, asha: User, body: dict, why: str) -> None:
    answer = anyone.post(LOGIN, {**body, "password": PASSWORD})

    assert answer.status_code == 200, why
    assert answer.json()["user"]["id"] == asha.pk


@pytest.mark.parametrize(
    ("login", "password", "why"),
    [
        ("asha", "wrong", "wrong password"),
        ("nobody", PASSWORD, "unknown user"),
        ("+919811111111", PASSWORD, "unknown phone"),
        ("12", PASSWORD, "no phone at all"),
        ("omar", PASSWORD, "deactivated"),
        ("omar", "wrong", "deactivated, and wrong"),
    ],
)
def test_all_refusals_look_alike(anyone: Api, asha: User, omar: User, login: str, password: str, why: str) -> None:
    User.objects.filter(pk=omar.pk).update(is_active=False)

    answer = anyone.post(LOGIN, {"username": login, "password": password})

    assert (answer.status_code, answer.json()) == (401, REFUSED), why
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_nobody_signs_in_without_a_password_on_file(anyone: Api, chitra: User) -> None:
    chitra.set_unusable_password()
    chitra.save(update_fields=["password"])

    for guess in ("!", chitra.password, "nobody"):
        assert anyone.post(LOGIN, {"phone": chitra.phone, "password": guess}).status_code == 401


def test_it_names_what_is_missing(anyone: Api) -> None:
    assert anyone.post(LOGIN, {}).json() == {"password": ["This field is required."]}
    assert anyone.post(LOGIN, {"password": "x"}).json() == {"phone": ["Give a phone or a username."]}


def test_a_stale_credential_does_not_get_in_the_way(anyone: Api, asha: User) -> None:
    answer = Api("Bearer stale").post(LOGIN, {"username": "asha", "password": PASSWORD})

    assert answer.status_code == 200


def test_it_notes_when_somebody_signed_in(anyone: Api, asha: User) -> None:
    anyone.post(LOGIN, {"username": "asha", "password": PASSWORD})

    asha.refresh_from_db()
    assert asha.last_login is not None


def test_a_password_hashed_with_old_parameters_is_renewed(anyone: Api, asha: User) -> None:
    import argon2

    old = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    User.objects.filter(pk=asha.pk).update(password=f"argon2{old}")

    assert anyone.post(LOGIN, {"username": "asha", "password": PASSWORD}).status_code == 200

    asha.refresh_from_db()
    assert "m=19456,t=2,p=1" in asha.password
    assert anyone.post(LOGIN, {"username": "asha", "password": PASSWORD}).status_code == 200


def test_unknown_users_cost_the_same_queries(anyone: Api, asha: User) -> None:
    counts = []
    for login in ("asha", "nobody"):
        with CaptureQueriesContext(connection) as queries:
            anyone.post(LOGIN, {"username": login, "password": "wrong"})
        counts.append([query["sql"].split()[0] for query in queries])

    assert counts[0] == counts[1]


def test_unknown_users_take_as_long_as_known_ones(anyone: Api, asha: User, settings) -> None:
    settings.LOGIN_THROTTLE = False
    seconds: dict[str, list[float]] = {"asha": [], "nobody": []}
    for _ in range(9):
        for login, taken in seconds.items():
            started = time.perf_counter()
            anyone.post(LOGIN, {"username": login, "password": "wrong"})
            taken.append(time.perf_counter() - started)

    ratio = statistics.median(seconds["nobody"]) / statistics.median(seconds["asha"])
    assert 0.6 < ratio < 1.6  # without a hash for nobody it is about 0.1
