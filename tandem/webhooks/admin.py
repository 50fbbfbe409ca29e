"""Support pages of webhooks and their deliveries: whether they arrive, never the secrets nor what was in them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from tandem.common.support import SupportPage
from tandem.events.admin import PageWithHistory
from tandem.webhooks.models import Delivery, Webhook


@admin.register(Webhook)
class Webhooks(PageWithHistory):
    subject = "webhook"
    list_display = ("name", "model", "method", "url", "is_active", "failing_since", "disabled_at")
    list_filter = ("model", "is_active", ("disabled_at", RangeDateTimeFilter))
    list_select_related = ("created_by",)
    search_fields = ("name", "url")
    search_help_text = "Name or address"
    ordering = ("-created_at", "-id")
    fields = (
        *("name", "model", "events", "method", "url", "conditions", "condition_logic", "is_active"),
        *("failing_since", "disabled_at", "disabled_reason", "old_secret_until"),
        *("created_by", "created_at", "updated_at", "deleted_at"),
    )


@admin.register(Delivery)
class Deliveries(SupportPage):
    list_display = ("id", "webhook", "type", "record", "shown_status", "failures", "created_at", "next_attempt_at")
    list_filter = ("status", "is_test", ("created_at", RangeDateTimeFilter))
    list_select_related = ("webhook",)
    search_fields = ("id", "record", "webhook__name")
    search_help_text = "Id (the receiver's webhook-id), id of the record, or name of the webhook"
    ordering = ("-created_at", "-id")
    readonly_fields = ("attempts_made",)
    fields = (
        *("webhook", "type", "record", "sequence", "is_test", "status", "failures"),
        *("created_at", "next_attempt_at", "lease_until", "attempts_made"),
    )

    @display(
        description="Status",
        ordering="status",
        label={"pending": "info", "delivered": "success", "failed": "danger", "held": "warning"},
    )
    def shown_status(self, delivery: Delivery) -> str:
        return delivery.status

    @admin.display(description="Attempts")
    def attempts_made(self, delivery: Delivery) -> SafeString:
        return format_html_join("", "<div>{}: {}</div>", (_line(attempt) for attempt in delivery.tried))


def _line(attempt: dict[str, Any]) -> tuple[str, str]:
    took = f", {attempt['duration_ms']} ms" if attempt["duration_ms"] is not None else ""
    return attempt["at"], f"{attempt['error'] or attempt['status_code']}{took}"
