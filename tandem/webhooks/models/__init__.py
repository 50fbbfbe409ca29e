"""The tables of webhooks."""

from tandem.webhooks.models.delivery import Delivery, DeliveryStatus, Notice
from tandem.webhooks.models.webhook import Logic, Method, Webhook

__all__ = ["Delivery", "DeliveryStatus", "Logic", "Method", "Notice", "Webhook"]
