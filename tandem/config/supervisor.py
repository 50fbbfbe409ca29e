"""`tandem serve`: one process tree on one port.

    supervisor            this file; starts the others, starts them again when they die, stops all when told to
    ├── server            granian's main process: listens for signals, starts and watches the server processes
    │   └── process × N   each loads the application and answers one request at a time
    └── worker            sends what waits in outboxes; see worker.py

SIGINT, SIGTERM and SIGHUP stop everything gracefully: requests in hand are answered, messages in hand recorded.
Against SIGKILL, which cannot be handled, there is lifeline.py.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 20  # after that, what still runs is killed; longer than a server process or the worker needs
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 30.0  # before a child that died is started again
STEADY_SECONDS = 10  # a child that lived so long was well; its next death counts as the first


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0  # when it may be started (again)
    pause: float = field(default=FIRST_PAUSE_SECONDS)

    def start(self, now: float) -> None:
        # A process group of its own: Ctrl-C in a terminal goes to the whole group, and the children are to hear of it
        # once, from us. (Told twice at the same instant, a server process of granian's may hang and has to be killed.)
        self.process = subprocess.Popen(self.command, process_group=0)
        self.started_at = now

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self, now: float) -> None:
        assert self.process is not None
        if now - self.started_at >= STEADY_SECONDS:
            self.pause = FIRST_PAUSE_SECONDS
        _say(f"{self.name} ended ({_how(self.process.returncode)}); it is started again in {self.pause:g} s")
        self.process = None
        self.start_at = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE_SECONDS)


def serve(*, host: str, port: int, workers: int, with_worker: bool) -> None:
    """Serve until SIGINT or SIGTERM. The port has been claimed by the caller; see `claim_port`."""
    with _counters():
        _run(children_of(host=host, port=port, workers=workers, with_worker=with_worker), address=(host, port))


@contextlib.contextmanager
def _counters() -> Iterator[None]:
    """Where the processes count for /metrics (see common/metrics.py): where the operator says, so that a worker that is
    started apart may count there too, else in a directory of our own.
    """
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tandem-metrics-", ignore_cleanup_errors=True) as made:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = made
        yield


def children_of(*, host: str, port: int, workers: int, with_worker: bool) -> list[Child]:
    # -P: what happens to lie in the present directory must not be imported instead of the installed package.
    start = [sys.executable, "-P", "-W", "ignore", "-m", "tandem.config.child"]
    parent = ["--parent", str(os.getpid())]
    web = [*start, "web", *parent, "--host", host, "--port", str(port), "--workers", str(workers)]
    children = [Child("server", web)]
    if with_worker:
        children.append(Child("worker", [*start, "worker", *parent]))
    return children


def claim_port(host: str, port: int) -> socket.socket:
    """Make sure that the port is ours; keep the answer open for as long as it must be.

    The server processes all listen on the port by themselves, with SO_REUSEPORT, and so could those of a second
    `tandem serve`: the system would hand each of them a part of the requests. So the port is first taken without that
    option, which fails when anybody has it, and then kept with it by a socket that never listens. The kept one goes
    without SO_REUSEADDR, or Linux would let the next trial pass as long as nobody listens.
    Raises SystemExit with one line when the port cannot be had.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
        kept = socket.socket(family, kind)
        if hasattr(socket, "SO_REUSEPORT"):
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            kept.bind(address)
        return kept
    except OSError as refused:
        raise SystemExit(f"tandem: cannot serve on {host}:{port}: {_why(refused)}") from None


def _why(refused: OSError) -> str:
    import errno

    match refused.errno:
        case errno.EADDRINUSE:
            return "the port is in use, perhaps by another `tandem serve`; stop that one, or choose another --port"
        case errno.EACCES:
            return "ports below 1024 are not for everybody; choose another --port"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address; choose another --host"
        case _:
            return refused.strerror or str(refused)


def _run(children: list[Child], *, address: tuple[str, int]) -> None:
    wakeup, told = socket.socketpair()
    wakeup.setblocking(False)
    told.setblocking(False)
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: signals.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what wakes us
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    announced = False
    while not signals:
        now = time.monotonic()
        for child in children:
            if child.has_died():
                child.plan_restart(now)
            if child.process is None and child.start_at <= now:
                child.start(now)
        if not announced and _answers(address):
            announced = True
            _say(f"ready on http://{_shown(address)} (Ctrl-C stops it)")
        _rest(
            wakeup, until=min([c.start_at for c in children if c.process is None], default=now + 1), quick=not announced
        )
    _stop(children, wakeup, signals)


def _rest(wakeup: socket.socket, *, until: float, quick: bool) -> None:
    """Sleep until a signal arrives, a child is to be started, or it is time to look again."""
    longest = 0.1 if quick else 1.0
    seconds = min(max(until - time.monotonic(), 0.01), longest)
    select.select([wakeup], [], [], seconds)
    with contextlib.suppress(BlockingIOError):
        wakeup.recv(4096)


def _stop(children: list[Child], wakeup: socket.socket, signals: list[int]) -> None:
    """End all children: gracefully, and by force when that takes too long or a second signal shows impatience."""
    _say("stopping")
    running = [child.process for child in children if child.process is not None]
    for process in running:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    already = len(signals)
    while any(process.poll() is None for process in running):
        if time.monotonic() > deadline or len(signals) > already:
            for process in running:
                process.kill()
        _rest(wakeup, until=deadline, quick=True)
    _say("stopped")


def _answers(address: tuple[str, int]) -> bool:
    host, port = address
    try:
        with socket.create_connection((_reachable(host), port), timeout=0.2):
            return True
    except OSError:
        return False


def _reachable(host: str) -> str:
    """The address under which this machine reaches itself when it listens on all of them."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _how(returncode: int) -> str:
    return f"signal {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"


def _say(line: str) -> None:
    print(f"tandem: {line}", file=sys.stderr, flush=True)
