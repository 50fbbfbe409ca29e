"""The history of records that have attributes and files: events keep keys of files, and links are shown.

A link dies within a day and a history is for ever, so links are made anew for whoever reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Case, F, Q, TextField, When

from tandem.academy.api.answers import links_of, with_links
from tandem.academy.models import Entity
from tandem.academy.models.visible_attributes import FilesOf
from tandem.common.reading.answer import Amended, Answer, Json, Shown
from tandem.common.reading.listing import Listing
from tandem.events.history import EVENT, history_of
from tandem.events.models import Event

_VALUES = ("before", "after")
_WITH_FILES = ["attributes", "list_of_images"]


def _with_links(values: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """files: the names of the attributes that hold files."""
    shown = dict(values)
    if "attributes" in shown:
        shown["attributes"] = with_links(shown["attributes"], files)
    if "list_of_images" in shown:
        shown["list_of_images"] = links_of(keys=shown["list_of_images"])
    return shown


def _amended(key: Shown) -> Shown:
    if not isinstance(key, Json) or key.name not in _VALUES:
        return key
    has_files = Q(**{f"{key.name}__has_any_keys": _WITH_FILES})
    files = Case(When(has_files, then=FilesOf(F("subject_type"))), default=None, output_field=TextField())
    return Amended(key.name, shape=key.shape, told=lambda: files, amend=_with_links)


RECORD_EVENT = Answer(
    "RecordEvent",
    Event,
    [_amended(key) for key in EVENT.shown],
    doc=f"{EVENT.doc} Values look as in the record itself.",
)


def history_of_record(entity: Entity) -> Listing:
    """As `history_of`."""
    plain = history_of(entity.value)
    return Listing(RECORD_EVENT, plain.rows, plain.filters, plain.orders)
