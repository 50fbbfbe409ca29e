"""No process of Tandem outlives the one that started it, however that one died.

`tandem serve` is a tree: supervisor → server → its worker processes, and supervisor → worker. When somebody kills the
supervisor or the server with SIGKILL, nobody is left to stop the rest: orphans keep the port, keep answering, and keep
writing, into a database that may have been restored meanwhile (218 of 4,554 acknowledged writes were lost that way in
a trial). So each process ties its life to its parent's as the first thing it does.

On Linux the kernel does it: PR_SET_PDEATHSIG. Two traps. It fires when the *thread* that forked us ends, so parents
start children from their main thread only. And it does not fire for a parent that is dead already when we ask for it,
so we look afterwards whether the parent is still the one that started us. Elsewhere a thread looks every second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 1.0


def tie_to_parent(parent: int) -> None:
    """From now on this process is killed when its parent dies; at once, if it has died already.

    parent: the process id that started this one, handed down by it (asking the system would tell the id of whoever
    adopted us, if the parent is dead). SIGKILL, for whoever can be talked into lingering is an orphan: every answer
    that was given is in the database, and a claimed row has its lease.
    """
    if not (sys.platform == "linux" and _ask_kernel()):
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _ask_kernel() -> bool:
    try:
        return ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    except (OSError, AttributeError):
        return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
