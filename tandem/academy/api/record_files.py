"""Contract A §11: files of clients, students and leads."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework import serializers

from tandem.academy.access import may
from tandem.academy.actions.files import FileInUse, NoSuchFile, TooManyFiles, add_file, remove_file
from tandem.academy.api.answers import links_of
from tandem.accounts.access import caller
from tandem.common import moments
from tandem.common.endpoint import Endpoint, Request, find, operation
from tandem.common.inputs import Input
from tandem.common.rendering import json_answer
from tandem.files.inputs import PictureOrDocumentField
from tandem.files.keys import key_in
from tandem.files.links import link_to

_LINKS = {"type": "array", "items": {"type": "string"}}
_LEFT = {"type": "object", "properties": {"list_of_images": _LINKS}, "required": ["list_of_images"]}
_SIZE = {"type": "array", "items": {"type": "integer"}, "examples": [[8000, 6000]]}  # width and height
_ADDED = {
    "type": "object",
    "properties": {
        "url": {"type": "string"},
        "list_of_images": _LINKS,
        "scaled_down": {"type": "object", "properties": {"from": _SIZE, "to": _SIZE}, "required": ["from", "to"]},
    },
    "required": ["url", "list_of_images"],
}


class FileIn(Input):
    file = PictureOrDocumentField()


class LinkIn(Input):
    url = serializers.CharField(max_length=2000)


def files_of(resource: Any) -> Any:
    """The view of the files of one kind of record (`records.Resource`)."""
    change = may("change", resource.right)

    class Files(Endpoint):
        shows, rows = resource.answer, staticmethod(lambda viewer: resource.live())

        @operation(change, takes=FileIn, gives=_ADDED, status=201, multipart=True, refuses=[TooManyFiles])
        def post(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
            """Add a picture or a PDF to a record, as the field `file` of a form. `scaled_down`: it is kept smaller."""
            now = moments.now()
            owner, file = find(resource.live(), pk), body["file"]
            key, keys = add_file(resource.entity, owner, file, by=caller(request), now=now)
            told: dict[str, Any] = {"url": link_to(key, now=now), "list_of_images": links_of(keys=keys)}
            if file.shrunk is not None:
                told["scaled_down"] = {"from": list(file.shrunk.was), "to": list(file.shrunk.now)}
            return json_answer(told, status=201)

        @operation(change, takes=LinkIn, gives=_LEFT, refuses=[NoSuchFile, FileInUse])
        def delete(self, request: Request, pk: Any, body: dict[str, Any]) -> HttpResponse:
            """Delete a file of a record; its links die."""
            owner, key = find(resource.live(), pk), key_in(body["url"])
            if key is None:
                raise NoSuchFile
            keys = remove_file(resource.entity, owner, key, by=caller(request), now=moments.now())
            return json_answer({"list_of_images": links_of(keys=keys)})

    return Files.as_view()
