from __future__ import annotations

import pytest

from tandem.accounts.models import Role, User
from tandem.accounts.tests.conftest import Api, without_times
from tandem.common.models import IdempotentAnswer
from tandem.events.models import Event
from tests.cast import PASSWORD

REGISTER = "/api/auth/token/register/"


def test_it_makes_a_customer_and_signs_in(anyone: Api) -> None:
    answer = anyone.post(REGISTER, {"name": "Devi", "phone": "98765 43210", "password": PASSWORD})

    assert answer.status_code == 201
    body = answer.json()
    devi = User.objects.get()
    assert without_times(body["user"]) == {
        "id": devi.pk,
        "username": "+919876543210",
        "name": "Devi",
        "phone": "+919876543210",
        "email": "",
        "role": "customer",
        "region": "",
        "address": "",
        "city": "",
        "postal_code": "",
        "is_active": True,
    }
    assert Api(f"Bearer {body['access']}").get("/api/auth/me/").json() == body["user"]
    assert anyone.post("/api/auth/token/refresh/", {"refresh": body["refresh"]}).status_code == 200
    event = Event.objects.get()
    assert (event.type, event.actor, event.subject_id) == ("user.registered", devi, str(devi.pk))
    assert event.after == {"name": "Devi", "phone": "+919876543210", "role": "customer", "is_active": True}


def test_the_second_address_does_the_same(anyone: Api) -> None:
    assert anyone.post("/api/auth/register/", {"phone": "9876543210", "password": PASSWORD}).status_code == 201


def test_nobody_makes_themselves_more_than_a_customer(anyone: Api) -> None:
    claimed = {
        "role": "admin",
        "is_active": False,
        "is_staff": True,
        "is_superuser": True,
        "region": "everywhere",
        "username": "root",
        "id": 1000,
        "groups": ["Sales"],
        "session_epoch": 9,
        "date_joined": "2001-01-01T00:00:00Z",
        "last_login": "2001-01-01T00:00:00Z",
        "user_permissions": [1],
    }
    answer = anyone.post(REGISTER, {"phone": "9876543210", "password": PASSWORD, **claimed})

    assert answer.status_code == 201
    made = User.objects.get()
    assert (made.role, made.is_active, made.region, made.username) == (Role.CUSTOMER, True, "", None)
    assert (made.is_staff, made.is_superuser, made.groups.count(), made.session_epoch) == (False, False, 0, 0)
    assert made.user_permissions.count() == 0
    assert made.pk != 1000
    assert made.date_joined.year > 2020


@pytest.mark.parametrize("phone", ["+919000000002", "09000000002", "90000-00002"])
def test_a_taken_phone_is_refused_in_any_spelling(anyone: Api, chitra: User, phone: str) -> None:
    answer = anyone.post(REGISTER, {"phone": phone, "password": PASSWORD})

    assert answer.status_code == 400
    assert answer.json() == {"phone": ["A user with this phone number exists already."]}
    assert User.objects.count() == 1
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"password": PASSWORD}, "phone", "missing"),
        ({"phone": "", "password": PASSWORD}, "phone", "empty"),
        ({"phone": None, "password": PASSWORD}, "phone", "null"),
        ({"phone": "12", "password": PASSWORD}, "phone", "too short"),
        ({"phone": "+9198765xxxx", "password": PASSWORD}, "phone", "letters"),
        ({"phone": "9876543210"}, "password", "missing"),
        ({"phone": "9876543210", "password": "short1"}, "password", "too short"),
        ({"phone": "9876543210", "password": "12345678901"}, "password", "digits only"),
        ({"phone": "9876543210", "password": "password1"}, "password", "too common"),
        ({"phone": "9876543210", "password": "p" * 1001}, "password", "too long"),
        ({"phone": "9876543210", "password": PASSWORD, "email": "nonsense"}, "email", "no address"),
        ({"phone": "9876543210", "password": PASSWORD, "name": "n" * 151}, "name", "too long"),
        ({"phone": "9876543210", "password": PASSWORD, "name": {}}, "name", "no text"),
    ],
)
def test_bad_input_is_named_and_nothing_is_stored(anyone: Api, body: dict, field: str, why: str) -> None:
    answer = anyone.post(REGISTER, body)

    assert answer.status_code == 400, why
    assert list(answer.json()) == [field], why
    assert not User.objects.exists()


def test_a_repeated_request_registers_once(anyone: Api) -> None:
    body = {"phone": "9876543210", "password": PASSWORD}
    first = anyone.post(REGISTER, body, **{"Idempotency-Key": "k1"})
    again = anyone.post(REGISTER, body, **{"Idempotency-Key": "k1"})

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    stored = IdempotentAnswer.objects.get()
    assert first.json()["access"].encode() not in bytes(stored.sealed_body)
