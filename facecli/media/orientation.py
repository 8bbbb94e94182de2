"""Which way up a photo is: the EXIF orientation tag, and the turn that undoes it.

The tag is read here and not by Pillow, because Pillow imports its whole TIFF plugin for it, which costs more
than decoding a small photo, and prints Python warnings about damaged EXIF data.

References
----------
CIPA DC-008 (Exif 2.32), section 4.6.4 A, tag 274.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from PIL import Image

from facecli.types import PixelArray

ORIENTATION_TAG: Final = 0x0112
UPRIGHT: Final = 1

_EXIF_PREFIX: Final = b"Exif\x00\x00"
_SHORT, _LONG = 3, 4  # TIFF field types

_XMP_ORIENTATION: Final = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')

# The same for pixels, after rows and columns changed places for 5 to 8: which values turn the order of rows, and
# which that of columns.
_DOWN: Final = dict.fromkeys((3, 4, 7, 8), -1)
_ACROSS: Final = dict.fromkeys((2, 3, 6, 7), -1)

# What undoes each value of the tag.
_TURN: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_from_exif(exif: bytes) -> int | None:
    """Return the orientation that EXIF data state.

    Parameters
    ----------
    exif : bytes
        A TIFF header and directory, with or without the prefix that JPEG puts in front.

    Returns
    -------
    int or None
        1 to 8; None where the data state none, are damaged or state nonsense.
    """
    tiff = exif.removeprefix(_EXIF_PREFIX)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for index in range(count):
            entry = start + 2 + 12 * index
            tag, kind = struct.unpack_from(f"{order}HH", tiff, entry)
            if tag == ORIENTATION_TAG:
                form = {_SHORT: "H", _LONG: "I"}.get(kind, "B")
                (value,) = struct.unpack_from(f"{order}{form}", tiff, entry + 8)
                return value if 1 <= value <= 8 else None
    except struct.error:  # the directory reaches past the end
        return None
    return None


def orientation_of(info: dict[str | tuple[int, int], object]) -> int:
    """Return the orientation, 1 to 8, that an opened image's metadata state: EXIF first, then XMP.

    Parameters
    ----------
    info : dict
        `Image.info` as Pillow fills it. PNG fills it only while it is loaded.
    """
    exif = info.get("exif")
    if not isinstance(exif, bytes):
        exif = _exif_of_old_png(info.get("Raw profile type exif"))
    value = orientation_from_exif(exif)
    if value is not None:
        return value
    xmp = info.get("xmp")
    match = _XMP_ORIENTATION.search(xmp) if isinstance(xmp, bytes) else None
    return int(match[1]) if match else UPRIGHT


def _exif_of_old_png(profile: object) -> bytes:
    """Return the EXIF data that ImageMagick wrote into PNG before the format had a place for them."""
    if not isinstance(profile, str):
        return b""
    try:
        return bytes.fromhex("".join(profile.split("\n")[3:]))  # blank, name and length come first
    except ValueError:
        return b""


def turn_pixels(pixels: PixelArray, orientation: int) -> PixelArray:
    """Return pixels of shape (H, W, 3) turned and mirrored so that what was up is up: a view."""
    if swaps_sides(orientation):
        pixels = pixels.transpose(1, 0, 2)
    return pixels[:: _DOWN.get(orientation, 1), :: _ACROSS.get(orientation, 1)]


def swaps_sides(orientation: int) -> bool:
    """Return whether width and height change places when the photo is put upright."""
    return orientation >= 5


def put_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return `image` turned and mirrored so that what was up is up."""
    turn = _TURN.get(orientation)
    return image if turn is None else image.transpose(turn)
