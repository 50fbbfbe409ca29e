"""The whole product is killed again and again while clients write: what was acknowledged is there, and was told.

The short forms run with every test run; the long ones (`make soak`) print the figures that docs/operating.md quotes.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection

from tandem.webhooks.tests.receiving import Receiver, receiving
from tests.figures import figure
from tests.installation import Installation, Served, alive, prepared
from tests.run import installed_binaries, throwaway_cluster

pytestmark = pytest.mark.processes

WRITERS = 4


@dataclass
class Written:
    """What the server acknowledged, and what it said when it did not."""

    acknowledged: dict[str, str] = field(default_factory=dict)  # id of a lead → its name
    refused: Counter[int] = field(default_factory=Counter)  # status → how often
    without_retry_after: int = 0
    cut_off: int = 0  # no answer at all
    acknowledged_at: list[float] = field(default_factory=list)


@contextlib.contextmanager
def writing(address: Callable[[], str], key: str) -> Iterator[Written]:
    """Clients that create leads as fast as they can, until the block ends."""
    written, ended = Written(), threading.Event()

    def write(number: int) -> None:
        for n in range(10**9):
            if ended.is_set():
                return
            _create(f"{address()}/api/leads/", key, f"{number}-{n}", written)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    try:
        yield written
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _create(url: str, key: str, name: str, written: Written) -> None:
    request = urllib.request.Request(url, json.dumps({"name": name}).encode(), method="POST")
    request.add_header("Authorization", f"Token {key}")
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            written.acknowledged[json.load(answer)["id"]] = name
            written.acknowledged_at.append(time.monotonic())
    except urllib.error.HTTPError as refused:
        written.refused[refused.code] += 1
        written.without_retry_after += "Retry-After" not in refused.headers
        time.sleep(0.05)
    except (OSError, ValueError):
        written.cut_off += 1
        time.sleep(0.05)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


def _prepare(installation: Installation, url: str) -> str:
    """A key of an admin, and a webhook that is told of every lead."""
    done = installation.python(
        "from tandem.accounts.tokens import open_key\n"
        "from tandem.common import moments\n"
        "from tandem.webhooks.tests.hooks import hook\n"
        "from tests.cast import person\n"
        f"hook(url={url!r})\n"
        "print(open_key(person('asha'), now=moments.now()))\n"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def _ids(installation: Installation) -> dict[str, str]:
    """id → name of the leads that are there."""
    done = installation.python(
        "import json\nfrom tandem.academy.models import Lead\n"
        "print(json.dumps({str(pk): name for pk, name in Lead.objects.values_list('pk', 'name')}))"
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


class Killer:
    """Kills, by lot, one of the processes of a served product; a supervisor is started again."""

    KINDS = ("server", "process of the server", "worker", "supervisor")

    def __init__(self, installation: Installation) -> None:
        self.installation, self.dice, self.kills = installation, random.Random(11), Counter[str]()
        self.served = Served(installation, workers=2)
        self.served.wait_until(self.served.answers, "the server answers")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.served.port}"

    def kill(self) -> None:
        kind = self.KINDS[sum(self.kills.values()) % len(self.KINDS)]
        served = self.served
        web, worker = served.child("web"), served.child("worker")
        victims = {
            "server": [web],
            "process of the server": sorted(served.tree() - {web, worker}),
            "worker": [worker],
            "supervisor": [served.supervisor.pid],
        }[kind]
        victims = [pid for pid in victims if pid]
        if not victims:
            return
        tree = served.tree()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.dice.choice(victims), signal.SIGKILL)
        self.kills[kind] += 1
        if kind == "supervisor":
            served.supervisor.wait()
            served.wait_until(lambda: not alive(tree) and not served.is_listening(), "no orphan is left")
            self.served = Served(self.installation, workers=2)
        self.served.wait_until(self.served.answers, "it answers again")

    def end(self) -> None:
        self.served.end()


def _survives(installation: Installation, there: Receiver, *, kills: int) -> str:
    """Kill the product so many times under writes. Gives the figures; fails on the first that is lost."""
    installation.settings = {"TANDEM_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8", "TANDEM_LOG_LEVEL": "WARNING"}
    key = _prepare(installation, there.url)
    killer = Killer(installation)
    try:
        with writing(lambda: killer.address, key) as written:
            for _ in range(kills):
                enough = len(written.acknowledged) + 20
                killer.served.wait_until(lambda enough=enough: len(written.acknowledged) > enough, "writes go on")
                killer.kill()
        killer.end()
        # A lease is there for a worker that may still be at it; all are dead.
        installation.execute("UPDATE webhooks_delivery SET lease_until = NULL")
        present = _ids(installation)
        lost = written.acknowledged.items() - present.items()
        killer.served = Served(installation, workers=1)
        killer.served.wait_until(
            lambda: {json.loads(got.body)["data"]["id"] for got in list(there.got)} >= present.keys(), "all was told"
        )
    finally:
        killer.end()
    bodies = {(got.headers["webhook-id"], got.body) for got in there.got}
    told = Counter(json.loads(body)["data"]["id"] for _, body in bodies)
    figures = (
        f"{sum(killer.kills.values())} kills ({', '.join(f'{n} × {kind}' for kind, n in killer.kills.items())}): "
        f"{len(written.acknowledged)} writes acknowledged, {len(lost)} lost; {len(present)} events, "
        f"{len(present.keys() - told.keys())} not told, {len(there.got) - len(bodies)} told twice"
    )
    figure(figures)
    assert not lost
    assert told.keys() == present.keys()
    assert set(told.values()) == {1}, "what came twice came with the same id and body"
    assert _is_sound(installation)
    return figures


def _is_sound(installation: Installation) -> bool:
    if installation.database:
        return True  # PostgreSQL itself was not killed
    done = installation.python(
        "from django.db import connection\nprint(connection.cursor().execute('PRAGMA integrity_check').fetchone()[0])\n"
    )
    return done.stdout.split()[-1] == "ok"


def test_what_was_acknowledged_outlives_kills_of_any_process(tmp_path: Path, there: Receiver) -> None:
    with prepared(tmp_path) as installation:
        _survives(installation, there, kills=4)


@pytest.mark.soak
def test_what_was_acknowledged_outlives_many_kills(tmp_path: Path, there: Receiver) -> None:
    with prepared(tmp_path) as installation:
        _survives(installation, there, kills=40)


class Cluster:
    """A PostgreSQL server of the test's own, to be killed. directory: where its data lies."""

    def __init__(self, url: str, directory: Path, binaries: Path) -> None:
        self.url, self._directory, self._binaries = url, directory, binaries

    def kill(self) -> None:
        """SIGKILL to the server's master; its children follow as soon as they notice."""
        os.kill(int((self._directory / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def start(self) -> None:
        as_whom = "postgres" if os.geteuid() == 0 else None
        command = [str(self._binaries / "pg_ctl"), "-D", str(self._directory / "data"), "-w", "start"]
        command += ["-o", self._options(), "-l", str(self._directory / "log")]
        until = time.monotonic() + 60
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        while subprocess.run(command, user=as_whom, cwd=self._directory, check=False, **quiet).returncode:
            assert time.monotonic() < until, "the cluster does not start"
            time.sleep(0.2)  # the old one's children still hold the shared memory

    def _options(self) -> str:
        port = self.url.rpartition(":")[2].partition("/")[0]
        return f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._directory} -c fsync=off"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL is what is killed")  # since 2026-11
    binaries = installed_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's programs are not installed here, so none can be killed")  # since 2026-11
    with throwaway_cluster(binaries) as (url, directory):
        yield Cluster(url, directory, binaries)


def _outlives_its_database(cluster: Cluster, tmp_path: Path, *, kills: int) -> None:
    installation = Installation(tmp_path)
    installation.settings = {"DATABASE_URL": cluster.url, "TANDEM_LOG_LEVEL": "WARNING"}
    subprocess.run(
        [shutil.which("psql") or "psql", cluster.url.rpartition("/")[0] + "/postgres", "-qc", "CREATE DATABASE tandem"],
        check=True,
    )
    migrated = installation.tandem("migrate")
    assert migrated.returncode == 0, migrated.stderr
    key = _prepare(installation, "http://nobody.invalid/")
    gaps: list[float] = []
    with installation.serving(workers=2) as served:
        before = served.tree()
        with writing(lambda: f"http://127.0.0.1:{served.port}", key) as written:
            for _ in range(kills):
                enough = len(written.acknowledged) + 20
                served.wait_until(lambda enough=enough: len(written.acknowledged) > enough, "writes go on")
                cluster.kill()
                refused = written.refused[503]
                served.wait_until(lambda refused=refused: written.refused[503] > refused, "the outage is told")
                cluster.start()
                back, known = time.monotonic(), len(written.acknowledged)
                served.wait_until(lambda known=known: len(written.acknowledged) > known, "writes go on")
                gaps.append(written.acknowledged_at[known] - back)
        assert served.tree() == before, "no process was started anew"
        present = _ids(installation)
    lost = written.acknowledged.items() - present.items()
    figure(
        f"PostgreSQL killed {kills} times: {len(written.acknowledged)} writes acknowledged, {len(lost)} lost; answers "
        f"in the gaps {dict(written.refused)}, {written.without_retry_after} without Retry-After, {written.cut_off} "
        f"cut off; the first write at most {max(gaps):.2f} s after the server's return"
    )
    assert not lost
    assert set(written.refused) == {503}
    assert not written.without_retry_after
    assert not written.cut_off


def test_a_database_that_is_killed_costs_answers_of_503_and_nothing_else(cluster: Cluster, tmp_path: Path) -> None:
    _outlives_its_database(cluster, tmp_path, kills=2)


@pytest.mark.soak
def test_a_database_that_is_killed_again_and_again(cluster: Cluster, tmp_path: Path) -> None:
    _outlives_its_database(cluster, tmp_path, kills=8)
