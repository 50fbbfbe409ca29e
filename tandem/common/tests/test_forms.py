"""Forms with files (multipart/form-data), read as strictly as JSON."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from rest_framework.exceptions import ParseError

from tandem.common.errors import Invalid
from tandem.common.parsing import MOST_IN_A_FORM, StrictMultipart


def read(content: bytes, *, length: int | None = None, media_type: str = MULTIPART_CONTENT) -> Any:
    request = RequestFactory().generic("POST", "/", content, content_type=media_type)
    request.META["CONTENT_LENGTH"] = str(len(content) if length is None else length)
    return StrictMultipart().parse(io.BytesIO(content), media_type, {"request": request})


def form(**fields: Any) -> bytes:
    return encode_multipart(BOUNDARY, fields)


def test_it_reads_texts_and_files() -> None:
    got = read(form(work_detail="Ventil geprüft", image=SimpleUploadedFile("x.jpg", b"pixels")))
    assert (got["work_detail"], got["image"].read(), sorted(got)) == (
        "Ventil geprüft",
        b"pixels",
        ["image", "work_detail"],
    )


def test_whatever_charset_is_claimed_it_is_utf_8() -> None:
    got = read(form(work_detail="Ventil geprüft"), media_type=f"{MULTIPART_CONTENT}; charset=utf-16")
    assert got["work_detail"] == "Ventil geprüft"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (form(a=["1", "2"]), {}),
        (form(a="1")[: -len(f"--{BOUNDARY}--\r\n")] + form(a=SimpleUploadedFile("a", b"x")), {}),
        (form(**{"x\0y": "a"}), {}),
        (form(a="x" * 1_100_000), {}),
        (form(**{f"a{n}": "x" for n in range(1100)}), {}),
        (form(**{f"a{n}": SimpleUploadedFile("a", b"x") for n in range(101)}), {}),
        (b"", {"length": MOST_IN_A_FORM + 1}),
        (form(a="1"), {"media_type": "multipart/form-data"}),
        (form(a="1"), {"media_type": "multipart/form-data; boundary=\xe9"}),
    ],
    ids=[
        *("a text twice", "a text and a file of one name", "NUL in a name", "too much text"),
        *("too many texts", "too many files", "too long", "no boundary", "a boundary that is not ASCII"),
    ],
)
def test_it_refuses_what_json_would_not_allow_either(content: bytes, options: dict) -> None:
    with pytest.raises(ParseError):
        read(content, **options)


def test_what_is_wrong_in_a_text_is_told_on_its_field() -> None:
    with pytest.raises(Invalid) as refused:
        read(form(a="x\0y"))
    assert refused.value.fields == {"a": ["Null characters are not allowed."]}


def test_bytes_that_are_not_utf_8_are_refused_on_their_field() -> None:
    with pytest.raises(Invalid) as refused:
        read(form(work_detail="lost").replace(b"lost", b"\xff\xfe"))
    assert refused.value.fields == {"work_detail": ["The text is not UTF-8."]}
