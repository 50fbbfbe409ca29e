"""Senders that are killed with SIGKILL at the worst instants: nothing is lost, what comes twice is the same twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tandem.webhooks.actions.claims import AT_ONE_RECEIVER
from tandem.webhooks.tests.receiving import Receiver, receiving
from tests.installation import TANDEM, Installation, copy_of, prepared

pytestmark = pytest.mark.processes

ALLOWED = {"TANDEM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}


@pytest.fixture(scope="module")
def there() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(autouse=True)
def nothing_got_yet(there: Receiver) -> None:
    there.got.clear()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Installation]:
    with prepared(tmp_path) as made:
        made.settings = dict(ALLOWED)
        yield made


@pytest.fixture(scope="module")
def original(there: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One change that is to be told, and nobody has begun."""
    with prepared(tmp_path_factory.mktemp("original")) as made:
        made.settings = dict(ALLOWED)
        crashing(made, "prepare", there.url, "1")
        yield made


@pytest.fixture
def installation(original: Installation, tmp_path: Path) -> Iterator[Installation]:
    with copy_of(original, tmp_path) as made:
        made.settings = dict(ALLOWED)
        yield made


def crashing(installation: Installation, *command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tandem.webhooks.tests.crashing", *command],
        env={**installation.environment, "DJANGO_SETTINGS_MODULE": "tandem.config.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done


def rows(installation: Installation, query: str) -> list[Any]:
    import sqlite3

    import psycopg

    from tests.installation import _url

    if installation.database:
        with psycopg.connect(_url(installation.database)) as read:
            return read.execute(query).fetchall()
    with closing(sqlite3.connect(installation.data_dir / "tandem.sqlite3")) as lite:
        return lite.execute(query).fetchall()


@pytest.mark.parametrize(
    ("point", "waiting", "times"),
    [
        ("before_fan_out_commits", 0, 1),
        ("fan_out_half_done", 0, 1),
        ("claimed", 1, 1),
        ("sent", 1, 2),
        ("landed", 1, 2),
        ("recording", 1, 2),
        ("recorded", 0, 1),
    ],
)
def test_a_kill_loses_nothing(
    point: str, waiting: int, times: int, installation: Installation, there: Receiver
) -> None:
    """waiting: deliveries that a successor leaves alone until their lease ends. times: how often it then arrived."""
    assert crashing(installation, point).returncode == -signal.SIGKILL
    assert int(crashing(installation, "finish").stdout) == waiting
    assert len(there.got) == times
    assert len({(got.headers["webhook-id"], got.body) for got in there.got}) == 1
    assert rows(installation, "SELECT status FROM webhooks_delivery") == [("delivered",)]
    assert rows(installation, "SELECT count(*) FROM webhooks_notice") == [(0,)]


def test_workers_that_are_killed_again_and_again_lose_nothing(empty: Installation, there: Receiver) -> None:
    """With the real worker; after each kill the leases are made to have run out."""
    installation, count, kills, dice = empty, 300, 6, random.Random(7)
    crashing(installation, "prepare", there.url, str(count))
    for _ in range(kills):
        seen = len(there.got)
        with worker(installation) as process:
            wait_until(lambda seen=seen: len(there.got) > seen + dice.randrange(30), "the worker sends")
            process.kill()
            process.wait()
        installation.execute("UPDATE webhooks_delivery SET lease_until = NULL")
    with worker(installation) as process:
        left = "SELECT count(*) FROM webhooks_delivery WHERE status <> 'delivered'"
        wait_until(lambda: rows(installation, left) == [(0,)], "all is delivered")
        process.terminate()
        assert process.wait(60) == 0
    bodies = Counter((got.headers["webhook-id"], got.body) for got in there.got)
    names = {json.loads(got.body)["data"]["name"] for got in there.got}
    twice = len(there.got) - len(bodies)
    print(f"{count} deliveries, {kills} kills of the worker: 0 lost, {twice} came twice, with the same id and body")
    assert names == {str(n) for n in range(count)}
    assert len({id for id, _ in bodies}) == len(bodies) == count
    assert twice <= kills * AT_ONE_RECEIVER


class worker:
    """`tandem worker`, gone at the end whatever happens."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation

    def __enter__(self) -> subprocess.Popen[bytes]:
        log = open(self.installation.data_dir / "worker.log", "ab")
        self.process = subprocess.Popen([TANDEM, "worker"], env=self.installation.environment, stdout=log, stderr=log)
        log.close()
        return self.process

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def wait_until(condition: Any, what: str) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.02)
