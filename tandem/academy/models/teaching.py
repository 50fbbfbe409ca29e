"""Cohorts, enrollments, the students in them, and transfers between cohorts. Contract A §7–10."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from tandem.academy.models.record import LIVE, LiveQuerySet, Record, Recorded
from tandem.common.models import SoftDeleted


class Cohort(SoftDeleted, Recorded):
    name_cohort = models.CharField(max_length=255)
    start_date = models.DateField(null=True)
    end_date = models.DateField(null=True)
    instructor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")

    objects = LiveQuerySet["Cohort"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(end_date__gte=F("start_date")), name="cohort_ends_after_it_starts"),
        ]


class Enrollment(SoftDeleted, Recorded):
    """A pathway that is taught in a cohort."""

    cohort = models.ForeignKey(Cohort, models.PROTECT, related_name="enrollments")
    instructor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    pathway_name = models.CharField(max_length=255)

    objects = LiveQuerySet["Enrollment"].as_manager()

    class Meta:
        default_permissions = ()


class EnrollmentAssistant(models.Model):
    """A teaching assistant of an enrollment. position: as they were given."""

    enrollment = models.ForeignKey(Enrollment, models.CASCADE, related_name="assistants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "user"], name="an_assistant_once_per_enrollment"),
        ]


class OfStudent(LiveQuerySet[Record]):
    """What belongs to a student is out of reach as long as the student is deleted."""

    def live(self) -> Any:
        return super().live().filter(student__deleted_at=None)


class DetailStatus(models.TextChoices):
    ACTIVE = "active"
    TRANSFERRED = "transferred"


class EnrollmentDetail(SoftDeleted, Recorded):
    """A student's seat in an enrollment. Closed, not deleted, by a transfer."""

    enrollment = models.ForeignKey(Enrollment, models.PROTECT, related_name="details")
    student = models.ForeignKey("academy.Student", models.PROTECT, related_name="details")
    status = models.CharField(max_length=12, choices=DetailStatus.choices, default=DetailStatus.ACTIVE)
    closed_at = models.DateTimeField(null=True)

    objects = OfStudent["EnrollmentDetail"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "student"],
                condition=Q(deleted_at=None, status="active"),
                name="one_seat_per_student_and_enrollment",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=LIVE, name="seats_newest_first"),
            models.Index(fields=["student", "-created_at", "-id"], name="seats_of_student"),
        ]


class TransferStatus(models.TextChoices):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class TransferRequest(SoftDeleted, Recorded):
    """A wish to move to another cohort. moved_at: None until an approved one has taken effect."""

    student = models.ForeignKey("academy.Student", models.PROTECT, related_name="transfer_requests")
    cohort_request = models.CharField(max_length=255, blank=True)
    target_cohort = models.ForeignKey(Cohort, models.PROTECT, null=True, related_name="+")
    possible_transfer_date = models.DateField(null=True)
    status = models.CharField(max_length=10, choices=TransferStatus.choices, default=TransferStatus.PENDING)
    reason = models.CharField(max_length=255, blank=True)
    effective_date = models.DateField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(null=True)

    objects = OfStudent["TransferRequest"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["student"],
                condition=Q(deleted_at=None, status="pending"),
                name="one_pending_transfer_per_student",
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=LIVE, name="transfers_newest_first"),
            models.Index(
                fields=["effective_date"], condition=Q(status="approved", moved_at=None), name="transfers_to_come"
            ),
        ]
