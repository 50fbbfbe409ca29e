"""Figures that tests find out: printed by the test, and by tests/run.py below its results, where people look."""

from __future__ import annotations

import os
from pathlib import Path

KEPT_IN = "TESTS_FIGURES"  # the variable that names a file, one line for each


def figure(text: str) -> None:
    """Tell a figure, in one line."""
    print(text)
    if kept_in := os.environ.get(KEPT_IN):
        with open(kept_in, "a") as file:
            file.write(f"{text}\n")


def figures_in(file: Path) -> list[str]:
    return sorted(file.read_text().splitlines()) if file.exists() else []
