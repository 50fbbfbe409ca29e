"""Links to files: whoever has one sees that file, until it expires. CONTRACT §5.

A link is made anew for every answer, from the key alone; nothing of it is stored. It stays the same for as long as
LASTS, so that the ETag of a record with a picture does not change with every look at it.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from django.conf import settings

from tandem.common import context
from tandem.common.errors import Forbidden
from tandem.common.sealing import derived_key
from tandem.files.keys import PREFIX

LASTS: Final = timedelta(hours=12)  # a link is good for so long at least, and for twice as long at most


class LinkExpired(Forbidden):
    code = "link_expired"
    message = "This link has expired or is not genuine. Read the record again; it has a fresh one."


def link_to(key: str, *, now: datetime) -> str | None:
    """The address of a file; None for no key.

    Absolute, for clients need not come from the same origin: under the public address of the installation, else under
    the one at which the request at hand reached us. What the worker sends knows of no request.
    """
    if not key:
        return None
    expires = _expiry(now)
    query = urlencode({"expires": expires, "signature": _signature(key, expires)})
    origin = settings.PUBLIC_URL.rstrip("/") or context.origin.get()()
    return f"{origin}{PREFIX}{quote(key)}?{query}"


def check_link(key: str, *, expires: str, signature: str, now: datetime) -> datetime:
    """Until when the link to this key is good. Raises LinkExpired."""
    right = expires.isascii() and expires.isdigit() and len(expires) < 12
    # Compared also when it is not right, so that the time tells nothing.
    genuine = hmac.compare_digest(_signature(key, int(expires) if right else 0).encode(), signature.encode())
    if not right or not genuine or int(expires) <= now.timestamp():
        raise LinkExpired
    return datetime.fromtimestamp(int(expires), UTC)


def _expiry(now: datetime) -> int:
    window = int(LASTS.total_seconds())
    return (int(now.timestamp()) // window + 2) * window


def _signature(key: str, expires: int) -> str:
    return hmac.new(derived_key("file links"), f"{expires}:{key}".encode(), hashlib.sha256).hexdigest()
