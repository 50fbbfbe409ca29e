"""The published document: what drf-spectacular makes of the views, made once."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.test import APIClient, APIRequestFactory

from tandem.config.schema_page import _document


@pytest.mark.parametrize("accept", ["application/vnd.oai.openapi", "application/vnd.oai.openapi+json", "*/*"])
def test_it_is_the_library_s_and_made_once(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again and again, and nobody has to sign in for it, must not keep the server busy."""
    plain = SpectacularAPIView.as_view()(APIRequestFactory().get("/api/schema/", headers={"Accept": accept})).render()
    _document.cache_clear()
    made: list[Any] = []
    get_schema = SchemaGenerator.get_schema
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *a, **k: made.append(a) or get_schema(*a, **k))
    answers = [APIClient().get("/api/schema/", headers={"Accept": accept}) for _ in range(3)]
    assert len(made) == 1
    for answer in answers:
        assert (answer.status_code, answer["Content-Type"]) == (200, plain["Content-Type"])
        assert answer.content == plain.content
