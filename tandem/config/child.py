"""The processes below the supervisor: `python -m tandem.config.child web|worker …`.

Nothing heavy is imported at the top: the first thing that a child does is to tie its life to its parent's.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import Any

from tandem.config import lifeline

STOP_SECONDS = 10  # how long a server process may go on with the request in hand after it was told to stop


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
    from granian.constants import Interfaces
    from granian.log import LogLevels

    server = Granian(
        "tandem.config.door:Door",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=workers,
        # A server process that dies is started again at once; one that dies again and again ends the server, and the
        # supervisor starts that anew with growing pauses.
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        websockets=False,
        log_level=LogLevels.warning,
    )
    server.serve(target_loader=partial(_load, os.getpid()), wrap_loader=False)


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
