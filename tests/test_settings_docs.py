"""docs/settings.md tells of every variable that is read, with its default, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

import django.conf

from tandem.config import env, settings  # noqa: F401 - reading them fills DECLARED

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"


def rows() -> dict[str, list[str]]:
    """The cells of each table row that begins with a variable's name, by that name."""
    found: dict[str, list[str]] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"`[A-Z][A-Z0-9_]+`", cells[0]):
            name = cells[0].strip("`")
            assert name not in found, f"{name} is explained twice"
            found[name] = cells
    return found


def test_every_variable_is_explained_and_no_other() -> None:
    assert django.conf.settings.configured
    assert sorted(rows()) == sorted(env.DECLARED)


def test_every_default_is_the_real_one() -> None:
    assert {name: cells[2].strip("`") for name, cells in rows().items()} == env.DECLARED


def test_every_variable_has_a_unit_and_a_reason() -> None:
    for name, cells in rows().items():
        assert len(cells) == 4, f"{name}: the row has {len(cells)} cells"
        assert cells[1], f"{name} has no unit"
        assert len(cells[3]) > 20, f"{name} is not explained"
