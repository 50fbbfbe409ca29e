"""Contract A §13 over HTTP: what was sent, sending again, trying out."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from standardwebhooks.webhooks import Webhook as Verifier

from tandem.academy.models import Lead
from tandem.common import moments
from tandem.webhooks import registry
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.samples import sample
from tandem.webhooks.tests.hooks import hook
from tandem.webhooks.tests.receiving import Receiver
from tests.cast import as_, card_of, member, person
from tests.database import everything

pytestmark = pytest.mark.django_db

URL = "/api/webhooks/"
TRIED = {"at": "2025-01-15T10:00:00Z", "status_code": 200, "error": "", "duration_ms": 7, "answer": "thanks"}


def lead(**other: Any) -> Lead:
    now = moments.now()
    return Lead.objects.create(**{"name": "Jo", "stage": "New", "created_at": now, "updated_at": now, **other})


def delivery(webhook: Webhook, sequence: int = 1, **other: Any) -> Delivery:
    now = moments.now()
    values = {"type": "lead.updated", "record": "r", "body": '{"data":{}}', "next_attempt_at": now, "created_at": now}
    return Delivery.objects.create(webhook=webhook, sequence=sequence, **{**values, **other})


def settled(webhook: Webhook, sequence: int = 1, **other: Any) -> Delivery:
    return delivery(webhook, sequence, **{"status": "delivered", "tried": [TRIED], "answered": True, **other})


def test_it_lists_deliveries_newest_first() -> None:
    webhook, now = hook(), moments.now()
    old = settled(webhook, created_at=now - timedelta(hours=1))
    new = delivery(webhook, 2)
    delivery(hook())
    answer = as_("asha").get(f"{URL}{webhook.pk}/deliveries/")
    assert answer.json() == [
        {
            "id": str(new.pk),
            "type": "lead.updated",
            "record": "r",
            "status": "pending",
            "next_attempt_at": moments.iso(new.next_attempt_at),
            "created_at": moments.iso(new.created_at),
            "attempts": [],
        },
        {
            "id": str(old.pk),
            "type": "lead.updated",
            "record": "r",
            "status": "delivered",
            "next_attempt_at": None,
            "created_at": moments.iso(old.created_at),
            "attempts": [TRIED],
        },
    ]


def test_what_receivers_answered_is_for_those_who_may_change() -> None:
    webhook = hook()
    settled(webhook)
    (shown,) = member("Management").get(f"{URL}{webhook.pk}/deliveries/").json()
    assert shown["attempts"] == [{name: value for name, value in TRIED.items() if name != "answer"}]


def test_lists_are_filtered_and_take_the_same_number_of_queries() -> None:
    webhook, asha = hook(), as_("asha")
    one = settled(webhook)
    url = f"{URL}{webhook.pk}/deliveries/"

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            asha.get(url)
        return len(captured)

    before = queries()
    for n in range(2, 12):
        delivery(webhook, n, record="other", type="lead.created")
    assert queries() == before
    for query in ("status=delivered", "status=delivered,failed", "type=lead.updated", "record=r"):
        assert [row["id"] for row in asha.get(f"{url}?{query}").json()] == [str(one.pk)], query
    assert asha.get(f"{url}?status=lost").status_code == 400


def test_a_page_leads_to_the_rest_and_the_latest_change_is_first() -> None:
    webhook, asha, at = hook(), as_("asha"), moments.now()
    made = [delivery(webhook, n, created_at=at).pk for n in range(9)]
    seen: list[str] = []
    url = f"{URL}{webhook.pk}/deliveries/?limit=2"
    while url:
        answer = asha.get(url)
        seen += [row["id"] for row in answer.json()]
        url = answer.headers.get("Link", "").partition("<")[2].partition(">")[0].removeprefix("http://localhost")
    assert seen == [str(pk) for pk in reversed(made)]


def test_a_delivery_is_sent_again_with_the_same_body() -> None:
    webhook = hook()
    one = settled(webhook, status="failed", failures=10)
    answer = as_("asha").post(f"{URL}{webhook.pk}/deliveries/{one.pk}/redeliver/")
    again = Delivery.objects.get()
    assert (answer.status_code, answer.json()["id"], answer.json()["status"]) == (200, str(one.pk), "pending")
    assert (again.body, again.failures, again.tried) == (one.body, 0, [TRIED])
    assert again.next_attempt_at <= moments.now()


def test_for_a_webhook_that_is_off_it_is_held() -> None:
    webhook = hook(is_active=False)
    one = settled(webhook)
    assert as_("asha").post(f"{URL}{webhook.pk}/deliveries/{one.pk}/redeliver/").json()["status"] == "held"


def test_what_is_being_tried_keeps_its_claim() -> None:
    webhook, until = hook(), moments.now() + timedelta(minutes=1)
    one = delivery(webhook, lease_until=until, attempts=1)
    assert as_("asha").post(f"{URL}{webhook.pk}/deliveries/{one.pk}/redeliver/").status_code == 200
    assert Delivery.objects.get().lease_until == until


def test_a_delivery_of_another_webhook_is_not_found() -> None:
    one = settled(hook())
    other, asha = hook(), as_("asha")
    before = everything()
    assert asha.post(f"{URL}{other.pk}/deliveries/{one.pk}/redeliver/").status_code == 404
    assert everything() == before


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({"from": "2025-01-10", "to": "2025-01-12"}, [2, 3, 4]),
        ({"from": "2025-01-10", "to": "2025-01-10"}, [2]),
        ({"from": "2025-01-12T12:00:00+05:30"}, [4, 5]),
        ({"from": "2025-01-12T12:00:00+05:30", "to": "2025-01-12T12:00:00+05:30"}, [4]),
        ({"from": "2025-01-10", "status": "failed"}, [3]),
        ({"from": "2025-01-10", "status": "delivered"}, [2, 4, 5]),
        ({"from": "2026-01-01", "to": "2026-01-02"}, []),
    ],
)
def test_a_span_of_time_is_sent_again(span: dict[str, str], expected: list[int]) -> None:
    webhook = hook()
    day = moments.start_of(moments.day_or_moment("2025-01-09").day) + timedelta(hours=12)
    for n in range(1, 6):
        failed = {"status": "failed"} if n == 3 else {}
        settled(webhook, n, created_at=day + timedelta(days=n - 1), **failed)
    settled(webhook, 0, created_at=day + timedelta(days=2), is_test=True)
    answer = as_("asha").post(f"{URL}{webhook.pk}/deliveries/redeliver/", span)
    assert (answer.status_code, answer.json()) == (200, {"redelivered": len(expected)})
    again = Delivery.objects.filter(status="pending").order_by("sequence")
    assert list(again.values_list("sequence", flat=True)) == expected


def test_the_times_that_the_log_shows_are_a_span_in_which_they_lie() -> None:
    webhook, asha = hook(), as_("asha")
    at = moments.now().replace(microsecond=0) - timedelta(days=1)
    for n, seconds in enumerate((-0.000001, 0, 0.4, 30.5, 59.999999, 60), start=1):
        settled(webhook, n, created_at=at + timedelta(seconds=seconds))
    shown = [row["created_at"] for row in asha.get(f"{URL}{webhook.pk}/deliveries/").json()]
    span = {"from": shown[-2], "to": shown[1]}
    assert asha.post(f"{URL}{webhook.pk}/deliveries/redeliver/", span).json() == {"redelivered": 4}
    again = Delivery.objects.filter(status="pending").order_by("sequence")
    assert list(again.values_list("sequence", flat=True)) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("span", "field"),
    [
        ({}, "from"),
        ({"from": "soon"}, "from"),
        ({"from": "2025-01-10", "to": "then"}, "to"),
        ({"from": "2025-01-10", "to": "2025-01-08"}, "from"),
        ({"from": "2025-01-10", "to": "2025-01-09"}, "from"),
        ({"from": "2025-01-10T12:00:00Z", "to": "2025-01-10T11:59:59Z"}, "from"),
        ({"from": "2025-01-10T12:00:00Z", "to": "2025-01-09"}, "from"),
        ({"from": "2999-01-01"}, "from"),
        ({"from": "2025-01-10", "status": "held"}, "status"),
    ],
)
def test_a_wrong_span_is_refused_by_its_field(span: dict[str, str], field: str) -> None:
    answer = as_("asha").post(f"{URL}{hook().pk}/deliveries/redeliver/", span)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_test_sends_the_newest_record_at_once_whatever_the_conditions_say(receiver: Receiver) -> None:
    lead(name="older", created_at=moments.now() - timedelta(days=1))
    newest = lead(name="newest")
    never = [{"field": "stage", "operator": "=", "value": "never"}]
    webhook = hook(url=f"{receiver.url}/{{id}}", is_active=False, conditions=never, events=["updated"])
    answer = as_("asha").post(f"{URL}{webhook.pk}/test/")
    (got,) = receiver.got
    body = Verifier(webhook.secrets(now=moments.now())[0]).verify(got.body, got.headers)
    assert (got.path, body["type"]) == (f"/{newest.pk}", "lead.updated")
    assert body["data"] == as_("asha").get(f"/api/leads/{newest.pk}/").json()
    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["id"]) == (200, "delivered", got.headers["webhook-id"])
    assert shown["attempts"][0]["answer"] == "ok"
    assert as_("asha").get(f"{URL}{webhook.pk}/deliveries/").json() == [shown]


def test_a_test_that_fails_is_not_tried_again(receiver: Receiver) -> None:
    receiver.says(500)
    webhook = hook(url=receiver.url)
    answer = as_("asha").post(f"{URL}{webhook.pk}/test/")
    assert (answer.status_code, answer.json()["status"], answer.json()["next_attempt_at"]) == (200, "failed", None)
    webhook.refresh_from_db()
    assert webhook.failing_since is None


@pytest.mark.parametrize("model", ["Lead", "Client", "Service", "FollowUp", "Visit", "Card", "Feedback"])
def test_without_a_record_a_sample_is_sent(model: str, receiver: Receiver) -> None:
    webhook = hook(model, url=receiver.url)
    assert as_("asha").post(f"{URL}{webhook.pk}/test/").json()["status"] == "delivered"
    body = json.loads(receiver.got[0].body)
    assert body["data"] == sample(registry.by_model(model).shows)
    assert body["data"].keys() == registry.by_model(model).fields.keys()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k"}, {"If_Match": "*"}])
def test_a_test_is_never_sent_inside_of_a_transaction(
    headers: dict[str, str], receiver: Receiver, monkeypatch: Any
) -> None:
    from tandem.webhooks.actions import trials

    inside: list[bool] = []
    send = trials._sent
    monkeypatch.setattr(trials, "_sent", lambda *a, **k: (inside.append(connection.in_atomic_block), send(*a, **k))[1])
    webhook, asha = hook(url=receiver.url), as_("asha")
    first = asha.post(f"{URL}{webhook.pk}/test/", **headers)
    assert (first.status_code, inside) == (200, [False])
    if "Idempotency_Key" in headers:
        again = asha.post(f"{URL}{webhook.pk}/test/", **headers)
        assert (again["Idempotent-Replayed"], again.json(), len(receiver.got)) == ("true", first.json(), 1)


@pytest.mark.parametrize("path", ["deliveries/{delivery}/redeliver/", "deliveries/redeliver/", "test/"])
def test_an_old_etag_of_the_webhook_sends_nothing(path: str, receiver: Receiver) -> None:
    webhook, asha = hook(url=receiver.url), as_("asha")
    url = f"{URL}{webhook.pk}/"
    path = url + path.format(delivery=settled(webhook).pk)
    old = asha.get(url)["ETag"]
    asha.patch(url, {"name": "Other"})
    before = everything()
    assert asha.post(path, {"from": "2025-01-10"}, If_Match=old).status_code == 412
    assert (everything(), receiver.got) == (before, [])
    assert asha.post(path, {"from": "2025-01-10"}, If_Match=asha.get(url)["ETag"]).status_code == 200


def test_a_preview_shows_what_would_be_sent_and_sends_nothing() -> None:
    one = lead(name="Jo & Co")
    rows = [
        {"field": "stage", "operator": "=", "value": "New"},
        {"field": "name", "operator": "contains", "value": "Acme"},
    ]
    webhook = hook(
        url="https://x.example/{name}", headers={"Authorization": "Bearer token"}, conditions=rows, condition_logic="OR"
    )
    asha = as_("asha")
    before = everything()
    answer = asha.post(f"{URL}preview/", {"webhook": str(webhook.pk), "record": str(one.pk)})
    shown = answer.json()
    body = shown.pop("body")
    assert shown == {
        "fires": True,
        "condition_logic": "OR",
        "conditions": [{**rows[0], "found": "New", "holds": True}, {**rows[1], "found": "Jo & Co", "holds": False}],
        "method": "POST",
        "url": "https://x.example/Jo%20%26%20Co",
        "headers": {"Authorization": "Be****en"},
    }
    assert (body["type"], body["data"]) == ("lead.created", asha.get(f"/api/leads/{one.pk}/").json())
    assert everything() == before


def test_a_webhook_that_is_not_stored_can_be_previewed() -> None:
    one = lead()
    described = {"name": "n", "model": "Lead", "url": "https://x.example/{id}", "method": "GET"}
    shown = as_("asha").post(f"{URL}preview/", {"webhook": described, "record": str(one.pk)}).json()
    assert (shown["fires"], shown["url"], shown["body"]) == (True, f"https://x.example/{one.pk}", None)
    assert Webhook.objects.count() == 0


def test_a_webhook_as_it_is_shown_can_be_previewed_with_changes() -> None:
    headers = {"Authorization": "Bearer token", "X-Name": "{name} and more"}
    webhook, one, asha = hook(headers=headers), lead(), as_("asha")
    described = {**asha.get(f"{URL}{webhook.pk}/").json(), "method": "GET"}
    answer = asha.post(f"{URL}preview/", {"webhook": described, "record": str(one.pk)})
    shown = answer.json()
    assert answer.status_code == 200, shown
    assert (shown["method"], shown["headers"]) == ("GET", {"Authorization": "Be****en", "X-Name": "Jo****re"})


@pytest.mark.parametrize("changed", [{"id": None}, {"id": str(UUID(int=1))}, {"url": "https://elsewhere.example/"}])
def test_masks_of_no_webhook_or_for_another_host_are_refused_in_a_preview(changed: dict[str, Any]) -> None:
    webhook, asha = hook(headers={"Authorization": "Bearer token"}), as_("asha")
    described = {**asha.get(f"{URL}{webhook.pk}/").json(), **changed}
    answer = asha.post(f"{URL}preview/", {"webhook": described, "record": str(lead().pk)})
    assert (answer.status_code, list(answer.json())) == (400, ["headers"])


def test_who_may_not_see_a_record_does_not_preview_it() -> None:
    one = lead()
    sales, assistant = member("Sales", rights=["view_webhook"]), member("Teacher Assistant", rights=["view_webhook"])
    sent = {"webhook": str(hook().pk), "record": str(one.pk)}
    assert (sales.post(f"{URL}preview/", sent).status_code, assistant.post(f"{URL}preview/", sent).status_code) == (
        200,
        403,
    )
    card = {"webhook": str(hook("Card").pk), "record": str(card_of(person("chitra")).pk)}
    assert sales.post(f"{URL}preview/", card).status_code == 403


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"record": "nothing"}, "record"),
        ({"record": "8d7c2f5e-0000-4000-8000-000000000000"}, "record"),
        ({"record": None}, "record"),
        ({"webhook": "8d7c2f5e-0000-4000-8000-000000000000"}, "webhook"),
        ({"webhook": "nothing"}, "webhook"),
        ({"webhook": {"model": "Lead"}}, "webhook"),
        ({"webhook": {"name": "n", "model": "Lead", "url": "http://localhost/"}}, "url"),
    ],
)
def test_a_wrong_preview_is_refused_by_its_field(changed: dict[str, Any], field: str) -> None:
    sent = {"webhook": str(hook().pk), "record": str(lead().pk), **changed}
    answer = as_("asha").post(f"{URL}preview/", sent)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_preview_of_a_card_takes_its_number() -> None:
    webhook, asha = hook("Card"), as_("asha")
    card = card_of(person("chitra"))
    assert (
        asha.post(f"{URL}preview/", {"webhook": str(webhook.pk), "record": card.pk}).json()["body"]["data"]["id"]
        == card.pk
    )
    for record in ("x", "9" * 30):
        assert asha.post(f"{URL}preview/", {"webhook": str(webhook.pk), "record": record}).status_code == 400
