"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import secrets
import socket

_PORTS = range(10_000, 32_000)  # the system's own begin at 32,768 (Linux) or 49,152


def free_port() -> int:
    """A port that is nobody's now, and most likely not soon either.

    It is let go before it is used. So it comes from below those that the system gives to whoever asks for any, the
    thousands of connections of the tests among them, and by chance, so that tests which run side by side differ.
    """
    while True:
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
