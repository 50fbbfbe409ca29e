"""What is taken for a picture, and what is left of it."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tandem.files.checked import MAX_BYTES, NotTaken
from tandem.files.images import Picture, read_picture


def picture(kind: str, *, mode: str = "RGB", size: tuple[int, int] = (6, 4), **options: object) -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, 0 if mode in ("L", "P", "I;16") else "red").save(written, kind, **options)
    return written.getvalue()


def read(content: bytes) -> Picture:
    return read_picture(io.BytesIO(content), size=len(content))


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def exif(*, orientation: int) -> bytes:
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x010F] = "Secret camera"
    data.get_ifd(0x8825)[1] = "N"  # where it was taken
    return data.tobytes()


@pytest.mark.parametrize(
    ("content", "ending", "kind"),
    [
        (picture("JPEG"), "jpg", "JPEG"),
        (picture("JPEG", mode="L"), "jpg", "JPEG"),
        (picture("JPEG", mode="CMYK"), "jpg", "JPEG"),
        (picture("MPO", save_all=True, append_images=[Image.new("RGB", (6, 4))]), "jpg", "JPEG"),
        (picture("PNG", mode="RGBA"), "png", "PNG"),
        (picture("PNG", mode="I;16"), "png", "PNG"),
        (picture("WEBP"), "webp", "WEBP"),
        (picture("GIF", mode="P"), "gif", "GIF"),
    ],
    ids=["JPEG", "grey JPEG", "JPEG of a print shop", "phone's double JPEG", "PNG", "deep PNG", "WebP", "GIF"],
)
def test_it_takes_the_four_kinds(content: bytes, ending: str, kind: str) -> None:
    taken = read(content)
    assert taken.ending == ending
    with opened(taken.content) as again:
        assert (again.format, again.size) == (kind, (6, 4))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_leaves_no_metadata(kind: str) -> None:
    content = picture(kind, exif=exif(orientation=1), icc_profile=b"Secret profile", comment=b"Secret comment")
    assert b"Secret" in content
    taken = read(content)
    assert b"Secret" not in taken.content
    assert not dict(opened(taken.content).getexif())


def test_it_turns_a_picture_upright_before_it_forgets_how_it_was_held() -> None:
    taken = read(picture("JPEG", size=(6, 4), exif=exif(orientation=6)))
    assert opened(taken.content).size == (4, 6)


def test_a_see_through_colour_stays_see_through() -> None:
    taken = read(picture("PNG", mode="P", transparency=0))
    assert opened(taken.content).convert("RGBA").getpixel((0, 0))[3] == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_what_hides_behind_the_last_pixel_is_gone(kind: str) -> None:
    taken = read(picture(kind) + b"<script>alert(1)</script>PK\x03\x04")
    assert b"script" not in taken.content
    assert b"PK" not in taken.content


def test_of_a_moving_picture_the_first_frame_is_kept() -> None:
    taken = read(picture("GIF", save_all=True, append_images=[Image.new("RGB", (6, 4), "blue")]))
    assert opened(taken.content).n_frames == 1


def test_a_very_large_photo_is_halved() -> None:
    taken = read(picture("JPEG", mode="L", size=(5000, 4000)))
    assert opened(taken.content).size == (2500, 2000)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a picture"),
        (b"hello", "not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "not a picture"),
        (b"<!doctype html><script>alert(1)</script>", "not a picture"),
        (b"%PDF-1.7\n", "not a picture"),
        (b"GIF89a<script>alert(1)</script>", "not a picture"),
        (picture("BMP"), "not a picture"),
        (picture("TIFF"), "not a picture"),
        (picture("PNG", size=(600, 400))[:-200], "not a picture"),
        (picture("JPEG", size=(600, 400))[:-200], "not a picture"),
        (bomb(10_000, 5_001), "too many pixels"),
        (bomb(10_000, 10_000), "too many pixels"),
        (bomb(100_000, 100_000), "too many pixels"),
        (picture("PNG") + b"\0" * MAX_BYTES, "too large"),
    ],
    ids=[
        *("empty", "text", "SVG", "HTML", "PDF", "script as GIF", "BMP", "TIFF", "cut PNG", "cut JPEG"),
        *("50 megapixels and a few", "100 megapixels", "10,000 megapixels", "over 10 MiB"),
    ],
)
def test_it_refuses_what_is_no_picture_or_too_much_of_one(content: bytes, says: str) -> None:
    with pytest.raises(NotTaken, match=says):
        read(content)


_MEASURED = """
import resource, sys
from tandem.files.checked import NotTaken
from tandem.files.images import read_picture

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

path, size = sys.argv[1], int(sys.argv[2])
before = peak()
with open(path, "rb") as file:
    try:
        read_picture(file, size=size)
        taken = True
    except NotTaken:
        taken = False
print(taken, (peak() - before) // 1_000_000)
"""
SIDEWAYS = exif(orientation=6)


@pytest.mark.processes
@pytest.mark.parametrize(
    ("kind", "mode", "megapixels", "options", "is_taken"),
    [
        ("JPEG", "RGB", 49.9, {"exif": SIDEWAYS}, True),
        ("JPEG", "RGB", 20.9, {"exif": SIDEWAYS, "progressive": True}, True),
        ("JPEG", "RGB", 49.9, {"progressive": True}, False),
        ("PNG", "RGBA", 15.9, {"exif": SIDEWAYS}, True),
        ("PNG", "RGBA", 16.1, {}, False),
        ("PNG", "L", 49.9, {"exif": SIDEWAYS}, True),
        ("WEBP", "RGBA", 6.3, {"exif": SIDEWAYS, "lossless": True, "method": 0}, True),
        ("WEBP", "RGB", 49.9, {"method": 0}, False),
        ("GIF", "P", 49.9, {}, True),
    ],
)
def test_reading_takes_less_than_150_megabytes(
    tmp_path: Path, kind: str, mode: str, megapixels: float, options: dict[str, object], is_taken: bool
) -> None:
    path = tmp_path / "picture"
    Image.new(mode, (4000, int(megapixels * 250))).save(path, kind, **options)
    # In a process of its own, for a process remembers its highest peak for ever.
    command = [sys.executable, "-c", _MEASURED, str(path), str(path.stat().st_size)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert printed[0] == str(is_taken)
    assert int(printed[1]) < 150
