"""What cohorts, enrollments, seats and transfer requests look like. Contract A §7–10."""

from __future__ import annotations

from django.db.models import OuterRef

from tandem.academy.api.answers import recorded
from tandem.academy.models import (
    Cohort,
    DetailStatus,
    Enrollment,
    EnrollmentAssistant,
    EnrollmentDetail,
    TransferRequest,
    TransferStatus,
)
from tandem.common.reading.answer import Answer, Choice, Day, Moment, Nested, Text, Uuid, Whole

COHORT = Answer(
    "Cohort",
    Cohort,
    [
        Uuid("id"),
        Text("name_cohort", example="Summer 2025"),
        Day("start_date", null=True, example="2025-06-01"),
        Day("end_date", null=True, example="2025-12-01"),
        Whole("instructor", source="instructor_id", null=True),
        Text("instructor_name", source="instructor__name", null=True),
        *recorded(),
    ],
    doc="Students who are taught together for a time.",
)

ASSISTANT = Answer(
    "TeachingAssistant",
    EnrollmentAssistant,
    [Whole("id", source="user_id", example=2), Text("name", source="user__name", example="TA Bob")],
)

ENROLLMENT = Answer(
    "Enrollment",
    Enrollment,
    [
        Uuid("id"),
        Uuid("cohort", source="cohort_id"),
        Text("cohort_name", source="cohort__name_cohort"),
        Whole("instructor", source="instructor_id", null=True),
        Text("instructor_name", source="instructor__name", null=True),
        Text("pathway_name", example="Data Science"),
        Nested(
            "teaching_assistants",
            answer=ASSISTANT,
            rows=lambda: EnrollmentAssistant.objects.filter(enrollment=OuterRef("pk")).order_by("position", "id"),
        ),
        *recorded(),
    ],
    doc="A pathway that is taught in a cohort.",
)

ENROLLMENT_DETAIL = Answer(
    "EnrollmentDetail",
    EnrollmentDetail,
    [
        Uuid("id"),
        Uuid("enrollment", source="enrollment_id"),
        Uuid("student", source="student_id"),
        Text("student_name", source="student__name"),
        Uuid("cohort", source="enrollment__cohort_id"),
        Text("cohort_name", source="enrollment__cohort__name_cohort"),
        Text("pathway_name", source="enrollment__pathway_name"),
        Choice("status", options=DetailStatus.values),
        Moment("closed_at", null=True),
        *recorded(),
    ],
    doc="A student in an enrollment. A transfer closes it; `closed_at` tells when.",
)

TRANSFER_REQUEST = Answer(
    "TransferRequest",
    TransferRequest,
    [
        Uuid("id"),
        Uuid("student", source="student_id"),
        Text("student_name", source="student__name"),
        Text("cohort_request", example="Winter 2026 Batch"),
        Uuid("target_cohort", source="target_cohort_id", null=True),
        Text("target_cohort_name", source="target_cohort__name_cohort", null=True),
        Day("possible_transfer_date", null=True, example="2026-02-01"),
        Choice("status", options=TransferStatus.values),
        Text("reason"),
        Day("effective_date", null=True),
        Whole("decided_by", source="decided_by_id", null=True),
        Text("decided_by_name", source="decided_by__name", null=True),
        Moment("decided_at", null=True),
        Moment("moved_at", null=True),
        *recorded(),
    ],
    doc="A student's wish to move to another cohort. `moved_at`: when it took effect, null until then.",
)
