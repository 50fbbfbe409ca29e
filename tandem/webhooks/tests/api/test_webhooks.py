"""Contract A §13 over HTTP: webhooks themselves."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from standardwebhooks import Webhook as Receiver

from tandem.academy.models import Attribute
from tandem.common import moments
from tandem.common.sealing import unseal
from tandem.events.models import Event
from tandem.webhooks.actions.webhooks import rotate_secret
from tandem.webhooks.letters import letter
from tandem.webhooks.models import Webhook
from tandem.webhooks.tests.hooks import hook
from tests.cast import as_, member, person
from tests.database import everything

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/"
# As the contract's document shows it.
SHOWN: dict[str, Any] = {
    "name": "Notify External System",
    "model": "Lead",
    "url": "https://api.external.com/hooks/{id}",
    "method": "POST",
    "headers": {"Authorization": "Bearer token", "X-Custom-ID": "{id}"},
    "is_active": True,
    "conditions": [{"field": "stage", "operator": "=", "value": "Moodle"}],
    "condition_logic": "AND",
}


def made(**other: Any) -> dict[str, Any]:
    answer = as_("asha").post(URL, {**SHOWN, **other})
    assert answer.status_code == 201, answer.content
    body: dict[str, Any] = answer.json()
    return body


def stored(webhook: dict[str, Any]) -> Webhook:
    return Webhook.objects.get(pk=webhook["id"])


def test_it_works() -> None:
    answer = as_("asha").post(URL, SHOWN)
    body = answer.json()
    row = Webhook.objects.get()
    assert answer.status_code == 201
    assert body == {
        "id": str(row.pk),
        **SHOWN,
        "headers": {"Authorization": "Be****en", "X-Custom-ID": "****"},
        "events": ["created", "updated", "deleted"],
        "disabled_at": None,
        "disabled_reason": "",
        "old_secret_until": None,
        "created_by": person("asha").pk,
        "created_by_name": "Asha",
        "created_at": moments.iso(row.created_at),
        "updated_at": moments.iso(row.updated_at),
        "secret": unseal(row.sealed_secret.encode()).decode(),
    }
    assert body["secret"].startswith("whsec_")
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("nothing", [{}, None, ""], ids=["left out", "null", "empty"])
def test_what_is_left_out_has_a_default(nothing: Any) -> None:
    keys = ("method", "headers", "is_active", "conditions", "condition_logic", "events")
    left_out = {} if nothing == {} else dict.fromkeys(keys, nothing)
    answer = as_("asha").post(URL, {"name": "n", "model": "follow_up", "url": "http://x.example/", **left_out})
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert {
        name: body[name] for name in ("model", "method", "headers", "is_active", "conditions", "condition_logic")
    } == {
        "model": "FollowUp",
        "method": "POST",
        "headers": {},
        "is_active": True,
        "conditions": [],
        "condition_logic": "AND",
    }


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_leaves_what_has_a_default_as_it_is(nothing: Any) -> None:
    keys = ("method", "headers", "is_active", "conditions", "condition_logic", "events")
    other = {"method": "PUT", "is_active": False, "condition_logic": "OR", "events": ["updated"]}
    webhook, asha = made(**other), as_("asha")
    before = everything()
    for write in (asha.put, asha.patch):
        answer = write(f"{URL}{webhook['id']}/", dict.fromkeys(keys, nothing))
        assert (answer.status_code, answer.json()) == (200, {name: webhook[name] for name in answer.json()})
    assert everything() == before


def test_the_secret_and_the_headers_lie_encrypted() -> None:
    body = made()
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhooks_webhook")
        row = str(cursor.fetchall())
    assert "Bearer" not in row
    assert body["secret"].removeprefix("whsec_") not in row
    assert stored(body).headers() == SHOWN["headers"]


def test_the_secret_is_told_once() -> None:
    webhook = made()
    asha = as_("asha")
    assert "secret" not in asha.get(f"{URL}{webhook['id']}/").json()
    assert webhook["secret"] not in asha.get(URL).content.decode()
    assert webhook["secret"] not in asha.get(f"{URL}{webhook['id']}/history/").content.decode()


def test_a_secret_that_is_sent_is_ignored() -> None:
    sent = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    webhook = made(secret=sent)
    assert webhook["secret"] != sent
    assert stored(webhook).secrets(now=moments.now()) == [webhook["secret"]]


def test_a_repeated_request_gets_the_same_webhook_with_its_secret_masked() -> None:
    asha = as_("asha")
    first = asha.post(URL, SHOWN, Idempotency_Key="k")
    again = asha.post(URL, SHOWN, Idempotency_Key="k")
    secret = first.json()["secret"]
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == {**first.json(), "secret": f"wh****{secret[-2:]}"}
    assert Webhook.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("model", "Pipeline"),
        ("model", ["Lead"]),
        ("url", "ftp://x.example/"),
        ("url", "http://localhost/"),
        ("url", "http://127.0.0.1/"),
        ("url", "http://2130706433/"),
        ("url", "http://user:password@x.example/"),
        ("url", "https://{name}/"),
        ("url", "https://x.example:{id}/"),
        ("url", "https://x.example/{nothing}"),
        ("url", "https://x.example/{attributes.nothing}"),
        ("url", "https://x.example/{id.__class__}"),
        ("url", "nothing"),
        ("method", "TRACE"),
        ("headers", ["a"]),
        ("headers", {"Host": "x"}),
        ("headers", {"webhook-signature": "x"}),
        ("headers", {"X": "a\r\nY: b"}),
        ("headers", {"X": "{nothing}"}),
        ("headers", {"X": "****"}),
        ("is_active", "perhaps"),
        ("conditions", {"field": "stage"}),
        ("conditions", [{"field": "nothing", "operator": "=", "value": "x"}]),
        ("conditions", [{"field": "attributes.nothing", "operator": "=", "value": "x"}]),
        ("conditions", [{"field": "stage", "operator": "like", "value": "x"}]),
        ("condition_logic", "XOR"),
        ("events", []),
        ("events", ["restored"]),
        ("events", "created"),
    ],
)
def test_bad_input_is_refused_by_its_field(field: str, value: Any) -> None:
    asha, webhook = as_("asha"), made()
    before = everything()
    for answer in (
        asha.post(URL, {**SHOWN, field: value}),
        asha.patch(f"{URL}{webhook['id']}/", {field: value}),
    ):
        assert (answer.status_code, list(answer.json())) == (400, [field]), answer.content
    assert everything() == before


def test_a_wrong_condition_is_named_by_its_place() -> None:
    rows = [SHOWN["conditions"][0], {"field": "stage", "operator": "~", "value": "x"}]
    answer = as_("asha").post(URL, {**SHOWN, "conditions": rows})
    assert answer.json() == {"conditions": ["conditions[1].operator: Use one of: =, !=, >, <, >=, <=, in, contains."]}


def test_attributes_that_users_defined_may_be_asked_and_placed() -> None:
    now = moments.now()
    of = {"entity": "lead", "label": "x", "type": "number", "created_at": now, "updated_at": now}
    Attribute.objects.create(name="size", **of)
    body = made(
        url="https://x.example/{attributes.size}",
        headers={"X-Size": "{self.attributes.size}"},
        conditions=[{"field": "self.attributes.size", "operator": ">", "value": "9"}],
    )
    assert body["conditions"] == [{"field": "self.attributes.size", "operator": ">", "value": "9"}]
    Attribute.objects.update(deleted_at=now)
    answer = as_("asha").put(f"{URL}{body['id']}/", {**body, "name": "Renamed"})
    assert (answer.status_code, answer.json()["name"]) == (200, "Renamed"), "what is sent back is not judged anew"
    assert as_("asha").post(URL, body).status_code == 400


def test_the_whole_object_can_be_sent_back() -> None:
    webhook = made()
    asha = as_("asha")
    answer = asha.put(f"{URL}{webhook['id']}/", asha.get(f"{URL}{webhook['id']}/").json())
    assert answer.status_code == 200
    assert stored(webhook).headers() == SHOWN["headers"]
    assert Event.objects.filter(type="webhook.updated").count() == 0, "nothing was changed"


def test_absent_fields_stay() -> None:
    webhook = made()
    answer = as_("asha").put(f"{URL}{webhook['id']}/", {"is_active": False})
    assert (answer.json()["is_active"], answer.json()["url"]) == (False, SHOWN["url"])
    assert stored(webhook).headers() == SHOWN["headers"]


def test_headers_are_replaced_as_a_whole() -> None:
    webhook = made()
    answer = as_("asha").patch(f"{URL}{webhook['id']}/", {"headers": {"authorization": "Be****en", "X-New": "new"}})
    assert answer.json()["headers"] == {"authorization": "Be****en", "X-New": "****"}
    assert stored(webhook).headers() == {"authorization": "Bearer token", "X-New": "new"}
    as_("asha").patch(f"{URL}{webhook['id']}/", {"headers": {}})
    assert stored(webhook).headers() == {}


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/hooks", "https://api.external.com:8443/hooks", "http://api.external.com/hooks/{id}"],
)
@pytest.mark.parametrize("sent", [{"headers": {"Authorization": "Be****en"}}, {}])
def test_a_secret_does_not_follow_to_another_host_unseen(url: str, sent: dict[str, Any]) -> None:
    webhook, asha = made(), as_("asha")
    before = everything()
    answer = asha.patch(f"{URL}{webhook['id']}/", {"url": url, **sent})
    assert (answer.status_code, list(answer.json())) == (400, ["headers"])
    assert everything() == before


def test_with_its_values_given_again_it_may_move() -> None:
    webhook = made()
    sent = {"url": "https://other.example/", "headers": {"Authorization": "Bearer other"}}
    assert as_("asha").patch(f"{URL}{webhook['id']}/", sent).status_code == 200
    assert stored(webhook).headers() == {"Authorization": "Bearer other"}
    same_host = {"url": "https://other.example/another/path"}
    assert as_("asha").patch(f"{URL}{webhook['id']}/", same_host).status_code == 200


@pytest.mark.parametrize(
    "url",
    ["HTTPS://API.External.com/other", "https://api.external.com:443/other", "https://api.external.com:0443/{id}"],
)
def test_another_spelling_of_the_same_host_keeps_the_secrets(url: str) -> None:
    webhook = made()
    assert as_("asha").patch(f"{URL}{webhook['id']}/", {"url": url}).status_code == 200
    assert stored(webhook).headers() == SHOWN["headers"]


def test_another_model_judges_conditions_and_placeholders_anew() -> None:
    webhook = made()
    answer = as_("asha").patch(f"{URL}{webhook['id']}/", {"model": "Client"})
    assert (answer.status_code, list(answer.json())) == (400, ["conditions"])
    assert as_("asha").patch(f"{URL}{webhook['id']}/", {"model": "Client", "conditions": []}).status_code == 200


def test_the_history_names_headers_and_tells_no_values() -> None:
    webhook = made()
    as_("asha").patch(f"{URL}{webhook['id']}/", {"headers": {"X-Token": "secret-value"}})
    as_("asha").post(f"{URL}{webhook['id']}/rotate-secret/")
    history = as_("asha").get(f"{URL}{webhook['id']}/history/").json()
    assert [event["type"] for event in history] == ["webhook.secret_rotated", "webhook.updated", "webhook.created"]
    assert history[1]["after"] == {"headers": ["X-Token"]}
    assert history[1]["before"] == {"headers": ["Authorization", "X-Custom-ID"]}
    rows = str(list(Event.objects.values()))
    assert "secret-value" not in rows
    assert "Bearer token" not in rows


def test_a_rotated_secret_signs_along_for_a_day() -> None:
    webhook = made()
    answer = as_("asha").post(f"{URL}{webhook['id']}/rotate-secret/")
    row, new = stored(webhook), answer.json()["secret"]
    now = row.updated_at
    assert new != webhook["secret"]
    assert answer.json()["old_secret_until"] == moments.iso(row.old_secret_until)
    assert row.secrets(now=now) == [new, webhook["secret"]]
    assert row.secrets(now=row.old_secret_until) == [new]


def test_each_of_several_rotated_secrets_signs_along_for_its_own_day() -> None:
    webhook, begin = made(), moments.now()
    told = [webhook["secret"]]
    for hours in (0, 1, 23):
        told.append(rotate_secret(stored(webhook), by=person("asha"), now=begin + timedelta(hours=hours)))
    first, second, third, present = told

    def good(hours: float) -> list[str]:
        return stored(webhook).secrets(now=begin + timedelta(hours=hours))

    assert good(23) == [present, third, second, first]
    assert good(24) == [present, third, second], "the first one's day is over"
    assert good(25) == [present, third]
    assert good(47) == [present]


def test_receivers_with_any_of_the_rotated_secrets_verify_what_is_sent() -> None:
    webhook, asha = made(), as_("asha")
    told = [webhook["secret"]]
    for _ in range(2):
        told.append(asha.post(f"{URL}{webhook['id']}/rotate-secret/").json()["secret"])
    body = json.dumps({"data": {"id": "x", "stage": "New"}})
    sent = letter(stored(webhook), uuid.uuid4(), body, now=moments.now())
    assert sent.headers["webhook-signature"].count("v1,") == 3
    for secret in told:
        assert Receiver(secret).verify(body, dict(sent.headers))


def test_only_the_newest_of_many_rotated_secrets_sign_along() -> None:
    webhook, asha = made(), as_("asha")
    told = [webhook["secret"]]
    for _ in range(8):
        told.append(asha.post(f"{URL}{webhook['id']}/rotate-secret/").json()["secret"])
    assert stored(webhook).secrets(now=moments.now()) == told[:-7:-1]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhooks_webhook")
        rows = str(cursor.fetchall())
    assert not [secret for secret in told if secret.removeprefix("whsec_") in rows]


def test_a_repeated_rotation_is_one_and_shows_its_secret_masked() -> None:
    webhook, asha = made(), as_("asha")
    url = f"{URL}{webhook['id']}/rotate-secret/"
    secret = asha.post(url, Idempotency_Key="k").json()["secret"]
    again = asha.post(url, Idempotency_Key="k")
    assert again.json()["secret"] == f"wh****{secret[-2:]}"
    assert stored(webhook).secrets(now=moments.now()) == [secret, webhook["secret"]]


def test_what_was_sealed_with_another_secret_key_can_be_looked_at_and_given_anew() -> None:
    webhook, asha = made(), as_("asha")
    Webhook.objects.update(sealed_headers="sealed-elsewhere", sealed_secret="sealed-elsewhere")
    url = f"{URL}{webhook['id']}/"
    assert asha.get(url).json()["headers"] == {}
    assert asha.patch(url, {"headers": {"Authorization": "new"}}).status_code == 200
    secret = asha.post(f"{url}rotate-secret/").json()["secret"]
    assert stored(webhook).headers() == {"Authorization": "new"}
    assert stored(webhook).secrets(now=moments.now()) == [secret]


def test_a_deleted_webhook_is_gone_and_can_come_back() -> None:
    webhook = made()
    asha, url = as_("asha"), f"{URL}{webhook['id']}/"
    assert asha.delete(url).status_code == 204
    assert (asha.get(url).status_code, asha.get(URL).json()) == (404, [])
    assert [row["id"] for row in asha.get(f"{URL}?deleted=true").json()] == [webhook["id"]]
    assert asha.get(f"{url}history/").json()[0]["type"] == "webhook.deleted"
    assert member("Management").get(f"{url}history/").status_code == 404
    assert asha.post(f"{url}restore/").json()["id"] == webhook["id"]
    assert asha.get(url).status_code == 200


def test_an_old_etag_changes_nothing() -> None:
    webhook = made()
    asha, url = as_("asha"), f"{URL}{webhook['id']}/"
    tag = asha.get(url)["ETag"]
    assert asha.patch(url, {"name": "Other"}, If_Match=tag).status_code == 200
    assert asha.patch(url, {"name": "Third"}, If_Match=tag).status_code == 412


def test_an_old_etag_rotates_no_secret() -> None:
    webhook = made()
    asha, url = as_("asha"), f"{URL}{webhook['id']}/"
    tag = asha.get(url)["ETag"]
    first = asha.post(f"{url}rotate-secret/", If_Match=tag)
    before = everything()
    assert (first.status_code, asha.post(f"{url}rotate-secret/", If_Match=tag).status_code) == (200, 412)
    assert everything() == before
    assert stored(webhook).secrets(now=moments.now())[0] == first.json()["secret"]


def test_lists_are_filtered() -> None:
    first = made(name="To the warehouse")
    made(name="Other", model="Client", conditions=[], is_active=False)
    asha = as_("asha")
    for query in ("name=WARE", "search=ware", "model=lead", "is_active=true"):
        assert [row["id"] for row in asha.get(f"{URL}?{query}").json()] == [first["id"]], query
    for query in ("is_active=perhaps", "model=Pipeline"):
        assert asha.get(f"{URL}?{query}").status_code == 400, query


def test_rights_are_those_of_the_contract() -> None:
    webhook = made()
    url = f"{URL}{webhook['id']}/"
    management, sales = member("Management"), member("Sales", rights=["add_webhook"])
    assert (management.get(URL).status_code, management.get(url).status_code) == (200, 200)
    assert (management.patch(url, {}).status_code, management.post(URL, SHOWN).status_code) == (403, 403)
    assert (sales.get(URL).status_code, sales.post(URL, SHOWN).status_code) == (403, 201)


@pytest.mark.parametrize(("query", "status"), [("deleted=1", 200), ("%3Fdeleted=True", 200), ("deleted=abc", 400)])
def test_deleted_ones_are_asked_for_as_in_every_list(query: str, status: int) -> None:
    gone, asha = hook(), as_("asha")
    assert asha.delete(f"{URL}{gone.pk}/").status_code == 204
    answer = asha.get(f"{URL}?{query}")
    assert answer.status_code == status
    assert [row["id"] for row in answer.json()] == [str(gone.pk)] if status == 200 else "deleted" in answer.json()
