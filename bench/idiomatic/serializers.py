from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from rest_framework import serializers

from tandem.accounts.models import Role, User
from tandem.common import moments
from tandem.fieldservice.models import Card, Feedback, ServiceEntry, Visit
from tandem.fieldservice.queries import free_days_of, warranty_of
from tandem.fieldservice.rules.booking import check_visit_day
from tandem.fieldservice.rules.warranty import decide, next_free_day


class EntrySerializer(serializers.ModelSerializer):
    service = serializers.PrimaryKeyRelatedField(source="visit", read_only=True)
    performed_by_name = serializers.CharField(source="performed_by.name", read_only=True)
    image = serializers.SerializerMethodField()

    class Meta:
        model = ServiceEntry
        fields = [
            "id",
            "service",
            "performed_by",
            "performed_by_name",
            "work_detail",
            "parts_replaced",
            "amount_charged",
            "next_service_date",
            "created_at",
            "image",
        ]

    def get_image(self, entry: ServiceEntry) -> str | None:
        return default_storage.url(entry.image) if entry.image else None


class FeedbackSerializer(serializers.ModelSerializer):
    service = serializers.PrimaryKeyRelatedField(source="visit", read_only=True)
    customer = serializers.IntegerField(source="visit.card.customer_id", read_only=True)
    customer_name = serializers.CharField(source="visit.card.customer_name", read_only=True)
    worker = serializers.IntegerField(source="visit.assigned_to_id", read_only=True)
    worker_name = serializers.CharField(source="visit.assigned_to.name", read_only=True, default=None)

    class Meta:
        model = Feedback
        fields = [
            "id",
            "service",
            "customer",
            "customer_name",
            "worker",
            "worker_name",
            "rating",
            "comments",
            "created_at",
        ]


class VisitSerializer(serializers.ModelSerializer):
    card = serializers.PrimaryKeyRelatedField(queryset=Card.objects.live().select_related("customer"))
    card_model = serializers.CharField(source="card.model", read_only=True)
    customer = serializers.IntegerField(source="card.customer_id", read_only=True)
    customer_name = serializers.CharField(source="card.customer_name", read_only=True)
    customer_phone = serializers.CharField(source="card.customer.phone", read_only=True)
    preferred_time = serializers.TimeField(format="%H:%M", required=False, allow_null=True)
    scheduled_at = serializers.SerializerMethodField()
    assigned_to_name = serializers.CharField(source="assigned_to.name", read_only=True, default=None)
    assigned_to_phone = serializers.CharField(source="assigned_to.phone", read_only=True, default=None)

    class Meta:
        model = Visit
        fields = [
            "id",
            "card",
            "card_model",
            "customer",
            "customer_name",
            "customer_phone",
            "description",
            "service_type",
            "service_type_reason",
            "status",
            "visit_type",
            "preferred_date",
            "preferred_time",
            "scheduled_at",
            "assigned_to",
            "assigned_to_name",
            "assigned_to_phone",
            "requested_by",
            "amount_charged",
            "next_service_date",
            "otp_requested_at",
            "otp_expires_at",
            "completed_at",
            "cancelled_at",
            "cancel_reason",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [
            "service_type",
            "service_type_reason",
            "status",
            "assigned_to",
            "requested_by",
            "amount_charged",
            "next_service_date",
            "otp_requested_at",
            "otp_expires_at",
            "completed_at",
            "cancelled_at",
            "cancel_reason",
            "created_at",
            "updated_at",
        ]

    def get_scheduled_at(self, visit: Visit) -> Any:
        return visit.scheduled_at if visit.scheduled_has_time else visit.scheduled_on

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        here = moments.now().astimezone(moments.site_zone())
        check_visit_day(
            values["preferred_date"],
            values.get("preferred_time"),
            today=here.date(),
            clock=here.time(),
            window_days=settings.CRM_BOOKING_WINDOW_DAYS,
        )
        return values

    @transaction.atomic
    def create(self, values: dict[str, Any]) -> Visit:
        card = Card.objects.select_for_update(of=("self",)).select_related("customer").get(pk=values["card"].pk)
        decision = decide(warranty_of(card), free_days=free_days_of(card), on=values["preferred_date"])
        now = moments.now()
        return Visit.objects.create(
            **{**values, "card": card, "customer": card.customer},
            service_type=decision.service_type,
            service_type_reason=decision.reason,
            created_at=now,
            updated_at=now,
        )


class VisitDetailSerializer(VisitSerializer):
    entries = EntrySerializer(many=True, read_only=True)
    feedback = FeedbackSerializer(read_only=True, default=None)

    class Meta(VisitSerializer.Meta):
        fields = [*VisitSerializer.Meta.fields, "entries", "feedback"]


class VisitWithEntriesSerializer(VisitSerializer):
    entries = EntrySerializer(many=True, read_only=True)

    class Meta(VisitSerializer.Meta):
        fields = [*VisitSerializer.Meta.fields, "entries"]


class CardSerializer(serializers.ModelSerializer):
    customer = serializers.PrimaryKeyRelatedField(queryset=User.objects.filter(role=Role.CUSTOMER))
    customer_phone = serializers.CharField(source="customer.phone", read_only=True)

    class Meta:
        model = Card
        fields = [
            "id",
            "model",
            "customer",
            "customer_name",
            "customer_phone",
            "card_type",
            "region",
            "address",
            "city",
            "postal_code",
            "date_of_installation",
            "warranty_start_date",
            "warranty_end_date",
            "amc_start_date",
            "amc_end_date",
            "is_active",
            "created_at",
            "updated_at",
        ]
        read_only_fields = ["created_at", "updated_at"]

    def create(self, values: dict[str, Any]) -> Card:
        now = moments.now()
        values["customer_name"] = values.get("customer_name") or values["customer"].name
        return Card.objects.create(**values, created_at=now, updated_at=now)


class CardDetailSerializer(CardSerializer):
    services_url = serializers.SerializerMethodField()
    services = VisitWithEntriesSerializer(source="newest_visits", many=True, read_only=True)
    next_free_service_date = serializers.SerializerMethodField()

    class Meta(CardSerializer.Meta):
        fields = [*CardSerializer.Meta.fields, "services_url", "services", "next_free_service_date"]

    def get_services_url(self, card: Card) -> str:
        return f"/api/crm/services/?card={card.pk}"

    def get_next_free_service_date(self, card: Card) -> Any:
        return next_free_day(warranty_of(card), free_days=free_days_of(card), since=moments.today())
