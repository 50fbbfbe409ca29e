"""Tables for people who open them in a spreadsheet: safe cells, any size in constant memory, never half a file.

A file is written to disk first and sent then. Two reasons. What fails in the middle of a stream ends, behind the WSGI
server, as a shorter file that looks complete; here it is an ordinary error, and the length is known before the first
byte. And a slow client holds a file open, not a database snapshot: on SQLite a long read keeps the write-ahead log from
being emptied.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import IO, Any, cast

from django.conf import settings
from django.http import FileResponse, HttpResponse

from tandem.common.errors import Unprocessable

# An answer up to this size leaves the process in one piece, so that a slow client does not keep it waiting.
IN_ONE_PIECE = 4 * 1024 * 1024  # bytes
_BLOCK = 64 * 1024
_TYPE = "text/csv; charset=utf-8"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LONGEST_XLSX_TEXT = 32_767  # characters of a cell, by Excel's own rule
_ESCAPED_IN_XML = re.compile(r"_x([0-9A-Fa-f]{4})_")
# What XML refuses or changes, and an underscore where a text happens to look like such an escape.
_NOT_IN_XML = re.compile("[\x01-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

_BEGINS_FORMULA = frozenset("=+-@\t\r\n")
_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)*")
# What spreadsheets drop in front of a cell.
_UNSEEN = " \u00a0\u3000\ufeff\u200b\u200e\u200f"


class CellTooLong(Unprocessable):
    code = "cell_too_long"
    message = f"A text has more than {LONGEST_XLSX_TEXT} characters, which XLSX cannot hold. Ask for format=csv."


def safe_cell(text: str) -> str:
    """Text that no spreadsheet runs as a formula: what begins like one gets a leading `'`.

    Full-width and other compatibility forms of `=`, `+`, `-`, `@` count as well. A plain number or phone (`-5`,
    `+9198…`) stays as it is. Source: contract F §3, "Reports".
    """
    if text[:1].isalnum():  # most cells
        return text
    begin = text.lstrip(_UNSEEN)
    if not begin or unicodedata.normalize("NFKC", begin[0])[:1] not in _BEGINS_FORMULA:
        return text
    return text if _PLAIN_NUMBER.fullmatch(begin) else f"'{text}"


def escaped_cell(text: str) -> str:
    """As `safe_cell`, in a form that `original_cell` turns back into exactly this text."""
    return f"'{text}" if _looks_escaped(text) else text


def original_cell(text: str) -> str:
    """The text that `escaped_cell` was given; text that people wrote themselves stays as it is."""
    return text[1:] if text[:1] == "'" and _looks_escaped(text[1:]) else text


def _looks_escaped(text: str) -> bool:
    # A text that begins with ' and a formula gets one more, or it would lose its own on the way back.
    bare = text.lstrip("'")
    return safe_cell(bare) != bare


def csv_answer(filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download in UTF-8. rows: read once, one by one; None is an empty cell. What `rows` raises is raised here."""
    return _answer(filename, _TYPE, lambda file: write_csv(file, header, rows))


def xlsx_answer(filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download for Excel and its kin; as `csv_answer`, but numbers and truth values are such.

    Raises CellTooLong.
    """
    return _answer(filename, XLSX_TYPE, lambda file: write_xlsx(file, header, rows))


def _answer(filename: str, media_type: str, write: Callable[[IO[bytes]], None]) -> HttpResponse:
    file = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115 - closed with the answer
    try:
        write(file)
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size > IN_ONE_PIECE:
            # Django's two kinds of answers are alike in all that anybody asks of them on their way out.
            return cast(HttpResponse, _Download(file, filename=filename, as_attachment=True, content_type=media_type))
        with file:
            answer = HttpResponse(file.read(), content_type=media_type)
        answer["Content-Disposition"] = f'attachment; filename="{filename}"'
        return answer
    except BaseException:
        file.close()
        raise


def write_csv(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text)
    writer.writerow(header)
    for row in rows:
        writer.writerow([safe_cell(cell) if isinstance(cell, str) else cell for cell in row])
    text.flush()
    text.detach()


def write_xlsx(file: IO[bytes], header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Raises CellTooLong."""
    # It brings NumPy along: a sixth of the time that every process takes to start, for what few of them ever do.
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet()

    def shown(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        cell = WriteOnlyCell(sheet)
        cell.value = _xlsx_cell(value)
        cell.data_type = "s"  # or it would take "=" for a formula and "#N/A" for an error
        return cell

    try:
        for row in chain([header], rows):
            sheet.append([shown(value) for value in row])
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # its draft, which would lie on the disk until the process ends
        raise
    book.save(file)


def _xlsx_cell(value: str) -> str:
    text = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0][0]):04X}_{found[0][1:]}", safe_cell(value))
    if len(text) > LONGEST_XLSX_TEXT:
        raise CellTooLong
    return text


def xlsx_text(text: str) -> str:
    """The text of a cell, with the characters that XML cannot hold: `_x000B_` stands for one."""
    return _ESCAPED_IN_XML.sub(_from_xml, text)


def _from_xml(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return found[0] if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)


class _Download(FileResponse):
    block_size = _BLOCK
