"""The tables of webhooks."""

from tandem.webhooks.models.delivery import Delivery, DeliveryQuerySet, DeliveryStatus, Notice
from tandem.webhooks.models.webhook import Logic, Method, Webhook

__all__ = ["Delivery", "DeliveryQuerySet", "DeliveryStatus", "Logic", "Method", "Notice", "Webhook"]
