"""Log lines as JSON, one per line, each with the id of the request it belongs to, and none with a secret.

What somebody sent never gets into a line: of a request its path without the query, of an exception its type and place
without its message. For messages quote: `invalid literal for int(): 'my password'`, PostgreSQL's `DETAIL: Failing row
contains (…)`. With TANDEM_DEBUG, which is refused in public, they are shown.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings

from tandem.common import context

# Python's own advice for records that show neither file nor line nor thread: not to look for them, once per request.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
# Django hands it to its lines; as a text it is the whole address, signatures of links included.
_LEFT_OUT = _STANDARD | {"request"}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := context.request_id.get():
            line["request_id"] = request_id
        line |= {name: value for name, value in record.__dict__.items() if name not in _LEFT_OUT}
        if record.exc_info and record.exc_info[1]:
            line["exception"] = "".join(_told(record.exc_info[1]))
        return orjson.dumps(line, default=str).decode()


class BugsOnly(logging.Filter):
    """Of Django's lines about requests, those with an exception. Refusals have their request line already."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


def _told(error: BaseException) -> Iterator[str]:
    """Type and place of an exception, before it those of what led to it."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _told(before)
        yield "which led to\n"
    yield from traceback.format_tb(error.__traceback__)
    kind = type(error)
    yield f"{kind.__module__}.{kind.__qualname__}{_code(error)}{f': {error}' if settings.DEBUG else ''}\n"


def kind_of(error: BaseException) -> str:
    """Type of an exception, and what the database or the system calls it: "OperationalError (SQLITE_FULL)"."""
    return f"{type(error).__name__}{_code(error) or _code(error.__cause__)}"


def _code(error: BaseException | None) -> str:
    """What a database or the system calls it: "23505", "SQLITE_BUSY", "No space left on device"."""
    code = getattr(error, "sqlstate", None) or getattr(error, "sqlite_errorname", None)
    if isinstance(error, OSError):
        code = error.strerror
    return f" ({code})" if code else ""
