"""Support page of events, and the history that other pages show of their records."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter

from tandem.common.support import SupportPage
from tandem.events.models import Event

SHOWN = 30  # events of a record on its own page; the others are one click away


class PageWithHistory(SupportPage):
    """A page whose records have events, shown below each of them. subject: the first word of the events' types."""

    has_history = True
    subject: ClassVar[str]
    change_form_outer_after_template = "support/history.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **options: Any
    ) -> HttpResponse:
        shown = {**context, "history": self._history(obj) if obj else None}
        return super().render_change_form(request, shown, *args, obj=obj, **options)

    def _history(self, record: models.Model) -> dict[str, Any]:
        """The newest events, as a table. One query."""
        events = Event.objects.filter(subject_type=self.subject, subject_id=str(record.pk)).select_related("actor")
        rows = [
            [_moment(event.at), event.type, event.actor or "Tandem itself", changes_of(event) + _facts_of(event)]
            for event in events.order_by("-pk")[:SHOWN]
        ]
        return {"headers": ["When", "What", "Who", "Changes"], "rows": rows}

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """All events of the record, in place of Django's own log, which knows only changes made in these pages."""
        wanted = urlencode({"subject_type": self.subject, "subject_id": object_id})
        return HttpResponseRedirect(f"{reverse('admin:events_event_changelist')}?{wanted}")


@admin.register(Event)
class Events(SupportPage):
    list_display = ("id", "shown_at", "type", "subject", "actor", "changes")
    list_filter = ("subject_type", ("at", RangeDateTimeFilter))
    list_select_related = ("actor",)
    search_fields = ("type", "subject_id", "request_id", "actor__name")
    search_help_text = "Type (visit.cancelled), id of the record, request id, or who did it"
    ordering = ("-id",)
    readonly_fields = ("subject", "changes", "told")
    fields = ("type", "at", "subject", "actor", "request_id", "changes", "told")

    @admin.display(description="When", ordering="id")
    def shown_at(self, event: Event) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', _moment(event.at))

    @admin.display(description="Record")
    def subject(self, event: Event) -> str:
        return f"{event.subject_type} {event.subject_id}"

    @admin.display(description="Changes")
    def changes(self, event: Event) -> SafeString:
        return changes_of(event)

    @admin.display(description="Facts")
    def told(self, event: Event) -> SafeString:
        return _facts_of(event)


def changes_of(event: Event) -> SafeString:
    """One line for each field: what it was and what it is."""
    names = [*event.after, *(name for name in event.before if name not in event.after)]
    if not event.before:
        return _lines((name, event.after[name]) for name in names)
    return format_html_join(
        "",
        "<div><b>{}</b>: {} → {}</div>",
        ((name, _text(event.before.get(name)), _text(event.after.get(name))) for name in names),
    )


def _facts_of(event: Event) -> SafeString:
    return _lines(event.facts.items())


def _lines(values: Any) -> SafeString:
    return format_html_join("", "<div><b>{}</b>: {}</div>", ((name, _text(value)) for name, value in values))


def _text(value: Any) -> Any:
    if value in (None, "", []):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return _lines(value.items())
    if isinstance(value, list):
        return format_html("{}", ", ".join(str(item) for item in value))
    return value


def _moment(at: Any) -> str:
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")
