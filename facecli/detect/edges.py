"""The edge map: where a photo has structure at all.

A Scharr gradient on a thumbnail costs a third of a millisecond and decides what the CNN need not see: a photo
without any edge holds no face, and uniform borders (scanner lids, letterbox bars, white margins) hold none either.
The limits lie so low that no face is lost that a detector finds (tests/bench/bench_edges.py): in doubt it sees all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from facecli.types import FloatArray, PixelArray

# Small enough that averaging buries sensor noise and that the outline of a blurred face becomes steep; a face of ten
# pixels in a photo of 1280 still covers more than one.
THUMBNAIL_SIDE_PX: Final = 160

# Gradient magnitude in grey levels per thumbnail pixel that counts as structure. CenterFace and YuNet still find faces
# whose contrast was cut to a twentieth, or to a tenth and then blurred by 2 % of the photo's side; the fifth strongest
# pixel of the faintest of them has 0.9. Blank paper with noise of 2 grey levels stays below 0.6.
EDGE_LIMIT: Final = 0.6

# A photo is blank when no more than this many thumbnail pixels exceed the limit: dust and dead pixels.
BLANK_PIXELS: Final = 4

# Kept around the structure, in thumbnail pixels: the CNN wants context, and the blur of downscaling moves edges.
MARGIN_PX: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class EdgeMap:
    """Where a photo has structure, at thumbnail size.

    Attributes
    ----------
    energy : ndarray of shape (h, w), float32
        Gradient magnitude in grey levels per thumbnail pixel.
    """

    energy: FloatArray

    @property
    def is_blank(self) -> bool:
        """Whether there is no structure at all."""
        return int(np.count_nonzero(self.energy > EDGE_LIMIT)) <= BLANK_PIXELS

    def content_box(self) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of the structure with a margin, as shares of the photo's width and height."""
        strong = self.energy > EDGE_LIMIT
        left, right = _extent(strong, axis=0)
        top, bottom = _extent(strong, axis=1)
        return left, top, right, bottom


def edge_map(pixels: PixelArray) -> EdgeMap:
    """Measure edge energy on a thumbnail.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 3), uint8
        RGB.

    Returns
    -------
    EdgeMap
        At most `THUMBNAIL_SIDE_PX` on its long side; photos smaller than that are not enlarged.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    # By exact halves as far as they go, which OpenCV does in a tenth of the time; an odd row or column is left out.
    while max(grey.shape) >= 4 * THUMBNAIL_SIDE_PX and min(grey.shape) > 1:
        height, width = grey.shape[0] // 2, grey.shape[1] // 2
        grey = cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    # The last step on floats: steps of one grey level in a soft gradient would look like edges.
    grey = _shrunk(grey.astype(np.float32))
    # The Scharr kernel's weights sum to 32 on the two columns: divided by that, a unit slope measures 1.
    across = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32, borderType=cv2.BORDER_REPLICATE)
    return EdgeMap(np.asarray(cv2.magnitude(across, down), np.float32))


def _shrunk(grey: FloatArray) -> FloatArray:
    height, width = grey.shape
    factor = THUMBNAIL_SIDE_PX / max(height, width)
    if factor >= 1:
        return grey
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _extent(strong: NDArray[np.bool_], axis: int) -> tuple[float, float]:
    """First and last place with structure, with a margin, as shares of the whole; all of it if there is none."""
    places, count = np.flatnonzero(np.any(strong, axis)), strong.shape[1 - axis]
    if not places.size:
        return 0.0, 1.0
    first, last = int(places[0]) - MARGIN_PX, int(places[-1]) + 1 + MARGIN_PX
    return max(first, 0) / count, min(last, count) / count
