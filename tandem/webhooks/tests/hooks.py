"""What tests of webhooks share: webhooks, and what is told of a change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tandem.common import moments
from tandem.webhooks.actions.webhooks import create_webhook
from tandem.webhooks.models import Notice, Webhook
from tests.cast import person


def hook(model: str = "Lead", *, now: datetime | None = None, **other: Any) -> Webhook:
    """A stored webhook, told of everything unless `other` says less."""
    values = {"name": f"Told of {model}", "model": model, "url": "https://receiver.example/", **other}
    return create_webhook(values, by=person("asha"), now=now or moments.now())[0]


def noticed() -> list[tuple[str, str]]:
    """(type, record) of all notices, in their order."""
    return list(Notice.objects.order_by("sequence").values_list("type", "record"))
