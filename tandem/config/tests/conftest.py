from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings


@pytest.fixture(scope="session", autouse=True)
def files_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What demo companies upload stays out of the data directory."""
    options = settings.STORAGES["files"]["OPTIONS"] | {"location": tmp_path_factory.mktemp("files")}
    storages = settings.STORAGES | {"files": {**settings.STORAGES["files"], "OPTIONS": options}}
    with override_settings(STORAGES=storages):
        yield
