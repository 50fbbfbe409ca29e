"""Clients, students (the contract's "services") and leads. Contract A §2, §3, §5."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Lower

from tandem.academy.models.pipelines import Pipeline
from tandem.academy.models.record import LIVE, ContainmentIndex, Described, LiveQuerySet
from tandem.academy.models.teaching import Cohort, EnrollmentDetail


class Client(Described):
    objects = LiveQuerySet["Client"].as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=LIVE, name="clients_newest_first"),
            ContainmentIndex(fields=["attributes"], name="clients_by_attribute"),
        ]


class Student(Described):
    """origin_cohort: the first cohort, for ever. actual_cohort: where the student is now."""

    client = models.ForeignKey(Client, models.PROTECT, related_name="students")
    actual_cohort = models.ForeignKey(Cohort, models.PROTECT, null=True, related_name="students")
    origin_cohort = models.ForeignKey(Cohort, models.PROTECT, null=True, related_name="+")

    objects = LiveQuerySet["Student"].as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=LIVE, name="students_newest_first"),
            ContainmentIndex(fields=["attributes"], name="students_by_attribute"),
        ]


class Lead(Described):
    """stage: the name of a stage of the pipeline; any text without one.

    converted_to: the student that it became. converted_seat: the seat that this student then got, if any.
    """

    responsible = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="leads", db_index=False
    )
    pipeline = models.ForeignKey(Pipeline, models.PROTECT, null=True, related_name="leads", db_index=False)
    stage = models.CharField(max_length=100)
    possible_client = models.ForeignKey(Client, models.PROTECT, null=True, related_name="leads")
    moodle_course_id = models.CharField(max_length=100, blank=True)
    converted_to = models.ForeignKey(Student, models.PROTECT, null=True, related_name="+", db_index=False)
    converted_seat = models.ForeignKey(EnrollmentDetail, models.PROTECT, null=True, related_name="+", db_index=False)

    objects = LiveQuerySet["Lead"].as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["-created_at", "-id"], condition=LIVE, name="leads_newest_first"),
            models.Index(fields=["pipeline", "-created_at", "-id"], condition=LIVE, name="leads_of_pipeline"),
            models.Index(fields=["responsible", "-created_at", "-id"], condition=LIVE, name="leads_of_person"),
            models.Index(Lower("stage"), F("created_at").desc(), F("id").desc(), condition=LIVE, name="leads_by_stage"),
            # Of deleted leads too: an edited pipeline takes them along.
            models.Index(
                F("pipeline"), Lower("stage"), F("created_at").desc(), F("id").desc(), name="leads_of_pipeline_by_stage"
            ),
            models.Index(
                F("responsible"),
                Lower("stage"),
                F("created_at").desc(),
                F("id").desc(),
                condition=LIVE,
                name="leads_of_person_by_stage",
            ),
            ContainmentIndex(fields=["attributes"], name="leads_by_attribute"),
        ]


class StageChange(models.Model):
    """A lead entered a stage; the newest row of a lead is where it stands. Contract A §5, "every change is kept"."""

    lead = models.ForeignKey(Lead, models.CASCADE, related_name="stage_changes", db_index=False)
    stage = models.CharField(max_length=100)
    pipeline = models.ForeignKey(Pipeline, models.PROTECT, null=True, related_name="+", db_index=False)
    entered_at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", db_index=False)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["lead", "id"], name="stages_of_lead")]


class FollowUp(Described):
    """A contact with a student. Contract A §6. `images` and `name` stay empty."""

    student = models.ForeignKey(Student, models.PROTECT, related_name="follow_ups")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    follow_up_date = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)

    objects = LiveQuerySet["FollowUp"].as_manager()

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["student", "-created_at", "-id"], condition=LIVE, name="follow_ups_of_student"),
            ContainmentIndex(fields=["attributes"], name="follow_ups_by_attribute"),
        ]
