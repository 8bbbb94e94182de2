"""A photo file, decoded: upright, 8-bit sRGB, as small as the task allows.

Everything that hostile or damaged bytes can do to a decoder ends in `UnreadableImageError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image

from facecli.errors import UnreadableImageError
from facecli.media.colour import is_srgb, to_srgb
from facecli.media.damage import HOPELESS, translated
from facecli.media.files import DEFAULT_LIMITS, ImageLimits, printable_name, read_file
from facecli.media.formats import sniff
from facecli.media.opening import Loaded, Request, load_image
from facecli.media.orientation import UPRIGHT, orientation_of, put_upright, swaps_sides, turn_pixels
from facecli.types import Photo, PixelArray

__all__ = ["DEFAULT_LIMITS", "ImageLimits", "decode_photo", "load_photo", "read_file"]

# libheif and Pillow's TIFF plugin turn the pixels themselves.
_UPRIGHT_WHEN_LOADED: Final = frozenset({"HEIC", "TIFF"})

# Pixels are copied out of Pillow in pieces of about this size, which stay in the processor's cache: 37 ms for
# 24 megapixels instead of 103 ms for `np.asarray`.
_COPY_BYTES: Final = 1 << 20


def load_photo(
    path: str | os.PathLike[str],
    *,
    min_long_side: int | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    salvage: bool = False,
) -> Photo:
    """Read and decode a photo file; see `decode_photo` for the parameters.

    Raises
    ------
    UnreadableImageError
        With the codes of `decode_photo` and of `read_file`.
    """
    data = read_file(path, limits)
    return decode_photo(data, os.fspath(path), min_long_side=min_long_side, limits=limits, salvage=salvage)


def decode_photo(
    data: bytes,
    source: str,
    *,
    min_long_side: int | None = None,
    limits: ImageLimits = DEFAULT_LIMITS,
    salvage: bool = False,
    reserve: Callable[[int], None] | None = None,
) -> Photo:
    """Decode a photo's bytes. May be called from several threads at once.

    Parameters
    ----------
    data : bytes
        The file's content, in any format of `facecli.media.formats`; of several frames the first is taken.
    source : str
        Path or name, for messages and for `Photo.source`.
    min_long_side : int, optional
        Pixels of the longer side that are enough. A JPEG is then decoded at the smallest of 1/1, 1/2, 1/4 and 1/8
        that leaves as many; other formats are decoded in full.
    limits : ImageLimits
        Checked against the header before pixels are decoded.
    salvage : bool
        Keep what can be decoded of a truncated or damaged file, and say so in `Photo.warnings`.
    reserve : callable, optional
        Called with the bytes that decoding will hold at most, before it begins; may wait until they are there.

    Returns
    -------
    Photo
        Upright, 8-bit RGB in sRGB, transparent parts on white.

    Raises
    ------
    UnreadableImageError
        With code empty_file, not_an_image, unsupported_format, too_large, truncated or corrupt.
    """
    name = printable_name(source) or "the picture"
    if not data:
        raise UnreadableImageError(f"{name} is empty", hint="Check where it comes from.", code="empty_file")
    format_name = sniff(data, source)
    loaded = load_image(Request(data, name, format_name, min_long_side, limits, reserve), salvage=salvage)
    with translated(name, data, format_name, HOPELESS):
        photo = _finish(loaded, format_name, source)
    if loaded.notes and photo.pixels.min() == photo.pixels.max():
        raise UnreadableImageError(f"{name} is damaged before its first pixels", hint=HOPELESS, code="corrupt")
    return photo


def _finish(loaded: Loaded, format_name: str, source: str) -> Photo:
    """Turn decoded pixels upright and into sRGB."""
    image = loaded.image
    if loaded.pixels is not None:
        return _finish_pixels(loaded, loaded.pixels, source)
    # Pillow scales what a PGM of more than 8 bits holds to 16 bits.
    white_level = 65535 if format_name == "PPM" and image.mode == "I" else getattr(image, "white_level", 0)
    profile = image.info.get("icc_profile")
    colours, notes = to_srgb(image, profile, white_level)
    orientation = UPRIGHT if format_name in _UPRIGHT_WHEN_LOADED else orientation_of(image.info)
    width, height = loaded.full_size
    if swaps_sides(orientation):
        width, height = height, width
    pixels = _copy_pixels(put_upright(colours, orientation))
    return Photo(pixels, source, width, height, (*loaded.notes, *notes))


def _finish_pixels(loaded: Loaded, pixels: PixelArray, source: str) -> Photo:
    """Do the same to pixels that did not come through Pillow, which is asked only for colours other than sRGB."""
    info = loaded.image.info
    profile = info.get("icc_profile")
    notes: tuple[str, ...] = ()
    if profile and not is_srgb(profile):
        colours, notes = to_srgb(Image.fromarray(pixels), profile, 0)
        pixels = _copy_pixels(colours)
    orientation = orientation_of(info)
    width, height = loaded.full_size
    if swaps_sides(orientation):
        width, height = height, width
    return Photo(turn_pixels(pixels, orientation), source, width, height, (*loaded.notes, *notes))


def _copy_pixels(image: Image.Image) -> PixelArray:
    """Return the pixels of an image of mode RGB, shape (H, W, 3)."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _COPY_BYTES // (3 * width))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        pixels[top : top + rows] = np.frombuffer(strip.tobytes(), np.uint8).reshape(-1, width, 3)
    return pixels
