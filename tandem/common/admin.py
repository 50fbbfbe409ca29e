"""Support page of the periodic jobs."""

from __future__ import annotations

from django.contrib import admin

from tandem.common.models import PeriodicJob
from tandem.common.support import SupportPage


@admin.register(PeriodicJob)
class PeriodicJobs(SupportPage):
    list_display = ("name", "last_finished_at", "lease_until", "last_error")
    list_display_links = ("name",)
    search_fields = ("name", "last_error")
    ordering = ("name",)
    fields = ("name", "last_finished_at", "lease_until", "last_error")
