from __future__ import annotations

from collections.abc import Iterator

import pytest

from tandem.webhooks.tests.receiving import LOOPBACK, Receiver, receiving


@pytest.fixture
def receiver(settings: object) -> Iterator[Receiver]:
    """A receiver on this machine that webhooks may be told at."""
    settings.WEBHOOK_ALLOWED_NETWORKS = LOOPBACK
    with receiving() as one:
        yield one
