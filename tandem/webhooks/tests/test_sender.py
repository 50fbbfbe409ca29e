"""From notices to receivers: signatures, retries, order, switching off. The clock stands still unless it is moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from tandem.academy.models import Lead
from tandem.events.models import Event
from tandem.sms.models import Message
from tandem.webhooks.actions.claims import claim
from tandem.webhooks.actions.deliveries import record_outcomes
from tandem.webhooks.actions.fan_out import fan_out
from tandem.webhooks.actions.webhooks import change_webhook, delete_webhook, restore_webhook, rotate_secret
from tandem.webhooks.letters import Outcome
from tandem.webhooks.models import Delivery, Webhook
from tandem.webhooks.rules.retries import SCHEDULE
from tandem.webhooks.sender import Sender
from tandem.webhooks.signing import signature
from tandem.webhooks.tests.hooks import hook
from tandem.webhooks.tests.receiving import Got, Receiver
from tests.cast import as_, person

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC).replace(microsecond=0)  # signatures are judged against the real clock


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(clock: Clock, receiver: Receiver) -> Iterator[Sender]:
    sender = Sender(clock=clock)
    yield sender
    sender.close()


def drain(sender: Sender) -> None:
    """Everything that is due now has been tried."""
    while sender.turn() or sender.is_busy:
        sender.await_landing(20)


def lead(**other: Any) -> Lead:
    return Lead.objects.create(**{"name": "Jo", "stage": "New", "created_at": NOW, "updated_at": NOW, **other})


def rename(one: Lead, name: str) -> None:
    assert as_("asha").patch(f"/api/leads/{one.pk}/", {"name": name}).status_code == 200


def only() -> Delivery:
    return Delivery.objects.get()


def test_a_change_is_told_signed_and_once(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(
        url=f"{receiver.url}/hooks/{{id}}?n={{name}}", headers={"X-Name": "{name}", "Authorization": "Bearer x"}
    )
    one = lead()
    rename(one, "Joe & Co")
    drain(sender)
    drain(sender)
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", f"/hooks/{one.pk}?n=Joe%20%26%20Co")
    assert (got.headers["x-name"], got.headers["authorization"]) == ("Joe & Co", "Bearer x")
    assert got.headers["content-type"] == "application/json"
    delivery = only()
    body = Verifier(webhook.secrets(now=NOW)[0]).verify(got.body, got.headers)
    assert got.headers["webhook-id"] == body["id"] == str(delivery.pk)
    assert got.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert body["data"] == as_("asha").get(f"/api/leads/{one.pk}/").json()
    assert delivery.status == "delivered"
    (tried,) = delivery.tried
    assert {**tried, "duration_ms": 0} == {
        "at": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "status_code": 200,
        "error": "",
        "duration_ms": 0,
        "answer": "ok",
    }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_get_and_delete_send_no_body_and_are_signed_all_the_same(
    method: str, sender: Sender, receiver: Receiver
) -> None:
    webhook = hook(url=receiver.url + "/{id}", method=method)
    rename(lead(), "Joe")
    drain(sender)
    (got,) = receiver.got
    assert (got.method, got.body, "content-type" in got.headers) == (method, b"", False)
    facts = {"message_id": got.headers["webhook-id"], "timestamp": int(got.headers["webhook-timestamp"])}
    assert got.headers["webhook-signature"] == signature(webhook.secrets(now=NOW), body=b"", **facts)


def test_after_a_rotation_both_secrets_sign_for_a_day(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    old = webhook.secrets(now=NOW)[0]
    new = rotate_secret(webhook, by=person("asha"), now=NOW)
    rename(lead(), "Joe")
    drain(sender)
    (got,) = receiver.got
    for secret in (old, new):
        assert Verifier(secret).verify(got.body, got.headers)["type"] == "lead.updated"
    assert len(got.headers["webhook-signature"].split()) == 2


def test_retries_follow_the_schedule_with_the_same_id_and_body(
    clock: Clock, sender: Sender, receiver: Receiver
) -> None:
    hook(url=receiver.url)
    receiver.says(503, body=b"not now")
    rename(lead(), "Joe")
    drain(sender)
    for pause in SCHEDULE:
        delivery = only()
        planned = (delivery.next_attempt_at - clock.now) / pause
        assert 0.9 <= planned <= 1.1
        before = len(receiver.got)
        clock.forward(delivery.next_attempt_at - clock.now - timedelta(seconds=1))
        drain(sender)
        assert len(receiver.got) == before, "not before its time"
        clock.forward(timedelta(seconds=1))
        drain(sender)
        assert len(receiver.got) == before + 1
    delivery = only()
    assert (delivery.status, len(delivery.tried), delivery.failures) == ("failed", 10, 10)
    assert delivery.tried[0]["error"] == "The receiver answered 503."
    assert delivery.tried[0]["answer"] == "not now"
    assert len({got.body for got in receiver.got}) == len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.headers["webhook-signature"] for got in receiver.got}) == 10, "signed anew for its own time"
    clock.forward(timedelta(days=2))
    drain(sender)
    assert len(receiver.got) == 10


@pytest.mark.parametrize(
    ("asked", "expected", "reason"),
    [
        ("3600", timedelta(hours=1), "longer than ours"),
        ("1", None, "sooner than ours counts for nothing"),
        ("999999", timedelta(hours=24), "a day at most"),
        ("soon", None, "garbage"),
    ],
)
def test_the_receiver_may_ask_to_wait(
    asked: str, expected: timedelta | None, reason: str, sender: Sender, receiver: Receiver
) -> None:
    hook(url=receiver.url)
    receiver.says(429, {"Retry-After": asked})
    rename(lead(), "Joe")
    drain(sender)
    pause = only().next_attempt_at - NOW
    assert (pause == expected) if expected else (pause < timedelta(seconds=6)), reason


@pytest.mark.parametrize("status", [301, 302, 400, 404, 500])
def test_what_is_not_2xx_is_a_failure_and_no_redirect_is_followed(
    status: int, sender: Sender, receiver: Receiver
) -> None:
    hook(url=receiver.url)
    receiver.says(status, {"Location": receiver.url + "/elsewhere"})
    rename(lead(), "Joe")
    drain(sender)
    assert (only().status, len(receiver.got)) == ("pending", 1)


def test_a_receiver_that_is_not_there_is_tried_again(sender: Sender, receiver: Receiver) -> None:
    hook(url="http://127.0.0.1:1/")
    rename(lead(), "Joe")
    drain(sender)
    (tried,) = only().tried
    assert (tried["status_code"], tried["error"].partition(":")[0]) == (None, "connection")
    assert only().status == "pending"


_HEADERS_GONE = "Its headers were stored under another secret key; give them anew."
_SECRET_GONE = "Its signing secret was stored under another secret key; get a new one by rotate-secret/."


@pytest.mark.parametrize(
    ("gone", "error"),
    [
        (["sealed_headers"], _HEADERS_GONE),
        (["sealed_secret"], _SECRET_GONE),
        (["sealed_headers", "sealed_secret"], f"{_HEADERS_GONE} {_SECRET_GONE}"),
    ],
)
def test_what_was_sealed_with_another_secret_key_is_not_sent_without_it(
    gone: list[str], error: str, sender: Sender, receiver: Receiver
) -> None:
    hook(url=receiver.url, headers={"Authorization": "Bearer x"})
    Webhook.objects.update(**dict.fromkeys(gone, "sealed-elsewhere"))
    rename(lead(), "Joe")
    drain(sender)
    assert (receiver.got, only().status) == ([], "pending")
    assert only().tried[0]["error"] == error


def test_an_address_that_is_not_public_is_never_dialled(sender: Sender, receiver: Receiver, settings: Any) -> None:
    hook(url=receiver.url)
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    rename(lead(), "Joe")
    drain(sender)
    assert receiver.got == []
    assert only().tried[0]["error"].startswith("address_refused:")


def test_410_switches_it_off_and_holds_the_others_and_tells_the_admins(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    receiver.says(410)
    for n in range(3):
        rename(lead(), f"Joe {n}")
    drain(sender)
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.disabled_at) == (False, NOW)
    assert "410" in webhook.disabled_reason
    assert Event.objects.filter(type="webhook.switched_off", subject_id=str(webhook.pk)).count() == 1
    assert list(Message.objects.values_list("to", "purpose")) == [(person("asha").phone, "webhook")]
    shown = as_("asha").get(f"/api/webhooks/{webhook.pk}/").json()
    assert (shown["is_active"], shown["disabled_reason"]) == (False, webhook.disabled_reason)


def test_what_is_sent_again_goes_in_the_order_of_the_changes(clock: Clock, sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    one, names = lead(), [f"name {n}" for n in range(8)]
    for name in names:
        rename(one, name)
    drain(sender)
    sent = len(receiver.got)
    span = {"from": (NOW - timedelta(days=1)).isoformat(), "to": (NOW + timedelta(days=1)).isoformat()}
    assert as_("asha").post(f"/api/webhooks/{webhook.pk}/deliveries/redeliver/", span).json() == {"redelivered": 8}
    clock.now = max(clock.now, Delivery.objects.latest("next_attempt_at").next_attempt_at)
    drain(sender)
    assert [json.loads(got.body)["data"]["name"] for got in receiver.got[sent:]] == names


def test_what_waits_is_held_and_goes_out_when_it_is_switched_on_again(
    clock: Clock, sender: Sender, receiver: Receiver
) -> None:
    webhook = hook(url=receiver.url)
    receiver.says(500)
    one = lead()
    rename(one, "Joe")
    drain(sender)
    clock.forward(timedelta(days=5) - timedelta(seconds=1))
    drain(sender)
    webhook.refresh_from_db()
    assert webhook.is_active, "not five days yet"
    clock.forward(timedelta(hours=3))
    rename(one, "Jack")
    drain(sender)
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.disabled_reason) == (False, "No delivery succeeded for five days.")
    assert set(Delivery.objects.values_list("status", flat=True)) == {"held"}
    sent = len(receiver.got)
    rename(one, "not told")
    drain(sender)
    assert len(receiver.got) == sent
    receiver.says(200)
    as_("asha").patch(f"/api/webhooks/{webhook.pk}/", {"is_active": True})
    clock.now = max(clock.now, Delivery.objects.latest("next_attempt_at").next_attempt_at)
    drain(sender)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"delivered"}
    assert [json.loads(got.body)["data"]["name"] for got in receiver.got[sent:]] == ["Joe", "Jack"]
    webhook.refresh_from_db()
    assert (webhook.disabled_at, webhook.disabled_reason, webhook.failing_since) == (None, "", None)


def test_one_success_begins_the_five_days_anew(clock: Clock, sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    one = lead()
    for day, status in enumerate([500, 500, 200, 500, 500, 500]):
        receiver.says(status)
        rename(one, f"day {day}")
        drain(sender)
        clock.forward(timedelta(days=1, hours=6))
    webhook.refresh_from_db()
    assert webhook.is_active


def test_a_restored_one_is_given_its_five_days_too(clock: Clock, sender: Sender, receiver: Receiver) -> None:
    webhook, one = hook(url=receiver.url), lead()
    receiver.says(500)
    rename(one, "before")
    drain(sender)
    delete_webhook(webhook, by=person("asha"), now=clock.now)
    clock.forward(timedelta(days=6))
    restore_webhook(webhook, by=person("asha"), now=clock.now)
    drain(sender)
    webhook.refresh_from_db()
    assert (webhook.is_active, webhook.failing_since) == (True, clock.now), "it failed once since it is back"


def test_of_results_recorded_together_those_whose_lease_was_lost_change_nothing(receiver: Receiver) -> None:
    hook(url=receiver.url)
    for n in range(3):
        rename(lead(), f"Joe {n}")
    while fan_out(now=NOW):
        pass
    claimed = claim(now=NOW, most=10, most_failing=10)
    lost = Delivery.objects.filter(pk=claimed[1].pk)
    lost.update(attempts=2)  # its lease ran out and another worker took it
    before = lost.values().get()
    landed = [(delivery, Outcome(NOW, 200, "", 1)) for delivery in claimed]
    assert record_outcomes(landed, now=NOW) == ["delivered", "lease_lost", "delivered"]
    assert lost.values().get() == before
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["delivered", "delivered", "pending"]


def test_a_result_that_comes_after_the_switch_is_kept(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    rename(lead(), "Joe")
    sender.turn()
    change_webhook(webhook, {"is_active": False}, by=person("asha"), now=NOW)
    assert only().status == "pending", "what is in the air is not held"
    drain(sender)
    assert only().status == "delivered"


def test_a_failure_that_comes_after_the_switch_is_held(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url)
    receiver.says(500)
    rename(lead(), "Joe")
    sender.turn()
    change_webhook(webhook, {"is_active": False}, by=person("asha"), now=NOW)
    drain(sender)
    assert only().status == "held"


def test_a_retry_goes_where_the_webhook_leads_by_then(clock: Clock, sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=f"{receiver.url}/wrong", headers={"Authorization": "old"})
    receiver.says(500)
    rename(lead(), "Joe")
    drain(sender)
    receiver.says(200)
    values = {"url": f"{receiver.url}/right", "headers": {"Authorization": "new"}}
    change_webhook(Webhook.objects.get(pk=webhook.pk), values, by=person("asha"), now=NOW)
    clock.forward(timedelta(seconds=6))
    drain(sender)
    assert [(got.path, got.headers["authorization"]) for got in receiver.got] == [("/wrong", "old"), ("/right", "new")]
    assert receiver.got[0].body == receiver.got[1].body


def test_events_of_one_record_arrive_in_order(sender: Sender, receiver: Receiver) -> None:
    hook(url=receiver.url)
    first, second = lead(), lead()
    for n in range(8):
        for one in (first, second):
            rename(one, str(n))
    drain(sender)
    told = [json.loads(got.body) for got in receiver.got]
    for one in (first, second):
        of_one = [body for body in told if body["data"]["id"] == str(one.pk)]
        assert [body["data"]["name"] for body in of_one] == [str(n) for n in range(8)]
        assert [body["sequence"] for body in of_one] == sorted({body["sequence"] for body in of_one})


def test_a_failing_event_holds_up_neither_later_ones_nor_other_webhooks(sender: Sender, receiver: Receiver) -> None:
    hook(url=f"{receiver.url}/bad")
    hook(url=f"{receiver.url}/good")
    one = lead()

    def answer(got: Got) -> Any:
        name = json.loads(got.body)["data"]["name"]
        return (500 if (got.path, name) == ("/bad", "0") else 200), {}, b""

    receiver.answer = answer
    for n in range(3):
        rename(one, str(n))
    drain(sender)
    arrived = [(got.path, json.loads(got.body)["data"]["name"]) for got in receiver.got]
    assert [name for path, name in arrived if path == "/bad"] == ["0", "1", "2"]
    assert [name for path, name in arrived if path == "/good"] == ["0", "1", "2"]
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["delivered"] * 5 + ["pending"]


def test_a_placeholder_s_value_never_breaks_out(sender: Sender, receiver: Receiver) -> None:
    hook(url=f"{receiver.url}/a/{{name}}/b", headers={"X-Name": "{name}"})
    one = lead(name="first")
    for name in ("../../etc", "..", "a\r\nX-Evil: 1", "ஆஷா", "?x=1#y"):
        rename(one, name)
    drain(sender)
    assert [(got.path, got.headers["x-name"]) for got in receiver.got] == [
        ("/a/..%2F..%2Fetc/b", "../../etc"),
        ("/a/%2E%2E/b", ".."),
        ("/a/a%0D%0AX-Evil%3A%201/b", "a X-Evil: 1"),
        ("/a/%E0%AE%86%E0%AE%B7%E0%AE%BE/b", "%E0%AE%86%E0%AE%B7%E0%AE%BE"),
        ("/a/%3Fx%3D1%23y/b", "?x=1#y"),
    ]
    assert all("x-evil" not in got.headers for got in receiver.got)


def test_what_a_receiver_answers_is_kept_in_part(sender: Sender, receiver: Receiver) -> None:
    hook(url=receiver.url)
    receiver.says(200, body=b"\x00\xff" + b"x" * 5000)
    rename(lead(), "Joe")
    drain(sender)
    (tried,) = only().tried
    assert tried["answer"] == "\ufffd\ufffd" + "x" * 2046


def test_a_receiver_that_repeats_the_request_lets_no_header_value_be_kept(sender: Sender, receiver: Receiver) -> None:
    webhook = hook(url=receiver.url, headers={"Authorization": "Bearer super-secret", "X-Lead": "lead no. {id}"})
    receiver.answer = lambda got: (500, {}, json.dumps(got.headers).encode())
    one = lead()
    rename(one, "Joe")
    drain(sender)
    as_("asha").post(f"/api/webhooks/{webhook.pk}/test/")
    sent = receiver.got[0].headers
    assert (sent["authorization"], sent["x-lead"]) == ("Bearer super-secret", f"lead no. {one.pk}")
    for delivery in Delivery.objects.all():
        (tried,) = delivery.tried
        said = json.loads(tried["answer"])
        assert (said["authorization"], said["x-lead"]) == ("Be****et", f"le****{str(one.pk)[-2:]}")
        assert said["webhook-id"] == str(delivery.pk), "the rest is as it was said"
        assert "super-secret" not in str(tried)
    assert "super-secret" not in as_("asha").get(f"/api/webhooks/{webhook.pk}/deliveries/").content.decode()
