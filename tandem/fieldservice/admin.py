"""Support pages of the field service: cards, visits, entries, feedback, attendance."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from tandem.accounts.admin import caller
from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.common.support import SupportInline, button, called
from tandem.events.admin import PageWithHistory
from tandem.fieldservice.actions.cards import restore_card
from tandem.fieldservice.actions.visits import cancel_visit
from tandem.fieldservice.models import Attendance, Card, Feedback, ServiceEntry, Visit
from tandem.fieldservice.rules.states import OPEN

STATUS_COLOURS = {
    "pending": "warning",
    "scheduled": "info",
    "assigned": "info",
    "in_progress": "primary",
    "awaiting_otp": "primary",
    "completed": "success",
    "cancelled": "danger",
}


class _ByWorker(admin.SimpleListFilter):
    """Workers only: a list of every customer in the filter would help nobody."""

    title = "worker"
    parameter_name = "worker"
    field = "assigned_to"

    def lookups(self, request: HttpRequest, page: Any) -> list[tuple[str, str]]:
        return [
            (str(worker.pk), worker.display_name) for worker in User.objects.filter(role=Role.WORKER).order_by("name")
        ]

    def queryset(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        chosen = self.value() or ""
        return rows.filter(**{self.field: chosen}) if chosen.isdecimal() and len(chosen) < 19 else rows


class _ByMarkedWorker(_ByWorker):
    field = "user"


class _ByWorkerOfVisit(_ByWorker):
    field = "visit__assigned_to"


class _Deleted(admin.SimpleListFilter):
    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, page: Any) -> list[tuple[str, str]]:
        return [("no", "No"), ("yes", "Yes")]

    def queryset(self, request: HttpRequest, rows: models.QuerySet[Any]) -> models.QuerySet[Any]:
        return rows.filter(deleted_at__isnull=self.value() == "no") if self.value() in ("no", "yes") else rows


class _ByDay(RangeDateFilter):
    """For `day`, which the database works out: the filter knows plain dates only."""

    def __init__(self, field: models.Field[Any, Any], *args: Any, **named: Any) -> None:
        super().__init__(models.DateField("day"), *args, **named)


class _VisitsOfCard(SupportInline):
    model = Visit
    joined = ("assigned_to",)
    verbose_name_plural = "Visits"
    fields = ("day", "visit_type", "status", "service_type", "assigned_to", "amount_charged", "description")
    ordering = ("-id",)


class _EntriesOfVisit(SupportInline):
    model = ServiceEntry
    joined = ("performed_by",)
    verbose_name_plural = "Entries"
    fields = ("created_at", "performed_by", "work_detail", "amount_charged", "next_service_date")
    ordering = ("id",)


class _FeedbackOfVisit(SupportInline):
    model = Feedback
    verbose_name_plural = "Feedback"
    fields = ("created_at", "rating", "comments")


@admin.register(Card)
class Cards(PageWithHistory):
    subject = "card"
    list_display = (
        "id",
        "model",
        "customer_name",
        "phone",
        "region",
        "card_type",
        "warranty_end_date",
        "is_active",
        "is_live",
    )
    list_display_links = ("id", "model")
    list_filter = ("card_type", "is_active", _Deleted, "region", ("warranty_end_date", RangeDateFilter))
    list_select_related = ("customer",)
    search_fields = ("model", "customer_name", "customer__name", "customer__phone", "region", "city", "address")
    search_help_text = "Model, customer, phone (digits), region or address"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("model", "card_type"), ("customer", "customer_name"), ("is_active", "deleted_at"))}),
        ("Where", {"fields": (("region", "city"), ("address", "postal_code"))}),
        (
            "Warranty and contract",
            {
                "fields": (
                    "date_of_installation",
                    ("warranty_start_date", "warranty_end_date"),
                    ("amc_start_date", "amc_end_date"),
                    ("created_at", "updated_at"),
                )
            },
        ),
    )
    inlines = (_VisitsOfCard,)
    actions_detail = ("restore",)

    @admin.display(description="Phone")
    def phone(self, card: Card) -> str | None:
        return card.customer.phone

    @admin.display(description="In the lists", boolean=True)
    def is_live(self, card: Card) -> bool:
        return card.deleted_at is None

    @button("Restore", asks="The machine comes back into every list.", icon="restore_from_trash", needs="restore")
    def restore(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        card = Card.objects.get(pk=object_id)
        return called(
            self,
            request,
            object_id,
            lambda: restore_card(card, by=caller(request), now=moments.now()),
            done="The machine is back.",
        )

    def has_restore_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        card = self.get_object(request, object_id) if object_id and self.has_view_permission(request) else None
        return card is not None and card.deleted_at is not None


class CancelForm(BaseDialogForm):
    reason = forms.CharField(max_length=255, required=True, widget=UnfoldAdminTextInputWidget)


@admin.register(Visit)
class Visits(PageWithHistory):
    subject = "visit"
    list_display = (
        "id",
        "day",
        "shown_status",
        "shown_customer",
        "card_model",
        "region",
        "visit_type",
        "service_type",
        "assigned_to",
    )
    list_filter = ("status", "service_type", "visit_type", _ByWorker, ("day", _ByDay))
    list_select_related = ("card", "customer", "assigned_to")
    search_fields = (
        "=id",
        "description",
        "card__customer_name",
        "customer__name",
        "customer__phone",
        "card__model",
        "card__region",
    )
    search_help_text = "Id, customer, phone (digits), machine, region or description"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("card", "status"), ("visit_type", "requested_by"), "description")}),
        (
            "When and who",
            {"fields": (("preferred_date", "preferred_time"), ("scheduled_on", "scheduled_at"), "assigned_to")},
        ),
        ("Free or normal", {"fields": (("service_type", "service_type_forced"), "service_type_reason")}),
        (
            "Outcome",
            {
                "fields": (
                    ("amount_charged", "next_service_date"),
                    ("otp_requested_at", "otp_expires_at"),
                    ("completed_at", "cancelled_at"),
                    "cancel_reason",
                    ("created_at", "updated_at"),
                )
            },
        ),
    )
    inlines = (_EntriesOfVisit, _FeedbackOfVisit)
    actions_detail = ("cancel",)

    @display(description="Status", ordering="status", label=STATUS_COLOURS)
    def shown_status(self, visit: Visit) -> tuple[str, str]:
        return visit.status, visit.get_status_display()

    @admin.display(description="Customer", ordering="card__customer_name")
    def shown_customer(self, visit: Visit) -> str:
        return visit.customer_name

    @admin.display(description="Model", ordering="card__model")
    def card_model(self, visit: Visit) -> str:
        return visit.card.model

    @admin.display(description="Region", ordering="card__region")
    def region(self, visit: Visit) -> str:
        return visit.card.region

    @button(
        "Cancel this visit",
        asks="A free visit can be booked again afterwards. The customer is not told by Tandem.",
        icon="event_busy",
        needs="cancel",
        form=CancelForm,
    )
    def cancel(self, request: HttpRequest, form: CancelForm, object_id: str) -> HttpResponse:
        visit, reason = Visit.objects.get(pk=object_id), form.cleaned_data["reason"]
        return called(
            self,
            request,
            object_id,
            lambda: cancel_visit(visit, reason=reason, by=caller(request), now=moments.now()),
            done="The visit is cancelled.",
        )

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        visit = self.get_object(request, object_id) if object_id and self.has_view_permission(request) else None
        return visit is not None and visit.status in OPEN


@admin.register(ServiceEntry)
class Entries(PageWithHistory):
    subject = "entry"
    list_display = (
        *("id", "created_at", "shown_customer", "visit_number", "performed_by", "amount_charged", "work_detail"),
    )
    list_filter = (_ByWorkerOfVisit,)
    list_select_related = ("visit__card", "visit__customer", "performed_by")
    search_fields = ("=visit__id", "work_detail", "visit__card__customer_name", "performed_by__name")
    search_help_text = "Id of the visit, customer, who did it, or what was done"
    ordering = ("-id",)
    readonly_fields = ("parts",)
    fields = ("visit", "performed_by", "work_detail", "parts", "amount_charged", "next_service_date", "created_at")

    @admin.display(description="Customer", ordering="visit__card__customer_name")
    def shown_customer(self, entry: ServiceEntry) -> str:
        return entry.visit.customer_name

    @admin.display(description="Visit", ordering="visit")
    def visit_number(self, entry: ServiceEntry) -> int:
        return entry.visit_id

    @admin.display(description="Parts replaced")
    def parts(self, entry: ServiceEntry) -> str:
        return (
            "; ".join(
                f"{part['qty']} × {part['name'] or part['code']} at {part['price']}"
                + (f" (no. {part['serial_number']})" if part["serial_number"] else "")
                for part in entry.parts_replaced
            )
            or "–"
        )


@admin.register(Feedback)
class Feedbacks(PageWithHistory):
    subject = "feedback"
    list_display = ("id", "created_at", "rating", "shown_customer", "worker", "comments")
    list_filter = ("rating", _ByWorkerOfVisit)
    list_select_related = ("visit__card", "visit__customer", "visit__assigned_to")
    search_fields = ("=visit__id", "comments", "visit__card__customer_name", "visit__assigned_to__name")
    search_help_text = "Id of the visit, customer, worker, or what was said"
    ordering = ("-id",)
    fields = ("visit", "rating", "comments", "created_at")

    @admin.display(description="Customer", ordering="visit__card__customer_name")
    def shown_customer(self, feedback: Feedback) -> str:
        return feedback.visit.customer_name

    @admin.display(description="Worker", ordering="visit__assigned_to__name")
    def worker(self, feedback: Feedback) -> User | None:
        return feedback.visit.assigned_to


@admin.register(Attendance)
class Attendances(PageWithHistory):
    subject = "attendance"
    list_display = ("id", "date", "user", "shown_status", "marked_by", "updated_at")
    list_display_links = ("id", "date")
    list_filter = ("status", _ByMarkedWorker, ("date", RangeDateFilter))
    list_select_related = ("user", "marked_by")
    search_fields = ("user__name", "user__phone")
    search_help_text = "Name or phone of the worker"
    ordering = ("-date", "user__name", "id")
    fields = ("user", "date", "status", "marked_by", "created_at", "updated_at")

    @display(description="Status", ordering="status", label={"present": "success", "absent": "danger"})
    def shown_status(self, mark: Attendance) -> tuple[str, str]:
        return mark.status, mark.get_status_display()
