"""Looking at the whole database, for refusals that must leave no trace."""

from __future__ import annotations

from typing import Any

from django.apps import apps


def everything() -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, to be compared before and after."""
    return {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}
