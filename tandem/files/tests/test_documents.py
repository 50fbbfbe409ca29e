"""What is taken for a PDF."""

from __future__ import annotations

import io
import zipfile

import pytest
from PIL import Image

from tandem.files.checked import MAX_BYTES, NotTaken
from tandem.files.documents import read_picture_or_document

BODY = b"1 0 obj\n<< /Type /Catalog >>\nendobj\nxref\n0 1\n0000000000 65535 f \ntrailer << /Root 1 0 R >>\n"
PDF = b"%PDF-1.7\n" + BODY + b"startxref\n9\n%%EOF\n"


def archive_in_a_pdf() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("evil.txt", "x")
        archive.comment = b"startxref\n9\n%%EOF\n"
    return b"%PDF-1.7\n" + BODY + written.getvalue()


def taken(content: bytes) -> str:
    return read_picture_or_document(io.BytesIO(content), size=len(content)).ending


BLANK = b"\x00\t\n\x0c\r "
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    "content",
    [
        PDF,
        PDF.replace(b"\n", b"\r\n"),
        PDF.replace(b"1.7", b"2.0"),
        PDF.rstrip(),
        PDF + b"\r\n\r\n",
        PDF + b"\0" * 100_000,
        PDF + BLANK * 1000,
        b"\n" + PDF,
        BLANK * 100 + PDF,
        BOM + PDF,
        BOM + b"\r\n" + PDF + b"\0\n",
    ],
    ids=[
        *("plain", "Windows", "2.0", "no last line end", "empty lines", "filled up with NULs", "blanks of all kinds"),
        *("line in front", "blanks in front", "mark in front", "mark and line in front"),
    ],
)
def test_it_takes_a_pdf_as_it_is(content: bytes) -> None:
    assert taken(content) == "pdf"
    assert read_picture_or_document(io.BytesIO(content), size=len(content)).content == content


def test_it_takes_pictures_too() -> None:
    written = io.BytesIO()
    Image.new("RGB", (2, 2)).save(written, "PNG")
    assert taken(written.getvalue()) == "png"


@pytest.mark.parametrize(
    "content",
    [
        PDF[:-8],
        PDF + b"<script>alert(1)</script>",
        PDF + b"\0" * 2000 + b"x",
        PDF + b"\xa0",
        PDF + b"\n" + b"PK\x05\x06" + b"\0" * 18,
        b"x" + PDF,
        b"\n" * 2000 + PDF,
        b"\n" + BOM + PDF,
        BOM + BOM + PDF,
        BLANK + b"<html>" + PDF,
        b"\n" * 1000 + b"%PDF-1.7\n" + b"%" + b" " * 1500 + b"<script>" + PDF[9:],
        b"%PDF-1.7\n<html><script>alert(1)</script></html>" + PDF[9:],
        b"%PDF-x\n" + BODY + b"startxref\n9\n%%EOF\n",
        archive_in_a_pdf(),
        archive_in_a_pdf() + b"\0" * 70_000,
        BOM + archive_in_a_pdf(),
        b"GIF89a" + PDF,
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"",
        PDF + b" " * MAX_BYTES,
    ],
    ids=[
        *("cut off", "tail", "tail behind NULs", "another blank", "archive of nothing behind it"),
        *("head", "too far from the beginning", "mark behind a line", "two marks", "page in front"),
        *("page inside behind blanks", "page inside", "no version", "archive inside", "archive and NULs"),
        *("mark and archive", "GIF?", "SVG", "empty", "too large"),
    ],
)
def test_it_refuses_what_is_something_else_or_half(content: bytes) -> None:
    with pytest.raises(NotTaken, match=r"PDF|too large"):
        taken(content)


def test_a_picture_that_is_too_much_is_told_what_to_do_about_it() -> None:
    written = io.BytesIO()
    Image.new("1", (10_000, 5_100)).save(written, "PNG")
    with pytest.raises(NotTaken, match="at most 50 megapixels"):
        taken(written.getvalue())
