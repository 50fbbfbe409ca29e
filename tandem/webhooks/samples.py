"""A made-up record of a kind, for trying a webhook out where there is none yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tandem.common.reading.answer import Answer

_BY_FORMAT: Final = {
    "uuid": "00000000-0000-4000-8000-000000000000",
    "date": "2025-01-15",
    "date-time": "2025-01-15T10:00:00Z",
}
_BY_TYPE: Final[Mapping[str, Any]] = {"integer": 1, "boolean": False, "array": [], "object": {}, "string": "sample"}


def sample(answer: Answer) -> dict[str, Any]:
    """Every key of the answer, with the example that it declares, else with something of its type."""
    return {name: _value(schema) for name, schema in answer.component()["properties"].items()}


def _value(schema: Mapping[str, Any]) -> Any:
    if schema.get("examples"):
        return schema["examples"][0]
    types = schema.get("type")
    if types is None or "null" in types:
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE[types])
