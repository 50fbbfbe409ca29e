"""What is taken for a picture, and what is left of it."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from tandem.files import webp
from tandem.files.checked import MAX_BYTES, NotTaken
from tandem.files.images import Picture, read_picture


def picture(kind: str, *, mode: str = "RGB", size: tuple[int, int] = (6, 4), **options: object) -> bytes:
    written = io.BytesIO()
    colour = {"RGB": "red", "CMYK": "red", "RGBA": (255, 0, 0, 200)}.get(mode, 0)
    Image.new(mode, size, colour).save(written, kind, **options)
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
@pytest.mark.parametrize("orientation", range(10))
def test_whichever_way_it_was_held_it_is_turned_as_pillow_would(kind: str, mode: str, orientation: int) -> None:
    """Colours are turned one by one, and WebP is decoded past Pillow: nothing may be lost or swapped on the way."""
    drawn = Image.linear_gradient("L").resize((64, 48))
    drawn = Image.merge("RGBA", [drawn, drawn.rotate(90), drawn.rotate(180), drawn.point(lambda v: 128 + v // 2)])
    if kind == "JPEG" and mode in ("RGBA", "P"):
        mode = "RGB"
    written = io.BytesIO()
    options = {} if kind == "GIF" else {"exif": exif(orientation=orientation)}
    if kind == "WEBP":
        options["lossless"] = True
    drawn.convert(mode).save(written, kind, **options)
    taken = opened(read(written.getvalue()).content).convert("RGBA")
    expected = ImageOps.exif_transpose(opened(written.getvalue())).convert("RGBA")
    assert taken.size == expected.size
    differs = max(ImageStat.Stat(ImageChops.difference(taken, expected)).mean)
    assert differs <= (0 if kind in ("PNG", "GIF") else 6), "what is lossy stays near"


class TestPicturesThatAreKeptSmaller:
    """As far as there is no memory for the whole."""

    @pytest.mark.parametrize(
        ("kind", "mode", "size", "options", "now"),
        [
            ("JPEG", "RGB", (5000, 4000), {}, None),
            ("JPEG", "RGB", (5000, 4000), {"orientation": 6}, None),
            ("JPEG", "RGB", (5000, 4000), {"progressive": True}, None),
            ("JPEG", "RGB", (8660, 5773), {}, (4330, 2887)),
            ("JPEG", "RGB", (8660, 5773), {"orientation": 6}, (2887, 4330)),
            ("JPEG", "RGB", (7000, 5000), {"progressive": True}, (3500, 2500)),
            ("JPEG", "L", (8660, 5773), {"orientation": 6}, None),
            ("PNG", "RGB", (5000, 4000), {"orientation": 6}, None),
            ("PNG", "RGBA", (5000, 4000), {}, None),
            ("PNG", "RGBA", (5000, 4001), {"orientation": 6}, (2001, 2500)),
            ("PNG", "P", (8660, 5773), {"orientation": 6}, None),
            ("WEBP", "RGB", (4000, 3000), {"orientation": 6}, None),
            ("WEBP", "RGB", (6000, 4000), {}, (3000, 2000)),
            ("WEBP", "RGBA", (2000, 1500), {}, None),
            ("WEBP", "RGBA", (4000, 3000), {"orientation": 6}, (1500, 2000)),
        ],
    )
    def test_by_so_much(
        self, kind: str, mode: str, size: tuple[int, int], options: dict[str, Any], now: tuple[int, int] | None
    ) -> None:
        options = dict(options)
        turned = options.get("orientation") == 6
        if "orientation" in options:
            options["exif"] = exif(orientation=options.pop("orientation"))
        if kind == "WEBP":
            options |= {"method": 0, "quality": 10}
        taken = read(picture(kind, mode=mode, size=size, **options))
        upright = size[::-1] if turned else size
        assert opened(taken.content).size == (now or upright)
        assert taken.shrunk == (None if now is None else (upright, now))

    def test_what_it_shows_stays_what_it_was(self) -> None:
        """It is made smaller piece by piece, and the pieces fit together."""
        small = Image.merge("RGBA", [Image.linear_gradient("L").rotate(turn) for turn in (0, 90, 180, 270)])
        written = io.BytesIO()
        small.resize((5001, 4003)).save(written, "PNG", exif=exif(orientation=3))
        taken = opened(read(written.getvalue()).content)
        expected = opened(written.getvalue()).reduce(2).transpose(Image.Transpose.ROTATE_180)
        assert taken.size == expected.size == (2501, 2002)
        assert max(high for _, high in ImageChops.difference(taken, expected).getextrema()) <= 1


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
        (bomb(65_536, 1), "too many pixels"),
        (picture("PNG", mode="RGBA", size=(6000, 6000)), "too many pixels"),
        (picture("JPEG", size=(8000, 6000), progressive=True, subsampling=0, quality=10), "too many pixels"),
        (picture("WEBP", size=(7000, 5000), method=0, quality=10), "too many pixels"),
        (picture("PNG") + b"\0" * MAX_BYTES, "too large"),
    ],
    ids=[
        *("empty", "text", "SVG", "HTML", "PDF", "script as GIF", "BMP", "TIFF", "cut PNG", "cut JPEG"),
        *("50 megapixels and a few", "100 megapixels", "10,000 megapixels", "one very long row"),
        *("36 see-through megapixels", "48 progressive megapixels", "35 megapixels of WebP", "over 10 MiB"),
    ],
)
def test_it_refuses_what_is_no_picture_or_too_much_of_one(content: bytes, says: str) -> None:
    with pytest.raises(NotTaken, match=says):
        read(content)


class TestWebpWithoutTheLibraryBelowPillow:
    """A Pillow that hides it decodes by itself, and takes four times the memory."""

    @pytest.fixture(autouse=True)
    def hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webp, "_decoder", lambda: None)

    def test_it_is_read_all_the_same(self) -> None:
        assert opened(read(picture("WEBP", size=(2000, 1500), exif=exif(orientation=6))).content).size == (1500, 2000)

    def test_the_bound_is_lower(self) -> None:
        with pytest.raises(NotTaken, match="too many pixels"):
            read(picture("WEBP", size=(4000, 3000), method=0, quality=10))


def test_the_library_below_pillow_is_found() -> None:
    assert webp.can_decode(webp.STILL_LOSSY), "or ordinary pictures of phones are refused"


def test_of_a_moving_webp_the_first_frame_is_kept() -> None:
    taken = read(picture("WEBP", save_all=True, append_images=[Image.new("RGB", (6, 4), "blue")]))
    with opened(taken.content) as again:
        assert again.n_frames == 1
        assert again.convert("RGB").getpixel((0, 0))[0] > 200


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}], ids=str)
def test_a_webp_that_is_cut_off_is_refused(mode: str, options: dict[str, Any]) -> None:
    noise = Image.merge(mode, [Image.effect_noise((300, 200), 60) for _ in mode])
    written = io.BytesIO()
    noise.save(written, "WEBP", **options)
    for cut in (1, 100, len(written.getvalue()) // 2):
        with pytest.raises(NotTaken, match="not a picture"):
            read(written.getvalue()[:-cut])
