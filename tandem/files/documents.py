"""PDF files that people send: they look like one from both ends, and like nothing else. CONTRACT §5.

A PDF is not written anew, for no tool does that without losing something of it. So it is never shown on our own
address, only downloaded: what somebody hid in it does not run here. Some programs put a byte order mark or empty lines
in front of it, or fill its last block up; where there is nothing but that, nothing can hide.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import BinaryIO, Final

from tandem.files.checked import CheckedFile, NotTaken, check_size
from tandem.files.images import NotAPicture, read_picture

_BEGINS: Final = b"%PDF-"
_BLANK: Final = b"\x00\t\n\x0c\r "  # what the format itself calls white space
_MARK: Final = b"\xef\xbb\xbf"
_IN_FRONT: Final = 1024  # bytes in which readers look for the beginning
_BEGIN: Final = re.compile(rb"%PDF-[12]\.[0-9][\r\n ]")
_END: Final = re.compile(rb"startxref\s+[0-9]+\s+%%EOF\Z")
_END_BYTES: Final = 1024
# What browsers and mail programs look for in the first bytes when they guess what a file is.
_PAGE: Final = re.compile(rb"<\s*(?:!doctype|html|head|body|script|svg|iframe)\b", re.IGNORECASE)
_GUESSED_FROM_BYTES: Final = 2048


def read_picture_or_document(file: BinaryIO, *, size: int) -> CheckedFile:
    """A picture, written anew, or a PDF as it is. size: bytes. Raises NotTaken."""
    check_size(size)
    begin = _bare(file.read(_IN_FRONT + len(_BEGINS)))
    file.seek(0)
    if begin.startswith(_BEGINS):
        return _document(file)
    try:
        return read_picture(file, size=size)
    except NotAPicture:
        raise NotTaken(
            "This is neither a picture that can be read nor a PDF. Send a JPEG, PNG, WebP, GIF or PDF file."
        ) from None


def _bare(content: bytes) -> bytes:
    """Content without what may stand in front of a PDF."""
    return content.removeprefix(_MARK).lstrip(_BLANK)


def _document(file: BinaryIO) -> CheckedFile:
    content = file.read()
    bare = _bare(content).rstrip(_BLANK)
    # Bytes behind the end are where a second file would hide; a ZIP archive is read from its end.
    whole = _BEGIN.match(bare) and _END.search(bare[-_END_BYTES:])
    is_archive = zipfile.is_zipfile(file) or zipfile.is_zipfile(io.BytesIO(bare))
    if not whole or _PAGE.search(bare[:_GUESSED_FROM_BYTES]) or is_archive:
        raise NotTaken("This is not a PDF that can be kept: it is cut off, or something else is in it.")
    return CheckedFile(content, "pdf")
