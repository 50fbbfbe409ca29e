"""Contract A §13: webhooks."""

from __future__ import annotations

from typing import Any

from django.db.models import CharField
from django.http import HttpResponse

from tandem.accounts.access import ADMIN, caller, may
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation, written
from tandem.common.reading.listing import Filter, Listing, NotThisType, Order, by_flag, by_text
from tandem.common.rendering import empty_answer, encoded, told_once
from tandem.events.history import history_of
from tandem.webhooks import registry
from tandem.webhooks.actions.webhooks import (
    change_webhook,
    create_webhook,
    delete_webhook,
    restore_webhook,
    rotate_secret,
)
from tandem.webhooks.api.answers import WEBHOOK
from tandem.webhooks.api.inputs import WebhookIn
from tandem.webhooks.models import Webhook
from tandem.webhooks.rules.headers import masked

NEWEST_FIRST = {"": Order(("created_at", "id"), descending=True)}
VIEW, ADD, CHANGE, DELETE = (may(verb, "webhook") for verb in ("view", "add", "change", "delete"))
SECRET = {"type": "string", "examples": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}


def _model(raw: str) -> str:
    model = registry.model_named(raw)
    if model is None:
        raise NotThisType(f"Use one of: {', '.join(registry.models())}.")
    return model


_FILTERS = {
    "name": by_text("name__icontains"),
    "search": by_text("name__icontains", "url__icontains"),
    "model": Filter(("model",), _model, CharField(), {"type": "string"}, doc="In any case."),
    "is_active": by_flag("is_active"),
}
WEBHOOKS = Listing(WEBHOOK, Webhook.objects.visible_to, _FILTERS, NEWEST_FIRST)
DELETED_WEBHOOKS = Listing(WEBHOOK, Webhook.objects.deleted_for, _FILTERS, NEWEST_FIRST)
HISTORY = history_of("webhook")


class WebhookList(Endpoint):
    @operation(VIEW, gives=WEBHOOKS)
    def get(self, request: Request) -> HttpResponse:
        """All webhooks, newest first; `?deleted=true` (admins): only deleted ones."""
        return self.live_or_deleted(request, WEBHOOKS, DELETED_WEBHOOKS, sees_deleted=ADMIN)

    @operation(ADD, takes=WebhookIn, gives=WEBHOOK, adds={"secret": SECRET}, status=201)
    def post(self, request: Request, body: dict[str, Any]) -> HttpResponse:
        """Create a webhook. The answer tells its `secret`, this once: a new one always, whatever is sent."""
        webhook, secret = create_webhook(body, by=caller(request), now=moments.now())
        return _with_secret(webhook, secret, status=201)


class WebhookDetail(Endpoint):
    shows, rows = WEBHOOK, Webhook.objects.visible_to

    @operation(VIEW, gives=WEBHOOK)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """A webhook."""
        return self.detail(request, pk)

    @operation(CHANGE, takes=WebhookIn, gives=WEBHOOK)
    def put(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a webhook; absent fields stay as they are."""
        return self.patch(request, pk, body)

    @operation(CHANGE, takes=WebhookIn, gives=WEBHOOK)
    def patch(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
        """Change a webhook. A masked header value keeps the stored one, unless the host of `url` changes."""
        change_webhook(find(Webhook.objects.live(), pk), body, by=caller(request), now=moments.now())
        return self.detail(request, pk)

    @operation(DELETE)
    def delete(self, request: Request, pk: Any) -> HttpResponse:
        """Delete a webhook; what waits for it is held."""
        delete_webhook(find(Webhook.objects.live(), pk), by=caller(request), now=moments.now())
        return empty_answer()


class WebhookRestore(Endpoint):
    # With If-Match a webhook is looked for whether it is deleted or not.
    shows, rows = WEBHOOK, staticmethod(lambda viewer: Webhook.objects.all())

    @operation(ADMIN, gives=WEBHOOK)
    def post(self, request: Request, pk: Any) -> HttpResponse:
        """Bring a deleted webhook back."""
        restore_webhook(find(Webhook.objects.all(), pk), by=caller(request), now=moments.now())
        return self.detail(request, pk)


class WebhookHistory(Endpoint):
    @operation(VIEW, gives=HISTORY)
    def get(self, request: Request, pk: Any) -> HttpResponse:
        """Everything that happened to a webhook, newest first; for admins also to a deleted one."""
        found = find(Webhook.objects.all() if ADMIN.allows(request.user) else Webhook.objects.live(), pk)
        return self.page(request, HISTORY, subject=str(found.pk))


class WebhookSecret(Endpoint):
    shows, rows = WEBHOOK, Webhook.objects.visible_to

    @operation(CHANGE, gives=WEBHOOK, adds={"secret": SECRET})
    def post(self, request: Request, pk: Any) -> HttpResponse:
        """Give a webhook a new secret, told this once. Each old one signs along until its 24 hours are over."""
        webhook = find(Webhook.objects.live(), pk)
        return _with_secret(webhook, rotate_secret(webhook, by=caller(request), now=moments.now()))


def _with_secret(webhook: Webhook, secret: str, *, status: int = 200) -> HttpResponse:
    """The webhook with its secret; a repetition of the same request shows it masked."""
    text = written(WEBHOOK, webhook.pk)
    told, repeated = (f'{text[:-1]},"secret":{encoded(shown).decode()}}}' for shown in (secret, masked(secret)))
    return told_once(told, repeated=repeated, status=status)
