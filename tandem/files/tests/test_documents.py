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


@pytest.mark.parametrize("content", [PDF, PDF.replace(b"\n", b"\r\n"), PDF.replace(b"1.7", b"2.0")])
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
        b"\n" + PDF,
        b"%PDF-1.7\n<html><script>alert(1)</script></html>" + PDF[9:],
        b"%PDF-x\n" + BODY + b"startxref\n9\n%%EOF\n",
        archive_in_a_pdf(),
        b"GIF89a" + PDF,
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"",
        PDF + b" " * MAX_BYTES,
    ],
    ids=["cut off", "tail", "head", "page inside", "no version", "archive inside", "GIF?", "SVG", "empty", "too large"],
)
def test_it_refuses_what_is_something_else_or_half(content: bytes) -> None:
    with pytest.raises(NotTaken):
        taken(content)
