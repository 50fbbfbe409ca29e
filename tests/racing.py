"""Races between real processes, against an installation of their own: a SQLite file, or a database on the server.

    def right_codes() -> Scenario:
        visit = ...                                  # what is there before
        answers = yield lambda n: [status, body]     # done by process n, all at once
        return {"answers": answers, "entries": ...}  # what is there afterwards

    outcome = race("package.module:right_codes", tmp_path, times=64)

One program prepares and then forks, so 64 racers cost no more to start than one; they wait at a gate that opens for
all of them at once. Racers carry on after the fork with connections of their own.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.installation import prepared

Scenario = Generator[Callable[[int], Any], list[Any], Any]


def race(scenario: str, data_dir: Path, *, times: int, rehearsed: bool = True) -> Any:
    """Carry out `module:function` in a fresh installation and give what it returns.

    rehearsed: it is done for nothing before the race. Not for what waits for others, or wants no transaction around it.
    """
    with prepared(data_dir) as installation, _alone():
        done = subprocess.run(
            [sys.executable, "-m", "tests.racing", scenario, str(times), str(min(times, 4) if rehearsed else 0)],
            env={**installation.environment, "DJANGO_SETTINGS_MODULE": "tandem.config.settings"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def _alone() -> Iterator[None]:
    """One race at a time on this machine: two of 64 want more connections than PostgreSQL has, 100 by default."""
    with open(Path(tempfile.gettempdir()) / f"tandem-races-{os.getuid()}.lock", "w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield


def _main(scenario: str, times: int, rehearsals: int) -> None:
    import django

    django.setup()
    from django.db import connections
    from django.urls import get_resolver

    assert get_resolver().url_patterns  # imports every view, once for all racers
    module, _, name = scenario.partition(":")
    running: Scenario = getattr(import_module(module), name)()
    act = next(running)
    _rehearse(act, rehearsals)
    connections.close_all()  # a forked connection would be its parent's
    results = _all_at_once(act, times)
    try:
        running.send(results)
    except StopIteration as finished:
        print(json.dumps(finished.value), flush=True)


def _rehearse(act: Callable[[int], Any], times: int) -> None:
    """Do it for nothing, so that racers need not each compile the same statements first: they meet the closer for it.

    times: where racers are of several kinds, which take turns, as many as there are kinds.
    """
    from django.db import transaction

    for number in range(times):
        with transaction.atomic():
            act(number)
            transaction.set_rollback(True)


def _all_at_once(act: Callable[[int], Any], times: int) -> list[Any]:
    gate, open_gate = os.pipe()
    readers = []
    for number in range(times):
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.close(open_gate)
            _racer(act, number, gate, writer)
        os.close(writer)
        readers.append(reader)
    ready = [os.read(reader, 1) for reader in readers]
    os.close(open_gate)
    results = [_read_all(reader) for reader in readers]
    for _ in range(times):
        os.wait()
    assert ready == [b"!"] * times
    return [json.loads(result) for result in results]


def _racer(act: Callable[[int], Any], number: int, gate: int, writer: int) -> None:
    from django.db import connection

    failed = 1
    try:
        connection.ensure_connection()
        os.write(writer, b"!")
        os.read(gate, 1)  # the end of the file: everybody's copy of the other end is closed
        os.write(writer, json.dumps(act(number)).encode())
        failed = 0
    finally:
        connection.close()
        os._exit(failed)


def _read_all(reader: int) -> bytes:
    with os.fdopen(reader, "rb") as pipe:
        return pipe.read()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
