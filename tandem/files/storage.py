"""Where files are: under keys `<entity>/<id>/<uuid>.<ending>` in the storage that the setting names. CONTRACT §5.

Nothing of what a sender called a file ends up in its key (keys.py). A key stands in one column of the record that it
belongs to, and attributes of any record may refer to it; a file to which no record points was left by a crash between
storing and committing, and does no harm.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages

from tandem.files.checked import CheckedFile

REMOVED = ".removed"  # among the files, for a rename does not leave a disk


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
    """Delete a file; one that is not there is no error. While a backup is made it waits for that, see `kept_back`."""
    storage = files()
    if isinstance(storage, FileSystemStorage):
        try:
            os.rename(storage.path(key), Path(storage.location) / REMOVED / quote(key, safe=""))
        except FileNotFoundError:
            pass
        else:
            return
    storage.delete(key)


@contextmanager
def kept_back(directory: Path) -> Iterator[None]:
    """Let no file in the directory go for good; `removed` gives what was to go meanwhile.

    Whoever removes a file does so once that is committed: when they find no place to move it to, a copy of the
    database that begins later does not name it. What one who was killed left is gone when the next one begins.
    """
    _let_go(directory)
    (directory / REMOVED).mkdir(parents=True, mode=0o700)
    try:
        yield
    finally:
        _let_go(directory)


def _let_go(directory: Path) -> None:
    place, closed = directory / REMOVED, directory / f"{REMOVED}.closed"
    shutil.rmtree(closed, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(place, closed)  # at once, so that nobody adds to what is being emptied
    shutil.rmtree(closed, ignore_errors=True)


def removed(directory: Path) -> dict[str, Path]:
    """The files kept back in the directory, by their keys."""
    return {unquote(file.name): file for file in sorted((directory / REMOVED).iterdir())}


def opened(key: str) -> File[Any] | None:
    """The file under a key, to be closed by whoever reads it; None when there is none."""
    try:
        return files().open(key)
    except FileNotFoundError:
        return None
