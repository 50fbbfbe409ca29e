from __future__ import annotations

import statistics
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import User
from tandem.accounts.tests.conftest import Api
from tests.cast import PASSWORD
from tests.figures import figure

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


@pytest.mark.parametrize("path", [LOGIN, "/api-token-auth/", "/api/api-token-auth/"])
class TestForms:
    """`application/x-www-form-urlencoded`, as old clients send it."""

    def send(self, path: str, content: str | bytes, **headers: str) -> Any:
        return Client().post(path, content, content_type="application/x-www-form-urlencoded", headers=headers)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (urlencode({"username": "asha", "password": PASSWORD}), "as libraries write it"),
            (f"username=%2B91+9000000001&password={PASSWORD}&next=", "a phone, and a key that nobody knows"),
            (f"username=asha&password={PASSWORD}".encode(), "bytes"),
        ],
    )
    def test_they_are_taken(self, asha: User, path: str, content: str | bytes, why: str) -> None:
        answer = self.send(path, content)
        assert answer.status_code == 200, why
        token = answer.json().get("token")
        credential = f"Token {token}" if token else f"Bearer {answer.json()['access']}"
        assert Api(credential).get("/api/me/").json()["username"] == "asha"

    def test_a_wrong_password_is_one(self, asha: User, path: str) -> None:
        answer = self.send(path, urlencode({"username": "asha", "password": f"{PASSWORD} "}))
        assert answer.status_code == (401 if path == LOGIN else 400)
        assert answer.json()["detail"] == "No active account has these credentials."

    @pytest.mark.parametrize(
        ("content", "answered"),
        [
            ("username=asha&password=a%00b", {"password": ["Null characters are not allowed."]}),
            ("username=asha&username=omar&password=x", {"detail": "The key 'username' is given twice."}),
            ("username=asha&password=%FF", {"detail": "The text is not UTF-8."}),
            (b"username=asha&password=\xff", {"detail": "The text is not UTF-8."}),
            ("&".join(f"a{n}=1" for n in range(1001)), {"detail": "The form has more than 1000 fields."}),
            ("a=" + "x" * 1_048_576, {"detail": "The body is larger than 1048576 bytes."}),
            ("username=asha", {"password": ["This field is required."]}),
            ("username=asha&password=", {"password": ["This field may not be blank."]}),
        ],
    )
    def test_they_are_read_as_strictly_as_json(
        self, asha: User, path: str, content: str | bytes, answered: dict[str, Any]
    ) -> None:
        answer = self.send(path, content)
        code = {"code": "parse_error"} if "detail" in answered else {}
        assert (answer.status_code, answer.json()) == (400, answered | code)

    def test_a_key_keeps_the_answer(self, asha: User, path: str) -> None:
        content = urlencode({"username": "asha", "password": PASSWORD})
        first, again = (self.send(path, content, **{"Idempotency-Key": "k"}) for _ in range(2))
        assert (first.status_code, again.content) == (200, first.content)


def test_no_form_is_taken_elsewhere(anyone: Api, asha: User) -> None:
    for path in ("/api/auth/token/register/", "/api/auth/token/refresh/"):
        answer = Client().post(path, "phone=9876543210", content_type="application/x-www-form-urlencoded")
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


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
    figure(f"sign-in: an unknown user takes {ratio:.3f} of the time of a wrong password")
    assert 0.6 < ratio < 1.6  # without a hash for nobody it is about 0.1
