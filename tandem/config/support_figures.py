"""The first page of the support site: what needs somebody's eyes today."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse

from tandem.common import moments
from tandem.common.models import PeriodicJob
from tandem.fieldservice.models import Attendance, AttendanceStatus, Visit, VisitStatus
from tandem.sms.models import Message
from tandem.webhooks.models import Webhook


def add_figures(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Eight queries, each over one day's rows or an index."""
    now = moments.now()
    today = moments.day_of(now)
    return {
        **context,
        "title": f"Today, {today:%A} {today.day} {today:%B %Y}",
        "days": [_day("Today", today), _day("Tomorrow", today + timedelta(days=1))],
        "worries": [
            _figure(
                "Overdue visits",
                "open, and their day is past",
                Visit.objects.open().filter(day__lt=today).count(),
                _visits(day_to=today - timedelta(days=1)),
            ),
            _figure(
                "Visits without a worker",
                "of today and tomorrow",
                Visit.objects.open().filter(day__range=(today, today + timedelta(days=1)), assigned_to=None).count(),
                _visits(day_from=today, day_to=today + timedelta(days=1)),
            ),
            _figure(
                "Visits of absent workers",
                "of today, still to be given to others",
                _of_absent_workers(today),
                f"{reverse('admin:fieldservice_attendance_changelist')}?status=absent",
            ),
            _figure(
                "Text messages that failed",
                "in the last 24 hours",
                Message.objects.filter(status=Message.Status.FAILED, created_at__gt=now - timedelta(days=1)).count(),
                f"{reverse('admin:sms_message_changelist')}?status=failed",
            ),
            _figure(
                "Webhooks that were switched off",
                "by Tandem, for their receivers do not answer",
                Webhook.objects.live().exclude(disabled_at=None).count(),
                reverse("admin:webhooks_webhook_changelist") + "?is_active__exact=0",
            ),
            _figure(
                "Periodic jobs in trouble",
                "their last try failed",
                PeriodicJob.objects.exclude(last_error="").count(),
                reverse("admin:common_periodicjob_changelist"),
            ),
        ],
    }


def _day(name: str, day: Any) -> dict[str, Any]:
    rows = Visit.objects.filter(day=day).order_by().values_list("status").annotate(count=Count("pk"))
    counts = dict(rows)
    return {
        "name": f"Visits: {name.lower()}",
        "total": sum(counts.values()),
        "link": _visits(day_from=day, day_to=day),
        "states": [(VisitStatus(state).label, counts[state]) for state in VisitStatus.values if state in counts],
    }


def _of_absent_workers(day: Any) -> int:
    absent = Attendance.objects.filter(user=OuterRef("assigned_to"), date=day, status=AttendanceStatus.ABSENT)
    return Visit.objects.open().filter(Exists(absent), day=day).count()


def _figure(name: str, about: str, count: int, link: str) -> dict[str, Any]:
    return {"name": name, "about": about, "count": count, "link": link}


def _visits(**days: Any) -> str:
    asked = "&".join(f"{name}={day.isoformat()}" for name, day in days.items())
    return f"{reverse('admin:fieldservice_visit_changelist')}?{asked}"
