from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def stored(tmp_path: Path, settings: Any) -> Path:
    """Where files are kept."""
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": tmp_path}
    settings.STORAGES = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}
    return tmp_path
