"""Visits to a machine (the contract's "service"). Contract F §4, §5."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from tandem.accounts.models import Role
from tandem.common.moments import DayOrMoment
from tandem.common.viewers import Viewer
from tandem.events.telling import Composed, Telling
from tandem.fieldservice.models.card import Card
from tandem.fieldservice.rules import states


class ServiceType(models.TextChoices):
    FREE = "free"
    NORMAL = "normal"


class VisitStatus(models.TextChoices):
    PENDING = states.PENDING
    SCHEDULED = states.SCHEDULED  # a day is fixed
    ASSIGNED = states.ASSIGNED  # an admin put a named worker on it
    IN_PROGRESS = states.IN_PROGRESS
    AWAITING_OTP = states.AWAITING_OTP
    COMPLETED = states.COMPLETED
    CANCELLED = states.CANCELLED


class VisitType(models.TextChoices):
    ONSITE = "onsite"
    WORKSHOP = "workshop"
    REMOTE = "remote"
    INSTALLATION = "I"
    COMPLAINT = "C"
    MANDATORY_SERVICE = "MS"
    CONTRACT_SERVICE = "CS"
    COURTESY_CALL = "CC"


class VisitQuerySet(models.QuerySet["Visit"]):
    def visible_to(self, viewer: Viewer) -> VisitQuerySet:
        """Customers see visits that were made for them, workers those assigned to them, admins all."""
        if viewer.role == Role.ADMIN:
            return self
        if viewer.role == Role.CUSTOMER:
            return self.filter(customer=viewer.pk)
        if viewer.role == Role.WORKER:
            return self.filter(assigned_to=viewer.pk)
        return self.none()

    def shown_on_card_to(self, viewer: Viewer) -> VisitQuerySet:
        """Of the visits to a card that the viewer sees, those that it shows.

        A customer's are those made for them. Who mends a machine must know what colleagues did to it: workers see all
        that were made for its owner of today, and their own. A former owner's are nobody's but the office's.
        """
        if viewer.role == Role.CUSTOMER:
            return self.filter(customer=viewer.pk)
        if viewer.role == Role.WORKER:
            return self.filter(Q(customer=models.F("card__customer")) | Q(assigned_to=viewer.pk))
        return self

    def open(self) -> VisitQuerySet:
        return self.filter(status__in=states.OPEN)


# Where visits without a fixed day stand when they are ordered by it: behind all others.
NO_DAY_YET = datetime(9999, 12, 31, tzinfo=UTC)


def fixed(on: date | None, at: datetime | None, has_time: bool) -> DayOrMoment | None:
    """What was fixed, of its three columns: the day or the moment, in whole seconds, as it is shown. None: nothing."""
    if on is None or at is None:
        return None
    return DayOrMoment(on, at.replace(microsecond=0) if has_time else None)


# What nobody is shown, and so no event tells: traces of the code, and columns that rules and filters ask.
UNSHOWN = frozenset(
    {"otp_hash", "otp_tries", "otp_day", "otp_codes_on_day", "otp_guesses_on_day"}
    | {"completed_on", "service_type_forced"}
)


class Visit(models.Model):
    """One visit.

    customer: whose machine it is as long as the visit is open, and was when it closed: a machine may be sold.
    scheduled_at: the moment that is fixed; for a day without a time the site's midnight, and then scheduled_has_time
    is False. scheduled_on: the site's day of it. preferred_*: what the customer asked for.
    day: what every rule and filter means by "the day of the visit": the fixed one, else the preferred one.
    completed_on: the site's day of completed_at.
    service_type_forced: an admin decided between free and normal, not the rule.
    otp_*: the code itself is nowhere; see rules/otp.py. otp_day: the site's day for which the two counters count.
    """

    card = models.ForeignKey(Card, models.PROTECT, related_name="visits", db_index=False)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    description = models.TextField(blank=True)
    service_type = models.CharField(max_length=10, choices=ServiceType.choices)
    service_type_reason = models.CharField(max_length=255, blank=True)
    service_type_forced = models.BooleanField(default=False)
    status = models.CharField(max_length=15, choices=VisitStatus.choices, default=VisitStatus.PENDING)
    visit_type = models.CharField(max_length=10, choices=VisitType.choices, default=VisitType.ONSITE)
    preferred_date = models.DateField()
    preferred_time = models.TimeField(null=True, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    scheduled_on = models.DateField(null=True, blank=True)
    scheduled_has_time = models.BooleanField(default=False)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="visits", db_index=False
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    amount_charged = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    next_service_date = models.DateField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    completed_on = models.DateField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    otp_hash = models.CharField(max_length=64, blank=True)
    otp_requested_at = models.DateTimeField(null=True, blank=True)
    otp_expires_at = models.DateTimeField(null=True, blank=True)
    otp_tries = models.PositiveSmallIntegerField(default=0)
    otp_day = models.DateField(null=True, blank=True)
    otp_codes_on_day = models.PositiveSmallIntegerField(default=0)
    otp_guesses_on_day = models.PositiveSmallIntegerField(default=0)

    day = models.GeneratedField(
        expression=Coalesce("scheduled_on", "preferred_date"), output_field=models.DateField(), db_persist=True
    )
    schedule_key = models.GeneratedField(
        expression=Coalesce("scheduled_at", models.Value(NO_DAY_YET)),
        output_field=models.DateTimeField(),
        db_persist=True,
    )

    objects = VisitQuerySet.as_manager()

    telling = Telling(
        UNSHOWN, {"scheduled_at": Composed(("scheduled_on", "scheduled_at", "scheduled_has_time"), fixed)}
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["card", "day"], condition=Q(status__in=states.OPEN), name="one_open_visit_per_card_and_day"
            ),
            models.CheckConstraint(condition=Q(amount_charged__gte=0), name="visit_amount_not_negative"),
        ]
        indexes = [
            models.Index(fields=["schedule_key", "created_at", "id"], name="visits_by_schedule"),
            # Who waits for a day of theirs stands behind all others: with the order alone they were found last.
            models.Index(fields=["status", "schedule_key", "created_at", "id"], name="visits_by_status"),
            models.Index(fields=["assigned_to", "schedule_key", "created_at", "id"], name="visits_of_worker"),
            models.Index(fields=["created_at", "id"], name="visits_by_creation"),
            models.Index(fields=["assigned_to", "day"], name="visits_of_worker_by_day"),
            models.Index(fields=["day", "status"], name="visits_by_day"),
            models.Index(fields=["card", "-created_at", "-id"], name="visits_of_card_newest_first"),
        ]

    def __str__(self) -> str:
        return f"visit {self.pk} to card {self.card_id}"

    @property
    def customer_name(self) -> str:
        """The name that the card has for its owner; that of the person where the machine is another's by now."""
        return self.card.customer_name if self.customer_id == self.card.customer_id else self.customer.name
