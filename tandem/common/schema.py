"""OpenAPI 3.1 from what the views declare: operations, input forms, answers, filters. Served at /api/schema/."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from tandem.common.endpoint import Operation, operation_of
from tandem.common.reading.answer import Answer
from tandem.common.reading.listing import Listing

Schema = dict[str, Any]

_ERROR: Schema = {
    "type": "object",
    "description": "What happened, and a stable code for programs.",
    "properties": {"detail": {"type": "string"}, "code": {"type": "string"}},
    "required": ["detail"],
}
_INVALID: Schema = {
    "type": "object",
    "description": "Messages by field; `non_field_errors` for the whole, or `detail` and `code`.",
    "examples": [{"preferred_date": ["Choose a day from today on."]}],
}
_WORDS = {
    400: "Bad input",
    401: "Not signed in",
    403: "Not allowed",
    404: "No such record",
    405: "No such method",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    415: "Media type",
    422: "Idempotency-Key used with another body",
    429: "Too many tries",
    503: "Try again",
}


class EndpointSchema(AutoSchema):
    """Reads `operation(...)`; everything that a view does not declare stays drf-spectacular's."""

    @property
    def _operation(self) -> Operation | None:
        return operation_of(self.view, self.method)

    @property
    def _guards(self) -> bool:
        """Whether it minds `If-Match`: whatever changes a record that has an ETag."""
        return self.method in ("POST", "PUT", "PATCH", "DELETE") and getattr(self.view, "shows", None) is not None

    def get_operation_id(self) -> str:
        # Some addresses exist with and without /api/ in front; their operations need different names.
        path = self.path.strip("/")
        path = path.removeprefix("api/") if path.startswith("api/") else f"root/{path}"
        words = [part.strip("{}").replace("-", "_") for part in path.split("/")]
        return "_".join([self.method.lower(), *words])

    def get_tags(self) -> list[str]:
        return [self.view.__class__.__module__.rsplit(".", 1)[-1].replace("_", " ")]

    def get_description(self) -> str:  # type: ignore[override]
        handler = getattr(self.view, self.method.lower(), None)
        return (getattr(handler, "__doc__", None) or self.view.__class__.__doc__ or "").strip()

    def get_auth(self) -> list[dict[str, list[str]]]:
        chosen = self._operation
        return [{}] if chosen and chosen.who.public else [{"bearer": []}, {"token": []}]

    def get_request_serializer(self) -> Any:
        chosen = self._operation
        return chosen.takes if chosen else None

    def map_parsers(self) -> list[str]:
        chosen = self._operation
        media = ["application/json"]
        if chosen is not None and chosen.multipart:
            media.append("multipart/form-data")
        if chosen is not None and chosen.form:
            media.append("application/x-www-form-urlencoded")
        return media

    def get_filter_backends(self) -> list[Any]:
        return []

    def get_override_parameters(self) -> list[Any]:
        chosen = self._operation
        if chosen is None:
            return []
        found: list[Any] = []
        if isinstance(chosen.gives, Listing):
            found += [
                OpenApiParameter(name, dict(one.schema), description=one.doc)
                for name, one in chosen.gives.filters.items()
                if not one.family  # their names are the users'; the prefix is told in the description
            ]
            if len(chosen.gives.orders) > 1:
                found.append(OpenApiParameter("order", {"type": "string", "enum": list(chosen.gives.orders)}))
            positive = {"type": "integer", "minimum": 1, "maximum": 10**9}
            found += [
                OpenApiParameter("page", positive, description="Asks for an envelope with a count."),
                OpenApiParameter("page_size", positive, description="Rows of a page; more than 1000 counts as 1000."),
                OpenApiParameter("limit", positive, description="Rows of a bare array, without a count."),
                OpenApiParameter("cursor", str, description="Goes on where the last answer's Link points."),
            ]
        found += [OpenApiParameter(name, dict(schema)) for name, schema in chosen.query.items()]
        if self.method == "POST":
            found.append(
                OpenApiParameter(
                    "Idempotency-Key",
                    {"type": "string", "minLength": 1, "maxLength": 255},
                    OpenApiParameter.HEADER,
                    description="A repeated request with the same key gets the stored answer again.",
                )
            )
        if self._guards:
            found.append(
                OpenApiParameter(
                    "If-Match", str, OpenApiParameter.HEADER, description="The ETag that you read; 412 when it is old."
                )
            )
        return found

    def get_response_serializers(self) -> Any:
        chosen = self._operation
        if chosen is None:
            return None
        answers: dict[Any, Any] = {}
        if chosen.gives is None:
            answers[204] = None
        else:
            for media in (chosen.media,) if isinstance(chosen.media, str) else chosen.media:
                answers |= {(status, media): _shown(chosen) for status in (chosen.status, *chosen.also)}
        refused = {400, 401, 403, 404, 405, 415, 503} | {refusal.status for refusal in chosen.refuses}
        if self.method == "POST":
            refused |= {409, 422}
        if self.method in ("PUT", "PATCH", "DELETE"):
            refused |= {409}
        if self._guards:
            refused |= {412}
        for status in sorted(refused):
            name = "Invalid" if status == 400 else "Error"
            answers[(status, "application/json")] = {
                "$ref": f"#/components/schemas/{name}",
                "description": _WORDS.get(status, "Refused"),
            }
        return answers


def _shown(chosen: Operation) -> Schema:
    gives = chosen.gives
    if isinstance(gives, Listing):
        rows = {"type": "array", "items": gives.answer.reference()}
        link = {"type": ["string", "null"], "format": "uri"}
        envelope = {
            "type": "object",
            "properties": {"count": {"type": "integer"}, "next": link, "previous": link, "results": rows},
            "required": ["count", "next", "previous", "results"],
        }
        return {"oneOf": [rows, envelope]}
    if isinstance(gives, Answer):
        if not chosen.adds:
            return gives.reference()
        return {
            "allOf": [
                gives.reference(),
                {"type": "object", "properties": dict(chosen.adds), "required": list(chosen.adds)},
            ]
        }
    return dict(gives or {})


def add_components(result: Any, generator: Any, request: Any, public: Any) -> Any:
    """drf-spectacular hook: the answers' components, the two error shapes, the two credentials."""
    components = result.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= {name: answer.component() for name, answer in sorted(Answer.registry.items())}
    schemas |= {"Error": _ERROR, "Invalid": _INVALID}
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token <key>"},
    }
    return result
