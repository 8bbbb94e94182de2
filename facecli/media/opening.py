"""From bytes to a picture whose header has been checked, and to its pixels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Final, NamedTuple

from PIL import ImageFile

from facecli.errors import UnreadableImageError
from facecli.media.damage import DECODER_ERRORS, HOPELESS, SALVAGEABLE, damage_of, translated
from facecli.media.files import ImageLimits
from facecli.media.formats import open_image
from facecli.types import PixelArray

# Scans that a progressive JPEG may have, each of which runs over the whole picture. Encoders write about ten;
# libjpeg-turbo's own fuzzers stop at 500.
_MAX_SCANS: Final = 100

# Pillow warns at more pixels than this while it reads a GIF's header, and no photo is a GIF of that size.
_MAX_GIF_PIXELS: Final = 80_000_000

# While a picture is decoded: 4 bytes in Pillow's memory and 3 in the photo's; 6 for the coefficients of a progressive
# JPEG, whose pixels then are fewer.
_HELD_BYTES_A_PIXEL: Final = 7

_SMALLER_HINT: Final = "Save it at a smaller size."

# Pillow works around damaged metadata and remarks on it in Python warnings, which are not for the person who has
# the photo. A filter, because `catch_warnings` would undo what other threads do meanwhile.
_REMARKS: Final = r"PIL\.(Tiff|Png)ImagePlugin"


class Request(NamedTuple):
    """One picture to decode, and how; `decode_photo` explains the fields."""

    data: bytes
    name: str  # printable
    format_name: str
    min_long_side: int | None
    limits: ImageLimits
    reserve: Callable[[int], None] | None = None


class Loaded(NamedTuple):
    """A picture, not yet upright: `pixels` (H, W, 3) in RGB, or, where they are None, those of `image`."""

    image: ImageFile.ImageFile
    full_size: tuple[int, int]
    notes: tuple[str, ...] = ()
    pixels: PixelArray | None = None


def load_image(request: Request, *, salvage: bool) -> Loaded:
    """Decode a picture, or of a damaged one what can be decoded if `salvage`.

    Raises
    ------
    UnreadableImageError
    """
    _ignore_remarks()
    with translated(request.name, request.data, request.format_name, HOPELESS):
        image = _open(request)
    full_size = image.size
    _scale(image, request)
    if request.format_name == "JPEG":
        from facecli.media.jpeg import JpegFile, fast_pixels

        pixels = fast_pixels(image, request.data) if isinstance(image, JpegFile) else None
        if pixels is not None:
            return Loaded(image, full_size, pixels=pixels)
    notes: tuple[str, ...] = ()
    with translated(request.name, request.data, request.format_name, HOPELESS if salvage else SALVAGEABLE):
        try:
            image.load()
        except DECODER_ERRORS as error:
            if not salvage:
                raise
            damage = damage_of(error, request.data, request.format_name)
            notes = (f"the file is {damage}; what could be decoded of it was kept",)
            image = _rescue(image, request)
    # Other formats may learn their size, or turn upright, while they are loaded.
    return Loaded(image, full_size if request.format_name == "JPEG" else image.size, notes)


def _open(request: Request) -> ImageFile.ImageFile:
    """Read and check the header."""
    if request.format_name == "GIF":
        from facecli.media.gif import gif_extent

        _check_pixels(request, gif_extent(request.data), _MAX_GIF_PIXELS)
    image = open_image(request.data, request.format_name)
    _check_pixels(request, image.size, request.limits.max_pixels)
    if max(image.size) > request.limits.max_side_px:
        raise _too_large(request, image.size, f"{request.limits.max_side_px} pixels a side")
    if getattr(image, "is_camera_raw", False):
        raise UnreadableImageError(
            f"{request.name} is a camera's raw photo, which is not read",
            hint="Export it as a JPEG first.",
            code="unsupported_format",
        )
    return image


def _scale(image: ImageFile.ImageFile, request: Request) -> None:
    """Choose the scale at which a JPEG is decoded, and check what will be held in memory."""
    full_size = held = image.size
    if request.format_name == "JPEG":
        from facecli.media.jpeg import JpegFile, count_scans, reduce

        if isinstance(image, JpegFile):
            if request.min_long_side is not None:
                reduce(image, request.min_long_side)
            if not image.is_progressive:  # else the coefficients of the full picture are held
                held = image.size
            elif count_scans(request.data, image.scan_offset, _MAX_SCANS) > _MAX_SCANS:
                raise _too_large(request, full_size, f"{_MAX_SCANS} scans")
    limit = request.limits.max_decoded_pixels
    if held[0] * held[1] > limit:
        raise _too_large(request, full_size, f"{limit / 1e6:.0f} megapixels in memory")
    if request.reserve is not None:
        request.reserve(_HELD_BYTES_A_PIXEL * held[0] * held[1])


def _rescue(image: ImageFile.ImageFile, request: Request) -> ImageFile.ImageFile:
    """Return what a decoder had done before it failed.

    Pillow has a switch for this, but it is one for all threads.
    """
    if request.format_name == "JPEG":
        from facecli.media.jpeg import ended_copies

        for data in ended_copies(request.data):
            image = _open(request._replace(data=data))
            _scale(image, request)
            try:
                image.load()
            except DECODER_ERRORS:
                continue
            return image
    image.tile = []  # there is nothing more to decode: the pixels so far stay
    image.load()
    if request.format_name == "TIFF":
        image.load_end()  # turns it upright, which a failed load leaves out
    return image


def _check_pixels(request: Request, size: tuple[int, int], limit: int) -> None:
    if size[0] * size[1] > limit:
        raise _too_large(request, size, f"{limit / 1e6:.0f} megapixels")


def _too_large(request: Request, size: tuple[int, int], limit: str) -> UnreadableImageError:
    return UnreadableImageError(
        f"{request.name} has {size[0]} x {size[1]} pixels, more than the limit of {limit}",
        hint=_SMALLER_HINT,
        code="too_large",
    )


def _ignore_remarks() -> None:
    if not any(getattr(module, "pattern", None) == _REMARKS for _, _, _, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", category=UserWarning, module=_REMARKS)
