"""How much memory reading a picture takes. QUALITY: uploads, less than 150 MB more than before."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tandem.files.checked import MAX_BYTES
from tandem.files.memory import MEMORY, Cost

MEGA = 1_000_000


@pytest.mark.parametrize(
    ("cost", "factor"),
    [
        (Cost(1 * MEGA, read=4, kept=4, turned=0, written=4), 1),
        (Cost(35 * MEGA, read=4, kept=4, turned=0, written=4), 1),
        (Cost(36 * MEGA, read=4, kept=4, turned=0, written=4), None),
        (Cost(20 * MEGA, read=4, kept=4, turned=7, written=4), 1),
        (Cost(21 * MEGA, read=4, kept=4, turned=7, written=4), 2),
        (Cost(30 * MEGA, read=4, kept=4, turned=7, written=4), 4),
        (Cost(20 * MEGA, read=4, kept=4, turned=8, written=4, can_shrink=False), None),
        (Cost(50 * MEGA, read=4, kept=4, turned=7, written=4, shrinks_while_read=True), 2),
        (Cost(50 * MEGA, read=4, kept=4, turned=7, written=4, held=3, shrinks_while_read=True), None),
        (Cost(40 * MEGA, read=4, kept=4, turned=7, written=4, held=3, shrinks_while_read=True), 4),
        (Cost(35 * MEGA, read=4, kept=4, turned=0, written=4, read_beside=1), None),
        (Cost(35 * MEGA, read=4, kept=4, turned=0, written=4, written_beside=1), None),
        (Cost(32 * MEGA, read=4, kept=4, turned=0, written=4, written_beside=13 * MEGA), 4),
    ],
    ids=[
        *("small", "all there is", "more than there is", "turned", "turned when it is smaller", "much smaller"),
        *("cannot be smaller", "smaller from the start", "held as a whole", "held, and just possible"),
        *("beside the reading", "nothing helps", "beside the writing"),
    ],
)
def test_how_much_smaller_a_picture_is_kept(cost: Cost, factor: int | None) -> None:
    assert cost.factor() == factor
    assert factor is None or cost.peak(factor) <= MEMORY


_MEASURED = """
import os, sys, threading
from tandem.files.checked import NotTaken
from tandem.files.images import read_picture

def peak():
    # Not what getrusage tells: that begins with the peak of the process that started this one.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

def read(path, said):
    with open(path, "rb") as file:
        try:
            said.append(read_picture(file, size=os.path.getsize(path)).shrunk)
        except NotTaken as refused:
            said.append(str(refused))

