"""A receiver on this machine: answers as it is told, keeps what it got."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

from tandem.webhooks.outgoing import Client

LOOPBACK = [ip_network("127.0.0.0/8")]
Said = tuple[int, dict[str, str], bytes]


@dataclass
class Got:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """answers: what to say to a request; 200 unless it says otherwise."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    answer: Callable[[Got], Said] = lambda got: (200, {}, b"ok")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.answer = lambda got: (status, headers or {}, body)


def client(**options: Any) -> Client:
    """A client that may dial this machine."""
    return Client(allowed=LOOPBACK, **options)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            got = Got(self.command, self.path, headers, self.rfile.read(length))
            if len(got.body) < length:  # a sender that was killed in the middle of it
                self.close_connection = True
                return
            receiver.got.append(got)
            status, more, body = receiver.answer(got)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a sender that is killed resets its connections
    server.daemon_threads = True
    server.socket.listen(512)  # of its own accord it lets five connections wait, and breaks others off
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
