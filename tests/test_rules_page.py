"""docs/rules.md names functions and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
_ROW = re.compile(r"(?<!\\)\|")


def named_places() -> list[tuple[str, str]]:
    """(path below tandem/, name in that file) for every name in the last two columns of every table."""
    places = []
    for line in (ROOT / "docs" / "rules.md").read_text().splitlines():
        cells = _ROW.split(line)[1:-1]
        if not cells or cells[0].strip() in ("rule", "---"):
            continue
        for cell in cells[-2:]:
            path, *names = re.findall(r"`([^`]+)`", cell)
            assert names, f"no name after {path} in: {line}"
            places += [(path, name) for name in names]
    return places


def test_the_page_has_rows() -> None:
    assert len(named_places()) > 50


@pytest.mark.parametrize(("path", "name"), sorted(set(named_places())))
def test_what_the_page_names_exists(path: str, name: str) -> None:
    source = (ROOT / "tandem" / path).read_text()
    assert re.search(rf"^(?:def |class |){re.escape(name)}\b(?:\(|:| =)", source, re.MULTILINE)
