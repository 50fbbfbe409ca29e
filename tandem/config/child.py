"""The processes below the supervisor: `python -m tandem.config.child web|worker …`.

Nothing heavy is imported at the top: the first thing that a child does is to tie its life to its parent's.
"""

from __future__ import annotations

import argparse
import os
import resource
from functools import partial
from typing import Any

from tandem.config import lifeline

STOP_SECONDS = 10  # how long a server process may go on with the request in hand after it was told to stop
MOST_CONNECTED = 4000  # clients that a server process listens to at a time, whether they say something or not
LONGEST_SILENCE_SECONDS = 30  # between requests, or within the head of one; proxies must let go sooner
MOST_KNOCKING = 4096  # that the system keeps while the process gets to them; Linux bounds it by net.core.somaxconn


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["web", "worker"])
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    lifeline.tie_to_parent(options.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.config.settings")
    if options.kind == "worker":
        work()
    else:
        serve(options.host, options.port, options.workers)


def work() -> None:
    import django
    from django.conf import settings

    from tandem.config import instance, secret_key

    secret_key.demand_one()
    instance.share(settings.DATA_DIR)
    django.setup()

    from tandem.config import worker

    worker.run()


def serve(host: str, port: int, workers: int) -> None:
    """The server: it listens and starts one process per worker; it never loads the application itself."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    server = Granian(
        "tandem.config.door:Door",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        # Not `auto`, which waits without end for the first byte that tells HTTP/1 from 2. So a silent client is hung
        # up on; before that it costs 3 kB, and not one of few places.
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=LONGEST_SILENCE_SECONDS * 1000),
        backlog=MOST_KNOCKING,
        backpressure=_raised_file_limit() // 2,  # connections; the other half is for bodies that go to files
        workers=workers,
        # A server process that dies is started again at once; one that dies again and again ends the server, and the
        # supervisor starts that anew with growing pauses.
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=partial(_load, os.getpid()), wrap_loader=False)


def _raised_file_limit() -> int:
    """How many files a server process may have open: the default of 1024 is a limit for programs of another time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTED
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def _load(server: int) -> Any:
    """Runs in each server process before it listens."""
    lifeline.tie_to_parent(server)
    # Django warns of what blocks an event loop. This loop is there to be blocked: see tandem.config.door.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    from tandem.config import secret_key

    secret_key.demand_one()
    from tandem.config.door import Door
    from tandem.config.wsgi import application

    return Door(application, slow=application.is_slow)


if __name__ == "__main__":
    main()
