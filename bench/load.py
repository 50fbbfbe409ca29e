"""One short round of requests against one server, by wrk or, where that is missing, by a client in Python."""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 8
WRK = shutil.which("wrk")


@dataclass(frozen=True)
class Plan:
    """The requests of a round. In `path` of a GET `{id}` stands for one of `ids` ids from first_id on, all in turn.

    In `body` of a POST `{id}` counts them up, and with each new turn `{day}` is the next of the days: no two bodies
    are alike, so no two bookings collide.
    """

    method: str
    path: str
    first_id: int = 1
    ids: int = 1
    body: str = ""
    days: tuple[str, ...] = ("-",)

    def request(self, n: int) -> tuple[str, str]:
        """Path and body of request n, as load.lua makes them."""
        if self.method == "GET":
            return self.path.replace("{id}", str(self.first_id + (n * 7919) % self.ids)), ""
        day = self.days[(n // self.ids) % len(self.days)]
        return self.path, self.body.replace("{id}", str(self.first_id + n % self.ids)).replace("{day}", day)


@dataclass(frozen=True)
class Round:
    """requests_per_second; sent: how many numbers were used up; failed: answers other than 2xx."""

    requests_per_second: float
    sent: int
    failed: int


def run(port: int, authorization: str, plan: Plan, *, start: int, seconds: int) -> Round:
    """A round over `CONNECTIONS` kept-alive connections, each waiting for its answer before the next request."""
    drive = _wrk if WRK else _python
    return drive(port, authorization, plan, start, seconds)


def _wrk(port: int, authorization: str, plan: Plan, start: int, seconds: int) -> Round:
    assert WRK is not None
    headers = ["-H", f"Authorization: {authorization}", "-H", "Content-Type: application/json"]
    script = Path(__file__).with_suffix(".lua")
    command = [WRK, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *headers, "-s", script, f"http://127.0.0.1:{port}"]
    numbers = [str(plan.first_id), str(plan.ids), str(start), ",".join(plan.days)]
    command += ["--", plan.method, plan.path, plan.body, *numbers]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    told = json.loads(printed.rsplit("\n", 2)[-2])
    return Round(told["requests"] / (told["microseconds"] / 1e6), told["sent"], told["failed"])


def _python(port: int, authorization: str, plan: Plan, start: int, seconds: int) -> Round:
    """Slower than wrk and on the same cores, so the fast contestants look worse with it than they are."""
    waiting = selectors.DefaultSelector()
    sent = answered = failed = 0

    def send(connection: socket.socket) -> None:
        nonlocal sent
        path, body = plan.request(start + sent)
        head = f"{plan.method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {authorization}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(f"{head}{body}".encode())
        sent += 1

    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        waiting.register(connection, selectors.EVENT_READ, _Answers())
    began = time.perf_counter()
    for key in waiting.get_map().values():
        send(key.fileobj)  # type: ignore[arg-type]
    while (passed := time.perf_counter() - began) < seconds:
        for key, _ in waiting.select(0.2):
            status = key.data.fed(key.fileobj.recv(262_144))  # type: ignore[union-attr]
            if status:
                answered += 1
                failed += not 200 <= status < 300
                send(key.fileobj)  # type: ignore[arg-type]
    for key in list(waiting.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return Round(answered / passed, sent, failed)


class _Answers:
    """Reads answers off one connection, each with a Content-Length."""

    def __init__(self) -> None:
        self._read = b""

    def fed(self, more: bytes) -> int:
        """The status of the answer that `more` completes; 0 when it is not complete yet."""
        if not more:
            raise ConnectionError("the server closed a connection")
        self._read += more
        head, end, rest = self._read.partition(b"\r\n\r\n")
        if not end:
            return 0
        lower = head.lower()
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return 0
        self._read = rest[length:]
        return int(head.split(b" ", 2)[1])
