"""PDF files that people send: they look like one from both ends, and like nothing else. CONTRACT §5.

A PDF is not written anew, for no tool does that without losing something of it. So it is never shown on our own
address, only downloaded: what somebody hid in it does not run here.
"""

from __future__ import annotations

import re
import zipfile
from typing import BinaryIO, Final

from tandem.files.checked import CheckedFile, NotTaken, check_size
from tandem.files.images import read_picture

_BEGINS: Final = b"%PDF-"
_BEGIN: Final = re.compile(rb"%PDF-[12]\.[0-9][\r\n ]")
_END: Final = re.compile(rb"startxref\s+[0-9]+\s+%%EOF\s*\Z")
_END_BYTES: Final = 1024
# What browsers and mail programs look for in the first bytes when they guess what a file is.
_PAGE: Final = re.compile(rb"<\s*(?:!doctype|html|head|body|script|svg|iframe)\b", re.IGNORECASE)
_GUESSED_FROM_BYTES: Final = 2048


def read_picture_or_document(file: BinaryIO, *, size: int) -> CheckedFile:
    """A picture, written anew, or a PDF as it is. size: bytes. Raises NotTaken."""
    check_size(size)
    begin = file.read(len(_BEGINS))
    file.seek(0)
    return _document(file) if begin == _BEGINS else read_picture(file, size=size)


def _document(file: BinaryIO) -> CheckedFile:
    content = file.read()
    # Bytes behind the end are where a second file would hide; a ZIP archive is read from its end.
    whole = _BEGIN.match(content) and _END.search(content[-_END_BYTES:])
    if not whole or _PAGE.search(content[:_GUESSED_FROM_BYTES]) or zipfile.is_zipfile(file):
        raise NotTaken("This is not a PDF that can be kept: it is cut off, or something else is in it.")
    return CheckedFile(content, "pdf")
