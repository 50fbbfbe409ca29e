"""Where files are: under keys `<entity>/<id>/<uuid>.<ending>` in the storage that the setting names. CONTRACT §5.

Nothing of what a sender called a file ends up in its key (keys.py). A key stands in one column of the record that it
belongs to, and attributes of any record may refer to it; a file to which no record points was left by a crash between
storing and committing, and does no harm.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages

from tandem.files.checked import CheckedFile


def files() -> Storage:
    return storages["files"]


@contextmanager
def kept(file: CheckedFile | None, *, entity: str, pk: Any) -> Iterator[str]:
    """Keep a file for the change that is made inside; when that is refused, the file goes away again.

    Gives the key, empty when there is no file. Stands around the action's transaction, for storing may be slow.
    """
    if file is None:
        yield ""
        return
    key = keep(file, entity=entity, pk=pk)
    try:
        yield key
    except BaseException:
        remove(key)
        raise


def keep(file: CheckedFile, *, entity: str, pk: Any) -> str:
    """Store a file and give its key."""
    return files().save(f"{entity}/{pk}/{uuid.uuid4()}.{file.ending}", ContentFile(file.content))


def remove(key: str) -> None:
    """Delete a file; one that is not there is no error."""
    files().delete(key)


def opened(key: str) -> File[Any] | None:
    """The file under a key, to be closed by whoever reads it; None when there is none."""
    try:
        return files().open(key)
    except FileNotFoundError:
        return None
