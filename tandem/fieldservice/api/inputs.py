"""Parts of request bodies that several resources of contract F share."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class IdField(serializers.IntegerField):
    """The id of a record; bounded, for texts may hold whole numbers that no database lets us ask for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **options)
