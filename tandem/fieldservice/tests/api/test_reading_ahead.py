"""A card that is read along with its caller (common/reading/ahead.py) is shown as if it had been read afterwards."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tandem.accounts.models import AccessKey, Role, User
from tandem.common.reading import ahead
from tests.cast import Api, card_of, person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_both_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "pays", lambda: True)
    ahead._guesses.clear()


@pytest.fixture(params=["Bearer", "Token"])
def chitra(request: pytest.FixtureRequest) -> Api:
    return Api(person("chitra"), scheme=request.param)


def _queries(api: Api, path: str) -> tuple[int, int]:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = api.get(path)
    return answer.status_code, len(seen)


def test_the_second_request_of_a_credential_costs_one_query(chitra: Api) -> None:
    path = f"/api/crm/cards/{card_of(person('chitra')).pk}/"
    first = chitra.get(path)
    assert _queries(chitra, path) == (200, 1)
    assert chitra.get(path).content == first.content
    assert chitra.get(path)["ETag"] == first["ETag"]


def test_somebody_elses_card_stays_hidden(chitra: Api) -> None:
    own, other = card_of(person("chitra")), card_of(person("deepak"))
    assert chitra.get(f"/api/crm/cards/{own.pk}/").status_code == 200
    assert _queries(chitra, f"/api/crm/cards/{other.pk}/") == (404, 1)


def test_another_role_sees_what_that_role_may(chitra: Api) -> None:
    other = card_of(person("deepak"))
    path = f"/api/crm/cards/{other.pk}/"
    assert chitra.get(path).status_code == 404
    User.objects.filter(pk=person("chitra").pk).update(role=Role.ADMIN)
    assert chitra.get(path).status_code == 200
    User.objects.filter(pk=person("chitra").pk).update(role=Role.CUSTOMER)
    assert chitra.get(path).status_code == 404


def test_who_may_not_is_refused_although_it_was_read(chitra: Api) -> None:
    path = f"/api/crm/cards/{card_of(person('chitra')).pk}/"
    assert chitra.get(path).status_code == 200
    User.objects.filter(pk=person("chitra").pk).update(role=Role.OFFICE)
    assert chitra.get(path).status_code == 403
    assert chitra.get(path).status_code == 403


def test_a_credential_that_ended_reads_nothing(chitra: Api) -> None:
    path = f"/api/crm/cards/{card_of(person('chitra')).pk}/"
    assert chitra.get(path).status_code == 200
    AccessKey.objects.all().delete()
    User.objects.filter(pk=person("chitra").pk).update(session_epoch=9)
    assert _queries(chitra, path) == (401, 1)


def test_a_key_that_was_handed_on_shows_the_new_owners_cards() -> None:
    own, other = card_of(person("chitra")), card_of(person("deepak"))
    api = Api(person("chitra"), scheme="Token")
    assert api.get(f"/api/crm/cards/{own.pk}/").status_code == 200
    AccessKey.objects.update(user=person("deepak"))
    assert api.get(f"/api/crm/cards/{own.pk}/").status_code == 404
    assert api.get(f"/api/crm/cards/{other.pk}/").status_code == 200


def test_a_change_answers_what_it_wrote() -> None:
    card = card_of(person("chitra"))
    asha = Api(person("asha"))
    path = f"/api/crm/cards/{card.pk}/"
    before = asha.get(path)
    answer = asha.patch(path, {"model": "AquaPure X2"}, If_Match=before["ETag"])
    assert (answer.status_code, answer.json()["model"]) == (200, "AquaPure X2")


def test_guesses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "KEPT", 1)
    path = f"/api/crm/cards/{card_of(person('chitra')).pk}/"
    for name in ("chitra", "asha", "chitra"):
        assert Api(person(name), scheme="Token").get(path).status_code == 200
    assert len(ahead._guesses) == 1
