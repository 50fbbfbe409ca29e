"""Ten times what the server can do: it goes on doing what it can, and says so to the rest. QUALITY "Overload".

Requests come at a fixed rate, whether those before them were answered or not, as from a crowd that does not wait for
each other; clients that wait their turn cannot overload anything. Each has a connection of its own.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection

from tandem.academy.models import Lead
from tests.calling import ADMIN, make_admin, signed_in
from tests.figures import figure
from tests.installation import Served, file_limit_raised, prepared

pytestmark = pytest.mark.processes

TIMES = 10
AT_A_TIME = 8  # clients who wait for each other: what the server can do
PATIENCE_SECONDS = 15.0
LEADS = {"sqlite": 60_000, "postgresql": 100_000}  # so much to do that the crowd needs little of the machine


@dataclass
class Got:
    """statuses: 0 for a connection that was cut, or not answered. without_retry_after: refusals that do not say it."""

    statuses: Counter[int] = field(default_factory=Counter)
    without_retry_after: int = 0


@dataclass(frozen=True)
class Crowd:
    """What is asked again and again: much to do for the server, little to read for the crowd, which sits beside it."""

    port: int
    token: str
    path: str = "/api/leads/?name=zq"  # two letters that occur nowhere: no index helps, and every name is read

    async def one(self, got: Got) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                status, head = await self._asked()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status, head = 0, b""
        got.statuses[status] += 1
        if status == 503 and b"retry-after:" not in head.lower():
            got.without_retry_after += 1

    async def _asked(self) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            request = f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            writer.write(f"{request}Authorization: Bearer {self.token}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            while await reader.read(2**18):
                pass
            return int(head.split(b" ", 2)[1]), head
        finally:
            writer.close()

    async def in_turn(self, seconds: float) -> float:
        """How many are answered in a second when nobody is in a hurry."""
        got, until = Got(), time.monotonic() + seconds

        async def client() -> None:
            while time.monotonic() < until:
                await self.one(got)

        await asyncio.gather(*(client() for _ in range(AT_A_TIME)))
        assert set(got.statuses) == {200}, got.statuses
        return got.statuses[200] / seconds

    async def at_once(self, per_second: float, seconds: float) -> Got:
        """Ask at this rate, whatever the answers."""
        got, asked, began = Got(), set(), time.monotonic()
        for n in range(int(per_second * seconds)):
            wait = began + n / per_second - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            elif n % 50 == 0:
                await asyncio.sleep(0)  # behind its time: answers still have to be read
            asked.add(asyncio.create_task(self.one(got)))
        await asyncio.gather(*asked)
        return got


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Crowd]]:
    with prepared(tmp_path_factory.mktemp("overload")) as installation:
        make_admin(installation)
        with installation.serving(workers=2) as served, file_limit_raised():
            boss = signed_in(served, ADMIN)
            boss.ok("POST", "/api/leads/", {"name": "Vaigai School"})
            installation.execute(_copies_of_leads())
            yield served, Crowd(served.port, boss.token)


def _copies_of_leads() -> str:
    """One statement that makes so many of the only one."""
    columns = [field.column for field in Lead._meta.concrete_fields if field.column != "id"]
    new_id = "lower(hex(randomblob(16)))" if connection.vendor == "sqlite" else "gen_random_uuid()"
    return (
        f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LEADS[connection.vendor]})"
        f" INSERT INTO academy_lead (id, {', '.join(columns)})"
        f" SELECT {new_id}, {', '.join(f'l.{column}' for column in columns)} FROM academy_lead l, n"
    )


def test_ten_times_as_much_as_it_can(crowd: tuple[Served, Crowd]) -> None:
    # On the same processors as the crowd, and all other tests.
    _overloaded(*crowd, seconds=8, calm_seconds=3, least=0.4)


@pytest.mark.soak
def test_ten_times_as_much_as_it_can_for_a_minute(crowd: tuple[Served, Crowd]) -> None:
    _overloaded(*crowd, seconds=60, calm_seconds=10, least=0.8)


def _overloaded(served: Served, crowd: Crowd, *, seconds: float, calm_seconds: float, least: float) -> None:
    before = asyncio.run(crowd.in_turn(calm_seconds))
    size, began = _size(served), time.monotonic()
    got = asyncio.run(crowd.at_once(before * TIMES, seconds))
    took = time.monotonic() - began
    served.wait_until(served.answers, "it answers again")
    back = asyncio.run(crowd.in_turn(calm_seconds))
    grown = _size(served) - size
    good = got.statuses[200] / took / before
    figure(
        f"overload: {before:.0f}/s in turn; asked {before * TIMES:.0f}/s for {seconds:.0f} s:"
        f" goodput {good:.2f} of it, {dict(sorted(got.statuses.items()))},"
        f" {got.without_retry_after} refusals without Retry-After; afterwards {back / before:.2f} of it,"
        f" {grown:.0f} MB more memory"
    )
    assert set(got.statuses) == {200, 503}, "answered, or told to come back"
    assert got.without_retry_after == 0
    assert grown < 200
    assert good >= least


def _size(served: Served) -> float:
    """Megabytes that all processes below the supervisor hold."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in served.tree())
    return pages * resource.getpagesize() / 1e6
