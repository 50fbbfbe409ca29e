"""Leaves out what says the same on every database; `tests/run.py` loads this plugin for all databases but the first.

A test depends on the database when it asks for one (the mark `django_db`, a fixture of it: without them pytest-django
refuses every query) or starts processes (the mark `processes`) that do (or else they are marked `any_database`).
"""

from __future__ import annotations

import pytest

FIXTURES = {"db", "transactional_db", "django_db_setup", "_django_db_helper"}
MARKS = ("django_db", "processes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that depend on the database."""
    config.hook.pytest_deselected(items=[item for item in items if not depends_on_the_database(item)])
    items[:] = [item for item in items if depends_on_the_database(item)]


def depends_on_the_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("any_database"):
        return False
    fixtures = getattr(item, "fixturenames", ())
    return any(item.get_closest_marker(mark) for mark in MARKS) or not FIXTURES.isdisjoint(fixtures)
