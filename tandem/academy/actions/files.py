"""Adding and removing the files of a record. Contract A §11; CONTRACT §5."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from tandem.academy.actions.records import lock
from tandem.academy.models import Entity
from tandem.academy.models.record import Described
from tandem.academy.queries import records_with_file
from tandem.accounts.models import User
from tandem.common.errors import Conflict, NotFound
from tandem.events.record import record
from tandem.files.checked import CheckedFile
from tandem.files.storage import kept, remove

MOST_FILES = 500  # of one record; its keys are read with it
_SHOWN = "list_of_images"


class NoSuchFile(NotFound):
    code = "no_such_file"
    message = "This record has no such file."


class FileInUse(Conflict):
    code = "file_in_use"
    message = "Records hold this file in an attribute. Give these records another value first."


class TooManyFiles(Conflict):
    code = "too_many_files"
    message = f"A record can have {MOST_FILES} files. Delete some first."


def add_file(entity: Entity, owner: Described, file: CheckedFile, *, by: User, now: datetime) -> tuple[str, list[str]]:
    """Store a file and add it to a record. Gives its key, and the keys of all files of the record.

    The file is stored before the action's transaction begins, for that may be slow. Three queries. Raises
    TooManyFiles, and NotFound when the record is deleted meanwhile; then the file is gone too.
    """
    with kept(file, entity=entity.value, pk=owner.pk) as key, transaction.atomic():
        locked = lock(type(owner), owner.pk)
        if len(locked.images) >= MOST_FILES:
            raise TooManyFiles
        _write(entity, locked, [*locked.images, key], by=by, now=now)
    return key, locked.images


def remove_file(entity: Entity, owner: Described, key: str, *, by: User, now: datetime) -> list[str]:
    """Remove a file from a record, and from the storage once that is committed. Gives the keys that stay.

    Four queries, and one for each attribute of type file. Raises NoSuchFile, FileInUse, and NotFound when the record is
    deleted meanwhile.
    """
    with transaction.atomic():
        locked = lock(type(owner), owner.pk)
        if key not in locked.images:
            raise NoSuchFile
        if count := records_with_file(key):
            raise FileInUse(count=count)
        rest = [other for other in locked.images if other != key]
        _write(entity, locked, rest, by=by, now=now)
        # A storage that is away leaves a file behind to which nothing points; the record is right all the same.
        transaction.on_commit(lambda: remove(key), robust=True)
    return rest


def _write(entity: Entity, locked: Described, keys: list[str], *, by: User, now: datetime) -> None:
    """The event keeps the keys of all files before and after; whoever shows it makes links of them."""
    before = locked.images
    locked.images, locked.updated_at = keys, now
    locked.save(update_fields=["images", "updated_at"])
    told = {"before": {_SHOWN: before}, "after": {_SHOWN: keys}}
    record(f"{entity.value}.updated", subject=locked, actor=by, at=now, **told)
