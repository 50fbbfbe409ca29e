"""Webhooks: who is to be told of what, and under which conditions. Contract A §13."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import models
from django.db.models import Q

from tandem.common.models import SoftDeleted
from tandem.common.sealing import seal, unseal
from tandem.common.viewers import Viewer


class Method(models.TextChoices):
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"
    GET = "GET"


class Logic(models.TextChoices):
    AND = "AND"
    OR = "OR"


class WebhookQuerySet(models.QuerySet["Webhook"]):
    """A right is to all webhooks, as everywhere in contract A."""

    def live(self) -> WebhookQuerySet:
        return self.filter(deleted_at=None)

    def active(self) -> WebhookQuerySet:
        return self.live().filter(is_active=True)

    def visible_to(self, viewer: Viewer) -> Any:
        return self.live()

    def deleted_for(self, viewer: Viewer) -> Any:
        return self.exclude(deleted_at=None)


class Webhook(SoftDeleted):
    """An address that is told what happens to the records of one kind.

    model: the contract's name of the kind. events: of created, updated, deleted. conditions: a list of
    {field, operator, value}. sealed_headers, sealed_secret: encrypted with the installation's secret.
    sealed_old_secret: signs along until old_secret_until; sealed_older_secrets: a list of [secret, until], those before
    it, which stop earlier. failing_since: the first failure after the last success, None when the last attempt
    succeeded. disabled_at, disabled_reason: when and why Tandem itself switched it off.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255)
    model = models.CharField(max_length=20)
    url = models.CharField(max_length=2000)
    method = models.CharField(max_length=6, choices=Method.choices, default=Method.POST)
    sealed_headers = models.TextField(blank=True)
    is_active = models.BooleanField(default=True)
    conditions = models.JSONField(default=list)
    condition_logic = models.CharField(max_length=3, choices=Logic.choices, default=Logic.AND)
    events = models.JSONField(default=list)
    sealed_secret = models.TextField()
    sealed_old_secret = models.TextField(blank=True)
    sealed_older_secrets = models.TextField(blank=True, default="", db_default="")
    old_secret_until = models.DateTimeField(null=True)
    failing_since = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = WebhookQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # the rights of contract A hang on the user model
        indexes = [
            # What every change asks: is there anybody to tell?
            models.Index(fields=["model"], condition=Q(deleted_at=None, is_active=True), name="webhooks_to_tell"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def tells(self) -> bool:
        """Whether it is told of anything now; else what is due is held."""
        return self.is_active and self.deleted_at is None

    @property
    def has_body(self) -> bool:
        return self.method not in (Method.GET, Method.DELETE)

    def headers(self) -> dict[str, str]:
        """In clear. Raises cryptography.fernet.InvalidToken when they were sealed with another secret."""
        opened: dict[str, str] = json.loads(unseal(self.sealed_headers.encode())) if self.sealed_headers else {}
        return opened

    def secrets(self, *, now: datetime) -> list[str]:
        """What a message is signed with: the present secret, and each one before it for a day. Raises InvalidToken."""
        present = unseal(self.sealed_secret.encode()).decode()
        return [present, *(secret for secret, _ in self.old_secrets(now=now))]

    def old_secrets(self, *, now: datetime) -> list[tuple[str, datetime]]:
        """The secrets that still sign along, with their ends, newest first."""
        if self.old_secret_until is None or self.old_secret_until <= now:
            return []
        found: list[tuple[str, datetime]] = []
        # What an installation sealed before it got another secret key, nobody reads any more.
        with suppress(InvalidToken):
            found.append((unseal(self.sealed_old_secret.encode()).decode(), self.old_secret_until))
        with suppress(InvalidToken):
            older = json.loads(unseal(self.sealed_older_secrets.encode())) if self.sealed_older_secrets else []
            found += [(secret, datetime.fromisoformat(until)) for secret, until in older]
        return [(secret, until) for secret, until in found if until > now]


def sealed_text(text: str) -> str:
    return seal(text.encode()).decode()


def sealed_headers(headers: dict[str, str]) -> str:
    return sealed_text(json.dumps(headers)) if headers else ""


def sealed_secrets(secrets: Sequence[tuple[str, datetime]]) -> str:
    """secrets: each with its end, as `old_secrets` gives them."""
    return sealed_text(json.dumps([(secret, until.isoformat()) for secret, until in secrets])) if secrets else ""


def readable_headers(sealed: str) -> dict[str, str]:
    """In clear; none when they were sealed with another secret key than the present one, for then nobody reads them."""
    try:
        return Webhook(sealed_headers=sealed).headers()
    except InvalidToken:
        return {}
