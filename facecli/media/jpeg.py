"""JPEG: the header by Pillow, without what a photo's pixels do not need, and the pixels by OpenCV.

Both use libjpeg-turbo and give the same pixels, at every scale. In full OpenCV takes 0.6 of the time, since Pillow
writes four bytes a pixel that are copied once more; at a quarter they take the same (tests/bench/RESULTS.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from PIL import JpegImagePlugin

from facecli.types import PixelArray

# The scales that libjpeg decodes at with less work than in full, and OpenCV's names for them.
_REDUCTIONS: Final = (8, 4, 2)
_FLAGS: Final = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

# Of CMYK OpenCV makes other colours than Pillow.
_FAST_MODES: Final = frozenset({"RGB", "L"})

# After the first scan: any marker that is not a stuffed zero, a fill byte or a restart.
_MARKER: Final = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_START_OF_SCAN: Final = 0xDA
_END_OF_IMAGE: Final = 0xD9


class JpegFile(JpegImagePlugin.JpegImageFile):
    """A JPEG; the first picture where the file holds several (MPO).

    Attributes
    ----------
    reduced_by : int
        1, 2, 4 or 8: the scale that it is decoded at.
    """

    reduced_by = 1

    def _read_dpi_from_exif(self) -> None:
        """Leave the resolution alone: reading it imports the TIFF plugin, which warns about damaged EXIF data."""

    @property
    def scan_offset(self) -> int:
        """Where in the file the entropy-coded data of the first scan begin, before they are loaded."""
        return self.fp.tell() if self.fp is not None else 0

    @property
    def is_progressive(self) -> bool:
        """Whether all coefficients of the full picture are held until the last scan has been read."""
        return bool(self.info.get("progressive"))


def reduce(image: JpegFile, min_long_side: int) -> None:
    """Have `image` decoded at the smallest scale whose longer side keeps `min_long_side` pixels."""
    width, height = image.size
    image.reduced_by = next((by for by in _REDUCTIONS if -(-max(width, height) // by) >= min_long_side), 1)
    image.draft(None, (max(width // image.reduced_by, 1), max(height // image.reduced_by, 1)))


def fast_pixels(image: JpegFile, data: bytes) -> PixelArray | None:
    """Decode the pixels of an opened JPEG, at its scale, shape (H, W, 3), RGB.

    Returns
    -------
    ndarray or None
        None where Pillow has to do it: for other colours, a profile of greys, or damage, of which it says what it is.
    """
    if image.mode not in _FAST_MODES or (image.mode == "L" and "icc_profile" in image.info):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[image.reduced_by] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    if pixels is None or pixels.shape[1::-1] != image.size:
        return None
    cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    return np.asarray(pixels, np.uint8)


def count_scans(data: bytes, start: int, stop_after: int) -> int:
    """Count the scans of a JPEG.

    Parameters
    ----------
    data : bytes
        The file.
    start : int
        Offset of the entropy-coded data of the first scan.
    stop_after : int
        Counting ends once there are more than this.
    """
    scans = 1
    position = start
    while scans <= stop_after and (match := _MARKER.search(data, position)):
        marker = match[1][0]
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    return scans


def ended_copies(data: bytes) -> Iterator[bytes]:
    """Yield a truncated JPEG with an end mark, and one without its last scan, which may be cut in its header.

    At an end mark libjpeg fills up what is missing, instead of waiting for more.
    """
    end = bytes([0xFF, _END_OF_IMAGE])
    yield data + end
    yield data[: data.rfind(bytes([0xFF, _START_OF_SCAN]))] + end
