"""Reading tables that people made with a spreadsheet: CSV or XLSX, whichever the content is, row by row."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Final

from tandem.common.spreadsheet import original_cell, xlsx_text

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_ROWS: Final = 100_000
MAX_COLUMNS: Final = 300
LONGEST_CELL: Final = 1024 * 1024  # characters

# An XLSX file is a ZIP archive: what it claims to unpack to is checked before anything is unpacked, and no part ever
# gives more than it claims. The reader holds the shared texts in memory, and nothing else as a whole.
MAX_UNPACKED: Final = 200 * 1024 * 1024
MAX_SHARED_TEXTS: Final = 24 * 1024 * 1024
MAX_PARTS: Final = 500

_ZIP: Final = b"PK\x03\x04"

csv.field_size_limit(LONGEST_CELL)

Cell = str | int | float | bool


class NotATable(ValueError):
    """The message says, for a person, why a file cannot be read."""


class Table:
    """A table with a header. Its rows may be read as often as wanted, each time from the content.

    Rows count as a spreadsheet shows them: the header is row 1. Rows without any content are left out. An empty cell
    is ""; a row may be shorter than the header. Days and moments of XLSX are ISO texts.
    """

    def __init__(self, content: bytes) -> None:
        """Raises NotATable."""
        if len(content) > MAX_BYTES:
            raise NotATable(f"This file is too large: at most {MAX_BYTES // 1024 // 1024} MiB, please.")
        self._content = content
        self._is_xlsx = content.startswith(_ZIP)
        if self._is_xlsx:
            _check_archive(content)
        else:
            self._encoding = _encoding_of(content)
        first = next(self._numbered(), None)
        if first is None or first[0] != 1:
            raise NotATable("The first row of the table must name its columns.")
        self.header = [str(cell).strip() for cell in first[1]]

    def rows(self) -> Iterator[tuple[int, list[Cell]]]:
        """(number, cells) of each row below the header. Raises NotATable."""
        for number, cells in self._numbered():
            if number > 1:
                yield number, cells

    def count(self) -> int:
        """How many rows there are below the header. Raises NotATable."""
        return sum(1 for _ in self.rows())

    def _numbered(self) -> Iterator[tuple[int, list[Cell]]]:
        taken = 0
        for number, row in enumerate(self._xlsx() if self._is_xlsx else self._csv(), 1):
            if not any(cell != "" for cell in row):
                continue
            taken += 1
            if taken > MAX_ROWS + 1:
                raise NotATable(f"The table has too many rows: at most {MAX_ROWS}, please.")
            if len(row) > MAX_COLUMNS:
                raise NotATable(f"The table has too many columns: at most {MAX_COLUMNS}, please.")
            yield number, row

    def _csv(self) -> Iterator[list[Cell]]:
        text = io.TextIOWrapper(io.BytesIO(self._content), encoding=self._encoding, newline="")
        begin = text.readline(64 * 1024)
        text.seek(0)
        delimiter = max(",;\t", key=begin.count)
        try:
            for row in csv.reader(text, delimiter=delimiter, strict=True):
                yield [original_cell(cell) for cell in row]
        except csv.Error as broken:
            raise NotATable(f"This CSV file cannot be read: {broken}.") from None

    def _xlsx(self) -> Iterator[list[Cell]]:
        from openpyxl import load_workbook  # see common/spreadsheet.py

        try:
            book = load_workbook(io.BytesIO(self._content), read_only=True, data_only=True, keep_links=False)
            sheet: Any = book.worksheets[0]
            sheet.reset_dimensions()  # what it claims about its size is not to be relied on
            for row in sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS + 1, values_only=True):
                yield _shortened([_plain(value) for value in row])
        except Exception:
            # The reader meets whatever somebody put into the archive, and says so in many ways.
            raise NotATable("This XLSX file cannot be read. Save it anew, or as CSV.") from None


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError):
        raise NotATable("This XLSX file cannot be read. Save it anew, or as CSV.") from None
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        raise NotATable("Send a CSV or XLSX file.")
    unpacked = sum(part.file_size for part in parts)
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED or texts > MAX_SHARED_TEXTS:
        raise NotATable("This XLSX file is too large once it is unpacked. Send it in parts, or as CSV.")


def _encoding_of(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\x00" in content:
        encodings = []
    else:
        encodings = ["utf-8-sig", "cp1252"]  # the second is what Excel in western Europe saves as "CSV"
    for encoding in encodings:
        try:
            if "\x00" not in content.decode(encoding):
                return encoding
        except UnicodeDecodeError:
            continue
    raise NotATable("Send a CSV or XLSX file.")


def _plain(value: Any) -> Cell:
    if value is None:
        return ""
    if isinstance(value, str):
        return original_cell(xlsx_text(value))
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _shortened(row: list[Cell]) -> list[Cell]:
    while row and row[-1] == "":
        row.pop()
    return row
