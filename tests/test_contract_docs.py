"""docs/contracts/ and the URL map say the same, in both directions."""

from __future__ import annotations

import re
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver

from tandem.common.endpoint import operation_of
from tests.matrix.expectations import OUTSIDE
from tests.matrix.test_matrix import API, VERBS

PAGES = Path(__file__).parent.parent / "docs" / "contracts"
_HEADING = re.compile(r"^### `(GET|POST|PUT|PATCH|DELETE) (/\S+)`$", re.MULTILINE)


def documented() -> list[tuple[str, str]]:
    found = []
    for page in sorted(PAGES.glob("*.md")):
        found += _HEADING.findall(page.read_text())
    return found


def served(resolver: URLResolver | None = None, prefix: str = "") -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for one in (resolver or get_resolver()).url_patterns:
        path = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            found |= served(one, path)
        elif isinstance(one, URLPattern) and path.startswith(API) and path not in OUTSIDE:
            address = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", path).replace("{pk}", "{id}")
            found |= {(verb, address) for verb in VERBS if operation_of(one.callback.view_class, verb)}
    return found


def test_every_operation_is_documented_once_and_nothing_else_is() -> None:
    pages = documented()
    assert len(pages) == len(set(pages)), "a heading stands twice"
    assert set(pages) == served()
