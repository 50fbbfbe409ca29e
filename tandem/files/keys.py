"""What a key looks like, and where it stands in a link: `<entity>/<id>/<uuid>.<ending>`. CONTRACT §5."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

PREFIX: Final = "/api/files/"
_KEY: Final = re.compile(
    r"(?P<entity>[a-z_]+)/(?P<pk>[0-9a-f-]{1,36})/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z0-9]{1,5}", re.ASCII
)


class Owner(NamedTuple):
    """The record to which a file was uploaded. pk: as text."""

    entity: str
    pk: str


def key_in(link: str) -> str | None:
    """The key in the address of a file, however old its signature; None when it is not such an address."""
    try:
        path = unquote(urlsplit(link.strip()).path)
    except ValueError:  # "http://[" and the like
        return None
    return path.partition(PREFIX)[2] or None


def owner_in(key: str) -> Owner | None:
    """Whose file a key names; None when it is not a key."""
    found = _KEY.fullmatch(key)
    return Owner(found["entity"], found["pk"]) if found else None
