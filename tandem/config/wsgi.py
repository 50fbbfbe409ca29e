"""The WSGI application. Each server process that loads it ties its life to its supervisor's."""

from __future__ import annotations

import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tandem.config.settings")

import django
from django.core.handlers.wsgi import WSGIHandler, get_script_name
from django.db import close_old_connections
from django.urls import set_script_prefix

from tandem.common import routes


class Application(WSGIHandler):
    """Django's own handler without the signals around a request.

    What listens to those here is that broken connections are closed; that is done by name. The four signals took an
    eighth of a small request's time (docs/decisions/0002).
    """

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """An iterable of bytes, as WSGI wants it."""
        set_script_prefix(get_script_name(environ))
        close_old_connections()
        request = self.request_class(environ)
        answer: Any = self.get_response(request)
        start_response(
            f"{answer.status_code} {answer.reason_phrase}",
            [*answer.items(), *(("Set-Cookie", cookie.output(header="")) for cookie in answer.cookies.values())],
        )
        if answer.streaming:
            answer._handler_class = type(self)
            return answer  # the server closes it after the last piece
        request.close()  # the temporary files of an upload
        return [answer.content]

    def is_slow(self, environ: dict[str, Any]) -> bool:
        """Whether a request may take long, so that others do not wait: an operation's `is_aside`, and uploads."""
        found = routes.find_early(environ)
        view = getattr(found.func, "view_class", None) if found is not None else None
        chosen = operation_of(view, environ["REQUEST_METHOD"])
        return (chosen is not None and chosen.is_aside) or environ.get("CONTENT_TYPE", "").startswith("multipart/")


django.setup(set_prefix=False)

from tandem.common.endpoint import operation_of  # noqa: E402 - it knows the models

application = Application()
routes.index()  # imports every view, before the first request

# What was made so far lives as long as the process: the garbage collector need not look through it again and again.
gc.collect()
gc.freeze()
