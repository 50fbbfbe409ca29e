"""Cards: customers' installed machines. Contract F §3."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower

from tandem.accounts.models import Role
from tandem.common.models import SoftDeleted
from tandem.common.viewers import Viewer


class CardType(models.TextChoices):
    NORMAL = "normal"
    OTHER_MAKE = "om"  # another make, outside the warranty programme


class CardQuerySet(models.QuerySet["Card"]):
    def live(self) -> CardQuerySet:
        return self.filter(deleted_at=None)

    def deleted_for(self, viewer: Viewer) -> CardQuerySet:
        return self.exclude(deleted_at=None) if viewer.role == Role.ADMIN else self.none()

    def kept_for(self, viewer: Viewer) -> CardQuerySet:
        """All there is, deleted or not: for admins."""
        return self.all() if viewer.role == Role.ADMIN else self.none()

    def visible_to(self, viewer: Viewer) -> CardQuerySet:
        """Customers see their own cards, workers those of visits assigned to them, admins all. Deleted ones: nobody."""
        live = self.live()
        if viewer.role == Role.ADMIN:
            return live
        if viewer.role == Role.CUSTOMER:
            return live.filter(customer=viewer.pk)
        if viewer.role == Role.WORKER:
            from tandem.fieldservice.models.visit import Visit

            visits: Any = Visit.objects.filter(card=models.OuterRef("pk"), assigned_to=viewer.pk)
            return live.filter(models.Exists(visits))
        return live.none()


class Card(SoftDeleted):
    model = models.CharField(max_length=100)
    customer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="cards")
    customer_name = models.CharField(max_length=150, blank=True)
    card_type = models.CharField(max_length=10, choices=CardType.choices, default=CardType.NORMAL)
    region = models.CharField(max_length=50, blank=True)
    address = models.CharField(max_length=255, blank=True)
    city = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    date_of_installation = models.DateField(null=True, blank=True)
    warranty_start_date = models.DateField(null=True, blank=True)
    warranty_end_date = models.DateField(null=True, blank=True)
    amc_start_date = models.DateField(null=True, blank=True)
    amc_end_date = models.DateField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = CardQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(warranty_end_date__gte=F("warranty_start_date")), name="warranty_ends_after_it_starts"
            ),
            models.CheckConstraint(condition=Q(amc_end_date__gte=F("amc_start_date")), name="amc_ends_after_it_starts"),
        ]
        indexes = [models.Index(Lower("region"), "id", name="cards_by_region")]

    def __str__(self) -> str:
        return f"{self.model} of {self.customer_name}"
