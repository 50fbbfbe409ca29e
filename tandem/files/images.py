"""Pictures that people send: what they are is read from their content, and they are written anew. CONTRACT §5.

Decoding and encoding again drops everything that is not picture: place and camera in the metadata, a script behind
the last pixel, a second file in the same bytes. A picture for which there is not memory enough is kept smaller.
"""

from __future__ import annotations

import io
import itertools
import threading
from typing import BinaryIO, Final

from PIL import Image, JpegImagePlugin, PngImagePlugin

from tandem.files import webp
from tandem.files.checked import CheckedFile, NotTaken, Shrunk, check_size
from tandem.files.memory import Cost

MAX_PIXELS: Final = 50_000_000
MAX_SIDE: Final = 65_535  # pixels, as many as a JPEG can have; encoders hold several rows as a whole

# Pillow's name of the format → the ending of the stored key. MPO is what many phones call a JPEG with a second picture.
ENDINGS: Final = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_QUALITY: Final = 85  # of JPEG and WebP: no difference that the eye sees, a third of the bytes of 95
# How hard the WebP encoder tries. A step more takes half as much memory again and twice the time, for 4 % of the bytes.
_WEBP_METHOD: Final = {"RGBX": 2, "RGB": 2, "RGBA": 0}

# Pillow would keep 64 MB of texts that a PNG holds beside its picture, and that are dropped here anyway.
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 1024 * 1024

_ORIENTATION: Final = 0x0112
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TELL_HOW_HELD: Final = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
_SIDEWAYS: Final = (5, 6, 7, 8)
_PIECE: Final = 1024  # pixels, of both sides
_BYTES: Final = {"1": 1, "L": 1, "P": 1, "I;16": 2}  # for each pixel in Pillow's memory; all other modes have 4
_CANNOT_SHRINK: Final = ("1", "P", "I;16")


# Uploads arrive in several threads of a process, and a storm of large pictures must not take the memory of all others.
_one_at_a_time = threading.Lock()


class NotAPicture(NotTaken):
    """It cannot be read."""


class TooManyPixels(NotTaken):
    pass


class Picture(CheckedFile):
    """A picture that is safe to keep and to show."""


def read_picture(file: BinaryIO, *, size: int) -> Picture:
    """Check a file and write it anew: upright, without metadata; of a moving picture the first frame.

    size: bytes. Raises NotTaken. Takes up to some seconds and 150 MB, and waits for other pictures that this process
    reads, so it has no place in a transaction.
    """
    check_size(size)
    try:
        with _one_at_a_time, Image.open(file, formats=["JPEG", "PNG", "WEBP", "GIF"]) as opened:
            if opened.width * opened.height > MAX_PIXELS or max(opened.size) > MAX_SIDE:
                raise _too_many_pixels()
            kind = "JPEG" if opened.format == "MPO" else opened.format or ""
            if kind == "WEBP":
                file.seek(0)
                return _read_webp(opened, file.read())
            return _read_jpeg(opened, file, size) if kind == "JPEG" else _read_whole(opened, kind, size)
    except NotTaken:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception:
        # Decoders meet whatever bytes somebody made up, and say so in many ways: OSError, SyntaxError, struct.error…
        raise NotAPicture("This is not a picture that can be read. Send a JPEG, PNG, WebP or GIF file.") from None


