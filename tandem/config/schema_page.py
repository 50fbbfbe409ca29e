"""The OpenAPI document at /api/schema/; what is in it is `tandem.common.schema`'s."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response


class SchemaPage(SpectacularAPIView):
    """In YAML or JSON, as asked for. Made once a process: it takes a quarter of a second, and anyone may ask."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        kind: Any = type(request.accepted_renderer)
        answer = HttpResponse(*_document(kind))
        answer.headers["Content-Disposition"] = f'inline; filename="tandem.{kind.format}"'
        return answer


@cache
def _document(kind: Any) -> tuple[bytes, str]:
    """The document, and its media type."""
    renderer: BaseRenderer = kind()
    answer: Any = Response(SchemaGenerator().get_schema(request=None, public=True))
    answer.accepted_renderer, answer.accepted_media_type, answer.renderer_context = renderer, renderer.media_type, {}
    return answer.rendered_content, answer.headers["Content-Type"]
