"""Who is there on which day. Contract F §8."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from tandem.accounts.models import Role
from tandem.common.viewers import Viewer


class AttendanceStatus(models.TextChoices):
    PRESENT = "present"
    ABSENT = "absent"


class AttendanceQuerySet(models.QuerySet["Attendance"]):
    def visible_to(self, viewer: Viewer) -> AttendanceQuerySet:
        """Admins see everybody's, workers their own."""
        if viewer.role == Role.ADMIN:
            return self
        if viewer.role == Role.WORKER:
            return self.filter(user=viewer.pk)
        return self.none()


class Attendance(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="attendance")
    date = models.DateField()
    status = models.CharField(max_length=10, choices=AttendanceStatus.choices)
    marked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = AttendanceQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "date"], name="one_attendance_per_person_and_day")]
        indexes = [models.Index(fields=["date", "status"], name="attendance_by_day")]

    def __str__(self) -> str:
        return f"attendance of user {self.user_id} on {self.date}"
