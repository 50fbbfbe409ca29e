"""Signatures, held against the specification's own library and an example that was worked out apart."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tandem.webhooks.signing import new_secret, signature

BODY = '{"type":"lead.updated","data":{"name":"Çelik"}}'.encode()
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"


def headers(*secrets: str, at: datetime, body: bytes = BODY) -> dict[str, str]:
    timestamp = int(at.timestamp())
    return {
        "webhook-id": ID,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secrets, message_id=ID, timestamp=timestamp, body=body),
    }


def now() -> datetime:
    return datetime.now(tz=UTC)  # the library reads the clock by itself


def test_the_library_of_the_specification_accepts_it() -> None:
    secret = new_secret()
    assert Webhook(secret).verify(BODY, headers(secret, at=now()))["type"] == "lead.updated"


def test_the_library_makes_the_same_signature() -> None:
    secret, at = new_secret(), datetime(2026, 3, 1, tzinfo=UTC)
    assert Webhook(secret).sign(ID, at, BODY.decode()) == headers(secret, at=at)["webhook-signature"]


def test_the_example_of_the_specification_comes_out() -> None:
    made = signature(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_rotated_both_are_accepted() -> None:
    old, new = new_secret(), new_secret()
    sent = headers(new, old, at=now())
    assert sent["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, sent)


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret", "old", "future"])
def test_whatever_is_changed_is_refused(change: str) -> None:
    secret = new_secret()
    late = {"old": -timedelta(minutes=6), "future": timedelta(minutes=6)}.get(change, timedelta())
    sent = headers(secret, at=now() + late)
    body = BODY
    if change == "body":
        body = BODY[:-1] + b" "
    elif change == "id":
        sent["webhook-id"] += "x"
    elif change == "timestamp":
        sent["webhook-timestamp"] = str(int(sent["webhook-timestamp"]) + 1)
    elif change == "secret":
        secret = new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, sent)


def test_a_call_without_a_body_signs_the_empty_one() -> None:
    secret = new_secret()
    sent = headers(secret, at=now(), body=b"")
    with pytest.raises(ValueError, match="Expecting value"):  # the signature is accepted; then it wants JSON
        Webhook(secret).verify(b"", sent)


def test_secrets_are_long_and_never_the_same() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    for secret in secrets:
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32


def test_a_secret_that_is_none_fails_loudly() -> None:
    with pytest.raises(binascii.Error):
        signature(["whsec_*"], message_id=ID, timestamp=1, body=b"")
