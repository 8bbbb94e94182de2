"""Whatever colours a picture comes in, turned into 8-bit sRGB on white."""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms

_WHITE: Final = (255, 255, 255)

# The ICC header (ICC.1:2010, 7.2): the colour space at byte 16; the tag table begins after 128 bytes.
_SPACE: Final = slice(16, 20)
_TAG_TABLE: Final = 128
_MODE_OF_SPACE: Final = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}

# Building a transform takes longer than using it on a small photo, and an archive has few profiles.
_TRANSFORMS_KEPT: Final = 16

# Sensors of 8, 10 and 12 bits that were stored as they were in 16: as the file has it, such a picture is black.
_SENSOR_LEVELS: Final = (255, 1023, 4095)
_DARK_NOTE: Final = "it uses the lowest sixteenth of its 16 bits at most; that range was taken for the full one"

_WIDE_MODES: Final = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


def to_srgb(image: Image.Image, icc_profile: bytes | None, white_level: int = 0) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a loaded picture to mode RGB in sRGB, transparent parts on white.

    Parameters
    ----------
    image : Image
        In any of Pillow's modes.
    icc_profile : bytes or None
        The profile that was embedded in the file.
    white_level : int
        The value that means white in a grey picture of more than 8 bits, where the file says; otherwise 0.

    Returns
    -------
    Image
        Mode RGB.
    tuple of str
        What was odd about the profile, the transparency or the range of values, and what was made of it.
    """
    if image.mode in _WIDE_MODES:
        image, notes = _narrow(image, white_level)
        colours, more = _apply_profile(image, icc_profile)
        return colours, (*notes, *more)
    if image.mode == "1":
        image = image.convert("L")
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        return _on_white(image, icc_profile)
    if image.mode not in {"RGB", "L", "CMYK"}:
        # LAB goes through littleCMS by itself; a profile of another space than the pixels' now does not apply.
        icc_profile = icc_profile if image.mode in {"P", "RGBX"} else None
        image = image.convert("RGB")
    return _apply_profile(image, icc_profile)


def _narrow(image: Image.Image, white_level: int) -> tuple[Image.Image, tuple[str, ...]]:
    """Return a grey picture of more than 8 bits as mode L, and what was odd about its range."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        white = white_level or 65535
        largest = int(values.max(initial=0))
        used = next((level for level in _SENSOR_LEVELS if largest <= level), white)
        steps = (np.arange(65536, dtype=np.float32) * (255.0 / min(used, white)) + 0.5).clip(0, 255).astype(np.uint8)
        return Image.fromarray(steps[values]), (_DARK_NOTE,) if used < white else ()
    values = np.nan_to_num(values.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    values *= 255.0 / (white_level or _white_of(float(values.max(initial=0.0))))
    return Image.fromarray((values + 0.5).clip(0, 255).astype(np.uint8)), ()


def _white_of(largest: float) -> float:
    """Guess what value means white, from the largest: formats with 32 bits do not say."""
    return next((white for white in (1.0, 255.0, 65535.0) if largest <= white), largest)


def _on_white(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    colours, warnings = _apply_profile(_opaque(image, rgba), icc_profile)
    lowest, highest = alpha.getextrema()
    if lowest == 255:
        return colours, warnings
    if highest == 0:
        # Some programs leave the fourth channel empty; as asked for, there would be nothing to see.
        return colours, (*warnings, "every pixel was transparent; the transparency was ignored")
    white = Image.new("RGB", image.size, _WHITE)
    white.paste(colours, mask=alpha)
    return white, warnings


def _opaque(image: Image.Image, rgba: Image.Image) -> Image.Image:
    """Return the colours under the transparency, grey where they were grey, so that a grey profile fits."""
    return image.getchannel("L") if image.mode in {"L", "LA"} else rgba.convert("RGB")


def _apply_profile(image: Image.Image, icc_profile: bytes | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Return a picture of mode RGB, L or CMYK as RGB in sRGB."""
    if not icc_profile or is_srgb(icc_profile):
        return _rgb(image), ()
    space = _MODE_OF_SPACE.get(icc_profile[_SPACE])
    if space == "RGB" and image.mode == "L":
        image = image.convert("RGB")  # a grey picture that was saved with the profile of its colours
    if space != image.mode:
        return _rgb(image), ("its colour profile is not for its kind of pixels and was ignored",)
    from PIL import ImageCms  # loads littleCMS: not before it is needed

    try:
        converted = ImageCms.applyTransform(image, _transform(icc_profile, image.mode))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return _rgb(image), ("its colour profile is damaged and was ignored",)
    return converted or _rgb(image), ()


def _rgb(image: Image.Image) -> Image.Image:
    """Return a picture as RGB; what is so already is not copied, which for 48 megapixels spares 190 MB."""
    return image if image.mode == "RGB" else image.convert("RGB")


@functools.lru_cache(maxsize=_TRANSFORMS_KEPT)
def _transform(icc_profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    from PIL import ImageCms

    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(icc_profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        # As browsers do: relative colorimetric keeps what both spaces can show.
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def is_srgb(icc_profile: bytes) -> bool:
    """Return whether a profile says of itself that it is sRGB, so that nothing needs converting."""
    description = _description(icc_profile).casefold()
    return icc_profile[_SPACE] == b"RGB " and description.startswith("srgb") and "linear" not in description


def _description(icc_profile: bytes) -> str:
    """Return the profile's own name (ICC.1:2010, 9.2.41 and 10.13; ICC.1:2001-04, 6.5.17), or nothing."""
    try:
        (count,) = struct.unpack_from(">I", icc_profile, _TAG_TABLE)
        for index in range(min(count, 100)):  # real profiles have about 20
            name, offset, size = struct.unpack_from(">4sII", icc_profile, _TAG_TABLE + 4 + 12 * index)
            if name != b"desc":
                continue
            tag = icc_profile[offset : offset + size]
            if tag.startswith(b"mluc"):  # the first language's record: its length and place
                length, start = struct.unpack_from(">II", tag, 20)
                return tag[start : start + length].decode("utf-16-be", "replace")
            (length,) = struct.unpack_from(">I", tag, 8)
            return tag[12 : 12 + length].decode("ascii", "replace").rstrip("\x00")
    except struct.error:
        return ""
    return ""