said = []
before = peak()
threads = [threading.Thread(target=read, args=(path, said)) for path in sys.argv[1:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print((peak() - before) // 1_000_000, set(said), sep="\\n")
"""


def measured(*paths: Path) -> tuple[int, str]:
    """Read pictures at the same time, in a process of its own, for a process remembers its highest peak for ever.

    Gives megabytes, and what came of them.
    """
    for path in paths:
        assert path.stat().st_size <= MAX_BYTES, "or it is not even read"
    command = [sys.executable, "-W", "ignore", "-c", _MEASURED, *map(str, paths)]
    took, said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    print(f"{took} MB: {said}")
    return int(took), said


def photo(mode: str, megapixels: float) -> Image.Image:
    """Something that is not packed to nothing."""
    size = (4000, int(megapixels * 250))

    def band() -> Image.Image:
        return Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size, Image.Resampling.BILINEAR)

    if mode in ("L", "P"):
        return band().convert(mode)
    made = Image.merge("RGB", [band() for _ in range(3)])
    if mode == "RGBA":
        made.putalpha(band())
    return made.convert(mode)


def flat(mode: str, megapixels: float) -> Image.Image:
    return Image.new(mode, (4000, int(megapixels * 250)), (200, 10, 30, 100)[: len(mode)] if len(mode) > 2 else 0)


def sideways() -> bytes:
    data = Image.Exif()
    data[0x0112] = 6
    return data.tobytes()


TAKEN, SMALLER, REFUSED = "{None}", "{Shrunk(", "{'This picture has too many pixels"


@pytest.mark.processes
@pytest.mark.any_database
@pytest.mark.parametrize(
    ("kind", "draw", "mode", "megapixels", "options", "said"),
    [
        ("JPEG", photo, "RGB", 49.9, {"exif": sideways()}, SMALLER),
        ("JPEG", photo, "RGB", 20.0, {"exif": sideways()}, TAKEN),
        ("JPEG", photo, "RGB", 30.0, {}, TAKEN),
        ("JPEG", photo, "RGB", 20.0, {"progressive": True}, TAKEN),
        ("JPEG", photo, "RGB", 35.0, {"progressive": True, "quality": 60}, SMALLER),
        ("JPEG", photo, "RGB", 49.9, {"progressive": True, "quality": 50}, REFUSED),
        ("JPEG", photo, "CMYK", 17.0, {"exif": sideways(), "quality": 60}, TAKEN),
        ("PNG", flat, "RGB", 20.0, {"exif": sideways()}, TAKEN),
        ("PNG", flat, "RGBA", 34.0, {}, TAKEN),
        ("PNG", flat, "RGBA", 28.0, {"exif": sideways()}, SMALLER),
        ("PNG", flat, "RGBA", 35.1, {}, REFUSED),
        ("PNG", flat, "L", 49.9, {"exif": sideways()}, TAKEN),
        ("WEBP", photo, "RGB", 12.0, {"exif": sideways(), "method": 0}, TAKEN),
        ("WEBP", photo, "RGB", 24.0, {"exif": sideways(), "method": 0}, SMALLER),
        ("WEBP", photo, "RGBA", 3.7, {"exif": sideways(), "method": 0}, TAKEN),
        ("WEBP", photo, "RGBA", 13.0, {"method": 0, "quality": 30}, SMALLER),
        ("WEBP", flat, "RGBA", 12.0, {"exif": sideways(), "lossless": True, "method": 0}, SMALLER),
        ("WEBP", photo, "RGB", 49.9, {"method": 0, "quality": 30}, REFUSED),
        ("GIF", flat, "P", 49.9, {}, TAKEN),
    ],
)
def test_reading_takes_less_than_150_megabytes(
    tmp_path: Path,
    kind: str,
    draw: Callable[[str, float], Image.Image],
    mode: str,
    megapixels: float,
    options: dict[str, Any],
    said: str,
) -> None:
    path = tmp_path / "picture"
    draw(mode, megapixels).save(path, kind, **options)
    took, told = measured(path)
    assert told.startswith(said)
    assert took < 150


def jpeg_with(marker: int, body: bytes) -> bytes:
    """Twenty sideways megapixels, filled up to 10 MiB with segments of this kind."""
    written = io.BytesIO()
    flat("RGB", 20.0).save(written, "JPEG", exif=sideways())
    content = written.getvalue()
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", 65_535) + body.ljust(65_533, b"x")
    at = content.index(b"\xff\xdb")
    return content[:at] + segment * ((MAX_BYTES - len(content)) // len(segment)) + content[at:]


def jpeg_layer_by_layer() -> bytes:
    """Forty-eight megapixels that are not progressive, and of which each layer comes in a scan of its own."""
    written = io.BytesIO()
    Image.new("L", (8000, 6000), 90).save(written, "JPEG")
    content = written.getvalue()
    frame, scan = content.index(b"\xff\xc0"), content.index(b"\xff\xda")
    layers = b"".join(bytes([layer, 0x11, 0]) for layer in (1, 2, 3))
    three = b"\xff\xc0\0\x11" + content[frame + 4 : frame + 9] + b"\3" + layers
    scans = (content[scan : scan + 5] + bytes([layer]) + content[scan + 6 : -2] for layer in (1, 2, 3))
    return content[:frame] + three + content[frame + 13 : scan] + b"".join(scans) + b"\xff\xd9"


def webp_that_hides_what_shines_through() -> bytes:
    """Twenty-eight see-through megapixels; the flag that says so is not set."""
    written = io.BytesIO()
    flat("RGBA", 28.0).save(written, "WEBP", method=0)
    content = bytearray(written.getvalue())
    assert content[12:16] == b"VP8X"
    content[20] &= 0xEF
    return bytes(content)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """Thirty-two megapixels with these chunks in front of them."""
    written = io.BytesIO()
    flat("RGB", 32.0).save(written, "PNG")
    content = written.getvalue()
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return content[:33] + b"".join(packed) + content[33:]


@pytest.mark.processes
@pytest.mark.any_database
@pytest.mark.parametrize(
    "make",
    [
        lambda: jpeg_with(0xE1, b"Exif\0\0"),
        lambda: jpeg_with(0xE2, b"ICC_PROFILE\0\1\1"),
        lambda: jpeg_with(0xFE, b""),
        jpeg_layer_by_layer,
        webp_that_hides_what_shines_through,
        lambda: png_with((b"eXIf", b"II*\0" + b"x" * 8 * MEGA)),
        lambda: png_with((b"prVt", b"x" * 8 * MEGA)),
        lambda: png_with(*((b"zTXt", b"k%d\0\0" % n + zlib.compress(b"x" * MEGA)) for n in range(60))),
    ],
    ids=[
        *("EXIF", "colour profile", "comments", "layer by layer", "hidden alpha"),
        *("EXIF of a PNG", "private chunk", "packed texts"),
    ],
)
def test_what_somebody_made_up_takes_no_more(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = tmp_path / "picture"
    path.write_bytes(make())
    took, _ = measured(path)
    assert took < 150


@pytest.mark.processes
@pytest.mark.any_database
def test_pictures_that_arrive_together_take_no_more_than_one(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    photo("RGB", 12.0).save(path, "WEBP", method=0, exif=sideways())
    took, told = measured(path, path, path, path)
    assert told == TAKEN
    assert took < 150
