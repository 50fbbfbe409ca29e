"""What belongs to the request at hand, readable from anywhere in it: its id."""

from __future__ import annotations

from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
