"""Log lines as JSON, one per line, each with the id of the request it belongs to."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import orjson

from tandem.common import context

# Python's own advice for records that show neither file nor line nor thread: not to look for them, once per request.
logging._srcfile = None
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


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
        line |= {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()