def _read_jpeg(opened: Image.Image, file: BinaryIO, size: int) -> Picture:
    """A JPEG can be decoded at a half, a quarter, an eighth of its width and height without ever holding the whole."""
    held = _held_while_read(opened, file)
    held_as = _held_as(opened)
    bands = len(opened.getbands())
    kept = 1 if bands == 1 else 4
    cost = Cost(
        opened.width * opened.height,
        read=8 if bands == 4 else kept,  # that of a print shop is also turned into RGB
        kept=kept,
        turned=_to_turn("L" if bands == 1 else "RGB", held_as),
        written=kept,
        held=held,
        written_beside=2 * size,
        shrinks_while_read=True,
    )
    was, factor = opened.size, _factor(cost, "JPEG")
    if factor > 1:
        opened.draft(None, (opened.width // factor, opened.height // factor))
    opened.load()
    plain = opened
    if opened.mode not in ("L", "RGB"):
        plain = opened.convert("RGB")
        _let_go(opened)
    return _written(_turned(plain, held_as), "JPEG", was, held_as)


def _read_webp(opened: Image.Image, content: bytes) -> Picture:
    see_through, was = opened.mode == "RGBA", opened.size
    held_as = _held_as(opened)
    kind = webp.kind_of(content)
    direct = webp.can_decode(kind)
    cost = Cost(
        was[0] * was[1],
        read=20 if not direct else 4.5 if kind == webp.STILL_LOSSY else 9.8,
        kept=4.2,
        turned=_to_turn("RGBA", held_as),
        written=36 if see_through else 10,  # how much shines through each pixel is packed without loss
        read_beside=len(content),
        written_beside=len(content),
    )
    factor = _factor(cost, "WebP")
    picture = opened
    if direct:
        opened._decoder = None  # type: ignore[attr-defined]  # it has a copy of the file
        picture = webp.decoded(content, was, see_through=see_through)
    else:
        opened.load()
        opened._decoder = None  # type: ignore[attr-defined]  # its canvases are two thirds of the memory
    return _written(_turned(_shrunk(picture, factor), held_as), "WEBP", was, held_as)


def _read_whole(opened: Image.Image, kind: str, size: int) -> Picture:
    """A PNG or GIF, which are decoded as a whole."""
    was = opened.size
    is_told = any(name in opened.info for name in _TELL_HOW_HELD)
    held_as = _held_as(opened) if is_told else 1
    _factor(_cost_of_whole(opened, kind, size, held_as=held_as), kind)
    opened.load()
    if not is_told:  # it may stand behind the pixels
        held_as = _held_as(opened)
    factor = _factor(_cost_of_whole(opened, kind, size, held_as=held_as), kind)
    return _written(_turned(_shrunk(opened, factor), held_as), kind, was, held_as)


def _cost_of_whole(opened: Image.Image, kind: str, size: int, *, held_as: int) -> Cost:
    kept = _BYTES.get(opened.mode, 4)
    return Cost(
        opened.width * opened.height,
        read=kept,
        kept=kept,
        turned=_to_turn(opened.mode, held_as),
        read_beside=size,  # what else is in a PNG
        written=kept * 2 if kind == "GIF" else kept,
        written_beside=2 * size,
        can_shrink=opened.mode not in _CANNOT_SHRINK,
    )


def _factor(cost: Cost, kind: str) -> int:
    factor = cost.factor()
    if factor is None:
        raise TooManyPixels(
            f"This picture has too many pixels for its format ({kind}). Send it smaller, or as a JPEG that is not "
            "progressive, please."
        )
    return factor


def _held_while_read(opened: Image.Image, file: BinaryIO) -> float:
    """Bytes for each pixel of a JPEG that comes in several scans: all of them are held until the last has come.

    Two for each value, of which there are few for colours. Most such files are progressive.
    """
    layers = [(across, down) for _, across, down, _ in opened.layer]  # type: ignore[attr-defined]
    if "progressive" not in opened.info and _layers_of_first_scan(file) == len(layers):
        return 0
    widest, highest = max(across for across, _ in layers), max(down for _, down in layers)
    return sum(2 * across * down / (widest * highest) for across, down in layers)


def _layers_of_first_scan(file: BinaryIO) -> int:
    """How many layers (brightness, colours) of a JPEG come in its first scan; 0 for what is odd."""
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] == 0xFF:  # a filler in front of a marker
            file.seek(-3, io.SEEK_CUR)
        elif head[1] == 0xDA:
            return (file.read(1) or b"\0")[0]
        else:
            file.seek(int.from_bytes(head[2:], "big") - 2, io.SEEK_CUR)
    return 0


def _held_as(opened: Image.Image) -> int:
    """How the camera was held, a key of _UPRIGHT or anything else; what tells it is dropped."""
    found = opened.getexif().get(_ORIENTATION, 1)
    _forget(opened)
    return found if isinstance(found, int) else 1


def _to_turn(mode: str, held_as: int) -> int:
    """Bytes for each pixel that turning upright takes."""
    if held_as not in _UPRIGHT:
        return 0
    return 7 if mode == "RGB" else 2 * _BYTES.get(mode, 4)


def _turned(picture: Image.Image, held_as: int) -> Image.Image:
    """The picture upright; the given one is used up."""
    turn = _UPRIGHT.get(held_as)
    if turn is None:
        return picture
    if picture.mode != "RGB":
        upright = picture.transpose(turn)
        _let_go(picture)
        return upright
    # Pillow keeps an unused fourth byte for each pixel: colour by colour it takes seven bytes, and as a whole eight.
    bands = list(picture.split())
    _let_go(picture)
    for n in range(len(bands)):
        bands[n] = bands[n].transpose(turn)
    return Image.merge("RGB", bands)


def _shrunk(picture: Image.Image, factor: int) -> Image.Image:
    """The picture with its width and height divided; the given one is used up."""
    if factor == 1:
        return picture
    # Piece by piece, for what is see-through is copied once more on its way.
    width, height = picture.size
    smaller = Image.new(picture.mode, (-(-width // factor), -(-height // factor)))
    for top, left in itertools.product(range(0, height, _PIECE), range(0, width, _PIECE)):
        piece = picture.crop((left, top, min(left + _PIECE, width), min(top + _PIECE, height)))
        smaller.paste(piece.reduce(factor), (left // factor, top // factor))
    _let_go(picture)
    return smaller


def _written(picture: Image.Image, kind: str, was: tuple[int, int], held_as: int) -> Picture:
    """was: the size of the file as it came, before it was turned."""
    _forget(picture)
    options = {"quality": _QUALITY} if kind in ("JPEG", "WEBP") else {}
    if kind == "WEBP":
        options["method"] = _WEBP_METHOD.get(picture.mode, 0)
    written = io.BytesIO()
    picture.save(written, kind, **options)
    upright = was[::-1] if held_as in _SIDEWAYS else was
    shrunk = Shrunk(upright, picture.size) if picture.size != upright else None
    _let_go(picture)
    return Picture(written.getvalue(), ENDINGS[kind], shrunk)


def _forget(picture: Image.Image) -> None:
    """Drop metadata: Pillow's writers take comments and colour profiles from here without being asked."""
    picture.info = {name: value for name, value in picture.info.items() if name in ("transparency", "interlace")}
    picture._exif = None
    if isinstance(picture, JpegImagePlugin.JpegImageFile):
        picture.app, picture.applist = {}, []


def _let_go(picture: Image.Image) -> None:
    """Free the memory of a picture, whoever still holds it. The file that it came from stays open."""
    Image.Image.close(picture)


def _too_many_pixels() -> TooManyPixels:
    return TooManyPixels(
        f"This picture has too many pixels: at most {MAX_PIXELS // 1_000_000} megapixels, {MAX_SIDE} on a side, please."
    )
