"""The contestants' servers: granian, WSGI, two processes of one thread each, on a free loopback port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.databases import COMMON, ROOT, Stage
from tests.ports import free_port

PROCESSES = 2
STARTS_WITHIN_SECONDS = 90

# What `tandem serve` gives to granian (tandem/config/child.py), as command-line options.
_GRANIAN = ["--interface", "wsgi", "--workers", str(PROCESSES), "--blocking-threads", "1", "--no-ws"]
_GRANIAN += ["--log-level", "warning", "--respawn-failed-workers"]


@dataclass(frozen=True)
class Server:
    port: int


@contextmanager
def serving(stage: Stage, only: Collection[str] | None = None) -> Iterator[dict[str, Server]]:
    """Contestants on one stage, all or only these; whatever happens, none of their processes is left behind."""
    with ExitStack() as stack:
        directory = Path(stage.environment["TANDEM_DATA_DIR"])
        started = {}
        for name in only or _COMMANDS:
            log = stack.enter_context(open(directory / f"{name}.log", "w"))
            started[name] = stack.enter_context(_started(_COMMANDS[name], stage, log))
        for name, (process, server) in started.items():
            _wait(process, server.port, name, directory / f"{name}.log")
        yield {name: server for name, (_, server) in started.items()}


def _tandem(port: int) -> list[str]:
    return ["-m", "tandem.config.cli", "serve", "--no-worker", "--workers", str(PROCESSES), "--port", str(port)]


def _granian(application: str, port: int) -> list[str]:
    return ["-m", "granian", *_GRANIAN, "--host", "127.0.0.1", "--port", str(port), application]


_COMMANDS = {
    "tandem": _tandem,
    "idiomatic": lambda port: _granian("bench.idiomatic.wsgi:application", port),
    "limit": lambda port: _granian("bench.limit:application", port),
}


@contextmanager
def _started(
    command: Callable[[int], list[str]], stage: Stage, log: IO[str]
) -> Iterator[tuple[subprocess.Popen[bytes], Server]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *command(port)],
        cwd=ROOT,
        env={**os.environ, **stage.environment, **COMMON},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield process, Server(port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, name: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"bench: {name} did not start:\n{log.read_text()[-3000:]}")
