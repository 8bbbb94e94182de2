"""How large the first frame of a GIF is, before anything is decoded."""

from __future__ import annotations

from typing import Final

_FRAME: Final = 0x2C
_EXTENSION: Final = 0x21


def gif_extent(data: bytes) -> tuple[int, int]:
    """Return the width and height in pixels that hold both the screen and the first frame.

    A frame may reach past the screen, and Pillow makes room for it while it reads the header (GIF89a, 20).
    Damaged data give the screen's size, or (0, 0) where even that is missing.
    """
    if len(data) < 13:
        return 0, 0
    width, height = _u16(data, 6), _u16(data, 8)
    position = 13 + _table_bytes(data[10])
    while position + 10 <= len(data):
        if data[position] == _FRAME:
            left, top, frame_width, frame_height = (_u16(data, position + at) for at in (1, 3, 5, 7))
            return max(width, left + frame_width), max(height, top + frame_height)
        if data[position] == _EXTENSION:
            position += 2
            while position < len(data) and data[position]:  # sub-blocks, each led by its length
                position += 1 + data[position]
        position += 1
    return width, height


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "little")


def _table_bytes(flags: int) -> int:
    """Return the length of the colour table that the screen's flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
