"""Pictures that people send: what they are is read from their content, and they are written anew. CONTRACT §5.

Decoding and encoding again drops everything that is not picture: place and camera in the metadata, a script behind
the last pixel, a second file in the same bytes.
"""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from PIL import Image, ImageOps

from tandem.files.checked import CheckedFile, NotTaken, check_size

MAX_PIXELS: Final = 50_000_000

# What reading one picture may take at its peak, decoded and turned upright. A JPEG that would take more is read at half
# its width and height, which its format allows without ever holding the whole; the other formats do not.
MEMORY: Final = 128_000_000  # bytes
_WEBP_BYTES: Final = 20  # per pixel: the decoder holds two canvases and hands out a third

# Pillow's name of the format → the ending of the stored key. MPO is what many phones call a JPEG with a second picture.
ENDINGS: Final = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_QUALITY: Final = 85  # of JPEG and WebP: no difference that the eye sees, a third of the bytes of 95


class NotAPicture(NotTaken):
    pass


class Picture(CheckedFile):
    """A picture that is safe to keep and to show."""


def read_picture(file: BinaryIO, *, size: int) -> Picture:
    """Check a file and write it anew: upright, without metadata; of a moving picture the first frame.

    size: bytes. Raises NotTaken. Takes up to some seconds and 150 MB, so it has no place in a transaction.
    """
    check_size(size)
    try:
        with Image.open(file, formats=["JPEG", "PNG", "WEBP", "GIF"]) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _too_many_pixels()
            return _written_anew(opened)
    except NotTaken:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception:
        # Decoders meet whatever bytes somebody made up, and say so in many ways: OSError, SyntaxError, struct.error…
        raise NotAPicture("This is not a picture that can be read. Send a JPEG, PNG, WebP or GIF file.") from None


def _written_anew(opened: Image.Image) -> Picture:
    kind = "JPEG" if opened.format == "MPO" else opened.format or ""
    scale = _scale(opened, kind)
    if scale > 1:
        opened.draft(None, (opened.width // scale, opened.height // scale))
    opened.load()
    if kind == "WEBP":
        opened._decoder = None  # type: ignore[attr-defined]  # its canvases are two thirds of the memory
    ImageOps.exif_transpose(opened, in_place=True)  # in place: no second copy of what stands upright already
    # Pillow's writers take comments and colour profiles from here without being asked.
    opened.info = {name: value for name, value in opened.info.items() if name == "transparency"}
    fits = kind != "JPEG" or opened.mode in ("L", "RGB")
    written = io.BytesIO()
    options = {"quality": _QUALITY} if kind in ("JPEG", "WEBP") else {}
    (opened if fits else opened.convert("RGB")).save(written, kind, **options)
    return Picture(written.getvalue(), ENDINGS[kind])


def _scale(opened: Image.Image, kind: str) -> int:
    """1, or 2, 4, 8 for a JPEG that has to be read smaller. Raises NotAPicture when there is no memory for it."""
    pixels = opened.width * opened.height
    for scale in (1, 2, 4, 8) if kind == "JPEG" else (1,):
        if _peak(opened, kind, pixels, scale) <= MEMORY:
            return scale
    raise NotAPicture(
        f"This picture has too many pixels for its format ({kind}). Send it smaller, or as a plain JPEG, please."
    )


def _peak(opened: Image.Image, kind: str, pixels: int, scale: int) -> int:
    """Bytes that reading takes, from what the file's header says; the test measures that it is so."""
    read = pixels // scale**2
    if kind == "WEBP":
        return read * _WEBP_BYTES
    if kind == "JPEG":
        bands = len(opened.getbands())
        # A progressive JPEG is held whole, two bytes for each value, until its last scan has come.
        held = pixels * bands * 2 if "progressive" in opened.info else 0
        return max(held + read * 4, read * (8 if bands < 4 else 12))  # of print shops: also turned into RGB
    # Twice, for one copy stands upright.
    return read * 2 * {"1": 1, "L": 1, "P": 1, "I;16": 2}.get(opened.mode, 4)


def _too_many_pixels() -> NotAPicture:
    return NotAPicture(f"This picture has too many pixels: at most {MAX_PIXELS // 1_000_000} megapixels, please.")
