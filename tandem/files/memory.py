"""How much memory reading a picture takes, and how much smaller it has to be kept for that.

The bytes for each pixel are of Pillow's and its libraries' making; the tests measure that they are so.
docs/decisions/0008-pictures.md tells where they come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MEMORY: Final = 140_000_000  # bytes for pixels and the file; 10 MB of the 150 are left for all else

FACTORS: Final = (1, 2, 4, 8)  # by which width and height are divided


@dataclass(frozen=True)
class Cost:
    """What the steps of reading one picture hold at the same time.

    pixels: of the file. read: to decode a pixel, of which `kept` stay. turned: to turn it upright. written: to encode
    it. held: for each pixel of the file while it is decoded, however small. read_beside, written_beside: bytes.
    shrinks_while_read: whether the format can be decoded smaller without ever holding the whole. can_shrink: at all.
    """

    pixels: int
    read: float
    kept: float
    turned: float
    written: float
    held: float = 0
    read_beside: int = 0
    written_beside: int = 0
    shrinks_while_read: bool = False
    can_shrink: bool = True

    def peak(self, factor: int) -> int:
        """Bytes, when width and height are divided by this."""
        left = self.pixels / factor**2
        if self.shrinks_while_read:
            reading = self.held * self.pixels + self.read * left
        elif factor == 1:
            reading = self.read * self.pixels
        else:
            reading = max(self.read * self.pixels, self.kept * (self.pixels + left))
        return int(max(reading + self.read_beside, self.turned * left, self.written * left + self.written_beside))

    def factor(self) -> int | None:
        """The smallest factor with which there is memory for it; None when there is none."""
        factors = FACTORS if self.can_shrink else FACTORS[:1]
        return next((factor for factor in factors if self.peak(factor) <= MEMORY), None)
