"""Signatures of the Standard Webhooks specification, version 1 (HMAC-SHA256)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from secrets import token_bytes

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """`whsec_` and 32 random bytes in base64, the way the specification's libraries read them."""
    return PREFIX + base64.b64encode(token_bytes(SECRET_BYTES)).decode()


def signature(secrets: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one `v1,…` per secret, in their order, with a blank in between.

    secrets: as `new_secret` makes them; several while rotated ones are still good. message_id: no dot in it.
    timestamp: seconds since 1970, of this attempt. body: the bytes as they are sent, b"" for a call without a body.
    A secret that is no base64 is a ValueError. Source: contract §6, "Signed as in the Standard Webhooks spec".
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return " ".join(f"v1,{_digest(_key(secret), signed)}" for secret in secrets)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)


def _digest(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
