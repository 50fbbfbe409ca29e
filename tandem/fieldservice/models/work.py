"""What is left of a visit: entries (work logs) and feedback. Contract F §6, §7."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from tandem.accounts.models import Role
from tandem.common.viewers import Viewer
from tandem.fieldservice.models.visit import Visit


class OfVisitQuerySet(models.QuerySet["ServiceEntry | Feedback"]):
    """Whoever sees a visit sees what belongs to it."""

    def visible_to(self, viewer: Viewer) -> OfVisitQuerySet:
        if viewer.role == Role.ADMIN:
            return self
        if viewer.role == Role.CUSTOMER:
            return self.filter(visit__customer=viewer.pk)
        if viewer.role == Role.WORKER:
            return self.filter(visit__assigned_to=viewer.pk)
        return self.none()


class ServiceEntry(models.Model):
    """A work log. parts_replaced: list of {code, name, qty, price, serial_number}; price as a string of two places.

    image: the storage key of a picture, empty when there is none.
    """

    visit = models.ForeignKey(Visit, models.PROTECT, related_name="entries")
    performed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    work_detail = models.TextField(blank=True)
    parts_replaced = models.JSONField(default=list)
    amount_charged = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    next_service_date = models.DateField(null=True, blank=True)
    image = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    objects = OfVisitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_charged__gte=0), name="entry_amount_not_negative"),
        ]

    def __str__(self) -> str:
        return f"entry {self.pk} of visit {self.visit_id}"


class Feedback(models.Model):
    visit = models.OneToOneField(Visit, models.PROTECT, related_name="feedback")
    rating = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    comments = models.TextField(blank=True)
    created_at = models.DateTimeField()

    objects = OfVisitQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(rating__gte=1) & Q(rating__lte=5), name="rating_from_1_to_5"),
        ]

    def __str__(self) -> str:
        return f"feedback on visit {self.visit_id}"
