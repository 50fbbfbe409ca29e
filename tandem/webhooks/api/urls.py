"""Contract A §13; mounted at /api/webhooks/."""

from __future__ import annotations

from django.urls import path

from tandem.webhooks.api import deliveries, webhooks

_ONE = "<uuid:pk>/"

urlpatterns = [
    path("", webhooks.WebhookList.as_view()),
    path(_ONE, webhooks.WebhookDetail.as_view()),
    path(f"{_ONE}restore/", webhooks.WebhookRestore.as_view()),
    path(f"{_ONE}history/", webhooks.WebhookHistory.as_view()),
    path(f"{_ONE}rotate-secret/", webhooks.WebhookSecret.as_view()),
    path(f"{_ONE}deliveries/", deliveries.DeliveryList.as_view()),
    path(f"{_ONE}deliveries/redeliver/", deliveries.DeliveriesAgain.as_view()),
    path(f"{_ONE}deliveries/<uuid:delivery>/redeliver/", deliveries.DeliveryAgain.as_view()),
    path(f"{_ONE}test/", deliveries.WebhookTest.as_view()),
    # Beyond the document
    path("preview/", deliveries.WebhookPreview.as_view()),
]
