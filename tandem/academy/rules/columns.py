"""Tables of records: which column of a file means what, and how an attribute's value looks in a cell.

What is written by `cell_of` is read by `value_of` as the same value, for every type of attribute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tandem.academy.rules.attributes import BOOLEAN, LIST, NUMBER
from tandem.common.errors import Invalid

PREFIX: Final = "attributes."


@dataclass(frozen=True)
class Column:
    """key: what the header of an export says. is_shown_only: an import ignores it.

    name, label, type: of the attribute that it holds, by the first two of which people may call it; "" for a field that
    every record has.
    """

    key: str
    name: str = ""
    label: str = ""
    type: str = ""
    is_shown_only: bool = False


def attribute_columns(attributes: Sequence[tuple[str, str, str]]) -> list[Column]:
    """attributes: (name, label, type) of each."""
    return [Column(f"{PREFIX}{name}", name, label, type) for name, label, type in attributes]


@dataclass(frozen=True)
class Mapped:
    """at: position in the row → column. ignored: headers that mean nothing here. width: cells up to the last header."""

    at: Mapping[int, Column]
    ignored: Sequence[str]
    width: int


def mapped(header: Sequence[str], columns: Sequence[Column], chosen: Mapping[str, str | None]) -> Mapped:
    """Find out what the columns of a file mean, whatever the case of their headers.

    chosen: header → key, where somebody says so; None or "" leaves a column out. Raises Invalid on `mapping` when that
    names what is not there, and on `file` when two columns mean the same, or one is called as two attributes are.
    """
    known, doubtful = _meanings(columns)
    said = {_folded(name): key for name, key in chosen.items()}
    _check_chosen(said, header, known, doubtful)
    at: dict[int, Column] = {}
    ignored: list[str] = []
    for position, name in enumerate(header):
        key = said.get(_folded(name), name)
        _check_doubtful(key, doubtful, field="file")
        found = known.get(_folded(key)) if key else None
        if found is None or found.is_shown_only:
            if name and found is None:
                ignored.append(name)
            continue
        if found in at.values():
            raise Invalid.on("file", f"More than one column holds `{found.key}`.")
        at[position] = found
    return Mapped(at, ignored, _filled(header))


def _meanings(columns: Sequence[Column]) -> tuple[dict[str, Column], dict[str, list[str]]]:
    """What the headers mean, and labels of more than one attribute with their keys. A name wins over any label."""
    labels: dict[str, list[Column]] = {}
    for column in columns:
        labels.setdefault(_folded(column.label), []).append(column)
    known = {label: called[0] for label, called in labels.items() if len(called) == 1}
    known |= {_folded(column.name): column for column in columns}
    known |= {_folded(column.key): column for column in columns}
    known.pop("", None)
    doubtful = {label: [one.key for one in called] for label, called in labels.items() if label and label not in known}
    return known, doubtful


def _check_doubtful(name: str | None, doubtful: Mapping[str, Sequence[str]], *, field: str) -> None:
    keys = doubtful.get(_folded(name or ""))
    if keys:
        raise Invalid.on(
            field, f'"{name}" is the label of {", ".join(keys)}. Name the column by the key that is meant.'
        )


def check_width(row: Sequence[Any], width: int) -> None:
    """Refuse a row with content behind the last header: an unquoted comma moves what follows into the wrong column.

    width: of the header. Raises Invalid on `non_field_errors`.
    """
    surplus = _filled(row) - width
    if surplus > 0:
        cells = "1 cell" if surplus == 1 else f"{surplus} cells"
        raise Invalid.on(
            "non_field_errors",
            f"This row has {cells} more than the header, which names {width}. Put a text that holds the separator "
            "between quotation marks.",
        )


def _filled(row: Sequence[Any]) -> int:
    """How many cells there are up to the last one that is not empty."""
    return max((place for place, cell in enumerate(row, 1) if str(cell).strip()), default=0)


def _check_chosen(
    said: Mapping[str, str | None],
    header: Sequence[str],
    known: Mapping[str, Column],
    doubtful: Mapping[str, Sequence[str]],
) -> None:
    for key in said.values():
        _check_doubtful(key, doubtful, field="mapping")
    there = {_folded(name) for name in header}
    wrong = [name for name, key in said.items() if name not in there or (key and _folded(key) not in known)]
    if wrong:
        raise Invalid.on("mapping", f"There is no such column, or no such field: {', '.join(wrong[:5])}.")


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def cell_of(type: str, value: Any) -> Any:
    """How the stored value of an attribute stands in a cell; None is an empty one."""
    if type == LIST and not (isinstance(value, str) and value[:1] not in ("[", '"')) and value is not None:
        return json.dumps(value, ensure_ascii=False)  # several options, or one that looks like that
    return value


def value_of(type: str, cell: Any) -> Any:
    """What a cell says of an attribute, to be checked as if a client had sent it."""
    if type == LIST and isinstance(cell, str) and cell[:1] in ("[", '"'):
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    if isinstance(cell, str) or type in (NUMBER, BOOLEAN):
        return cell
    return str(cell).lower() if isinstance(cell, bool) else str(cell)
