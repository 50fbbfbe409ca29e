"""Support page of text messages: whether they left, never what they said."""

from __future__ import annotations

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from tandem.common.support import SupportPage
from tandem.sms.models import Message


@admin.register(Message)
class Messages(SupportPage):
    list_display = ("id", "to", "purpose", "shown_status", "attempts", "created_at", "sent_at", "last_error")
    list_filter = ("status", "purpose", ("created_at", RangeDateTimeFilter))
    search_fields = ("to",)
    search_help_text = "Phone number, or a part of it"
    ordering = ("-id",)
    fields = (
        *("to", "purpose", "status", "attempts", "last_error"),
        *("created_at", "next_attempt_at", "expires_at", "sent_at"),
    )

    @display(
        description="Status",
        ordering="status",
        label={"pending": "info", "sent": "success", "failed": "danger", "expired": "warning"},
    )
    def shown_status(self, message: Message) -> str:
        return message.status
