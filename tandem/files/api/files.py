"""Files, for whoever holds a signed link."""

from __future__ import annotations

from django.http import HttpResponse

from tandem.common import moments
from tandem.common.endpoint import ANYONE, Endpoint, Request, operation
from tandem.common.errors import NotFound
from tandem.common.reading.listing import parameters_in
from tandem.files.links import LinkExpired, check_link
from tandem.files.storage import opened

# By the ending that our own code gave the key; a browser is never left to guess.
MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "pdf": "application/pdf",
}
# Written anew by us, so harmless to look at. Everything else is as it was sent, and only to be downloaded.
_SHOWN = frozenset({"jpg", "png", "webp", "gif"})


class FileBehindLink(Endpoint):
    @operation(
        ANYONE,
        gives={"type": "string", "format": "binary"},
        media="image/*",
        query={"expires": {"type": "integer"}, "signature": {"type": "string"}},
        refuses=[LinkExpired],
    )
    def get(self, request: Request, key: str) -> HttpResponse:
        """A file. The whole address, signature included, is found in the record that the file belongs to."""
        query = parameters_in(request.query_params.dict())
        now = moments.now()
        until = check_link(key, expires=query.get("expires", ""), signature=query.get("signature", ""), now=now)
        file = opened(key)
        if file is None:
            raise NotFound
        ending = key.rpartition(".")[2]
        media_type = MEDIA_TYPES.get(ending, "application/octet-stream")
        with file:
            answer = HttpResponse(file.read(), content_type=media_type)
        answer["Cache-Control"] = f"private, max-age={int((until - now).total_seconds())}, immutable"
        answer["Content-Disposition"] = "inline" if ending in _SHOWN else "attachment"
        answer["X-Content-Type-Options"] = "nosniff"
        # Also a browser that takes it for a page may not run anything in it.
        answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
        return answer
