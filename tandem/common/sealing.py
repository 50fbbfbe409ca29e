"""Encryption at rest of short secrets (message texts, stored answers), keyed by the installation's secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache

from cryptography.fernet import Fernet
from django.conf import settings


def derived_key(purpose: str) -> bytes:
    """32 bytes that only this installation knows, one per purpose, so that no two uses share a key."""
    return hmac.new(settings.SECRET_KEY.encode(), f"tandem:{purpose}".encode(), hashlib.sha256).digest()


@cache
def _box() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derived_key("sealing")))


def seal(text: bytes) -> bytes:
    return _box().encrypt(text)


def unseal(sealed: bytes | memoryview) -> bytes:
    """The text again. Raises cryptography.fernet.InvalidToken when it was sealed with another secret."""
    return _box().decrypt(bytes(sealed))
