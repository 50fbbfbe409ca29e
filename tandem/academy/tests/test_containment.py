"""A record has a value of an attribute, alone or in a list; the same on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.academy.models import Lead
from tandem.academy.models.containment import has_value
from tandem.common import moments

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("stored", "wanted", "has"),
    [
        ({"a": "x"}, "x", True),
        ({"a": "x"}, "X", False),
        ({"b": "x"}, "x", False),  # another attribute
        ({}, "x", False),
        ({"a": None}, "x", False),
        ({"a": 1}, 1, True),
        ({"a": 1}, 1.0, True),  # one number, however it is written
        ({"a": 1.5}, 1.5, True),
        ({"a": 1.5}, 1, False),
        ({"a": "1"}, 1, False),  # a text is no number
        ({"a": 1}, "1", False),
        ({"a": True}, True, True),
        ({"a": True}, False, False),
        ({"a": 1}, True, False),  # nor is a boolean, though SQLite keeps it as one
        ({"a": True}, 1, False),
        ({"a": ["x", "y"]}, "y", True),
        ({"a": ["x", "y"]}, "z", False),
        ({"a": []}, "x", False),
        ({"a": '["x"]'}, "x", False),  # a text that looks like a list
        ({"a": 'it\'s 100 % "ä"'}, 'it\'s 100 % "ä"', True),
    ],
)
def test_a_value_is_found_as_it_was_stored(stored: dict[str, Any], wanted: Any, has: bool) -> None:
    now = moments.now()
    Lead.objects.create(name="A", stage="New", attributes=stored, created_at=now, updated_at=now)
    assert Lead.objects.filter(has_value("a", wanted)).exists() is has
