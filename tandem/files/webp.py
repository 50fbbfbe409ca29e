"""Decoding WebP without the copies that Pillow makes: four bytes a pixel instead of sixteen.

Pillow decodes every WebP file as if it were moving: two canvases, a third copy that is handed out, and a fourth that
becomes the picture. The library beneath it decodes a still one straight into the memory of the picture. It is the very
library that Pillow uses, found through Pillow, so there is nothing to install and nothing that could differ from it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from PIL import Image

STILL_LOSSY, STILL_LOSSLESS, STILL_SEE_THROUGH, MOVING = b"VP8 ", b"VP8L", b"ALPH", b"ANMF"


def kind_of(content: bytes) -> bytes:
    """Which of the four it is, for content that Pillow could open: the name of its first chunk that tells. What is odd
    counts as MOVING."""
    at = 12  # behind "RIFF", a length, "WEBP"
    while at + 8 <= len(content):
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name in (STILL_LOSSY, STILL_LOSSLESS, STILL_SEE_THROUGH, MOVING):
            return name
        at += 8 + length + length % 2
    return MOVING


def can_decode(kind: bytes) -> bool:
    return kind != MOVING and _decoder() is not None


def decoded(content: bytes, size: tuple[int, int], *, see_through: bool) -> Image.Image:
    """A still picture of this size. `can_decode` has said that it can be. Raises ValueError for a broken one."""
    width, height = size
    pixels = bytearray(width * height * 4)
    decode = _decoder()
    assert decode is not None
    place = (ctypes.c_char * len(pixels)).from_buffer(pixels)
    if not decode(content, len(content), place, len(pixels), width * 4):
        raise ValueError("broken WebP")
    mode = "RGBA" if see_through else "RGBX"
    return Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)  # no copy


@cache
def _decoder() -> Any:
    """`WebPDecodeRGBAInto` of libwebp; None where Pillow was built in a way that hides it."""
    try:
        from PIL import _webp

        decode = ctypes.CDLL(_webp.__file__).WebPDecodeRGBAInto
    except (ImportError, OSError, AttributeError):
        return None
    decode.restype = ctypes.c_void_p
    decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return decode
