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
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tandem.webhooks.tests.receiving import Receiver, receiving
from tests.figures import figure
from tests.installation import TANDEM, Installation, copy_of, prepared

pytestmark = pytest.mark.processes

REPEATED_AT_MOST = 10  # deliveries, by one kill
PATIENCE_SECONDS = 900  # for what takes a minute on an idle machine
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
        timeout=PATIENCE_SECONDS,
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
    _outlives_kills(empty, there, count=300, others=0, each=0, workers=1, kills=6)


@pytest.mark.soak
def test_ten_thousand_deliveries_outlive_thirty_kills(empty: Installation, there: Receiver) -> None:
    _outlives_kills(empty, there, count=10_000, others=3, each=100, workers=3, kills=36)


def _outlives_kills(
    installation: Installation, there: Receiver, *, count: int, others: int, each: int, workers: int, kills: int
) -> None:
    """Kill workers, by lot, while they tell one receiver of so many changes, and each of the others of some.

    After each kill the leases of that moment are made to have run out: those of the dead, and those of the living, who
    are then presumed dead and come back.
    """
    crashing(installation, "prepare", there.url, *map(str, (count, others, each)))
    dice, began = random.Random(7), time.monotonic()
    with ExitStack() as stack:
        at_work = [stack.enter_context(worker(installation)) for _ in range(workers)]
        for _ in range(kills):
            enough = len(there.got) + dice.randrange(count // kills)
            wait_until(lambda enough=enough: len(there.got) > enough, "the workers send")
            victim = at_work.pop(dice.randrange(workers))
            victim.kill()
            victim.wait()
            let_leases_run_out(installation)
            at_work.append(stack.enter_context(worker(installation)))
        left = "SELECT (SELECT count(*) FROM webhooks_notice), count(*) FROM webhooks_delivery WHERE status = 'pending'"
        wait_until(lambda: rows(installation, left) == [(0, 0)], "all is delivered")
        for process in at_work:
            process.terminate()
        assert [process.wait(60) for process in at_work] == [0] * workers
    bodies = Counter((got.headers["webhook-id"], got.body) for got in there.got)
    told = Counter((got.path, json.loads(got.body)["data"]["name"]) for got in there.got)
    due = {("/", str(n)) for n in range(count)} | {(f"/{one}", str(n)) for one in range(others) for n in range(each)}
    twice = len(there.got) - len(bodies)
    figure(
        f"{len(due)} deliveries, {kills} kills among {workers}: {len(due - told.keys())} lost, "
        f"{twice} came twice, {len(bodies) - len({id for id, _ in bodies})} of them with another body; "
        f"{time.monotonic() - began:.0f} s"
    )
    assert told.keys() == due
    assert len({id for id, _ in bodies}) == len(bodies) == len(due)
    assert twice <= kills * REPEATED_AT_MOST
    assert rows(installation, "SELECT DISTINCT status FROM webhooks_delivery") == [("delivered",)]


def let_leases_run_out(installation: Installation) -> None:
    # One by one: a statement over several rows and a worker that records some of them could wait for each other.
    for (pk,) in rows(installation, "SELECT id FROM webhooks_delivery WHERE lease_until IS NOT NULL"):
        installation.execute(f"UPDATE webhooks_delivery SET lease_until = NULL WHERE id = '{pk}'")


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
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"waited in vain until {what}"
        time.sleep(0.02)
