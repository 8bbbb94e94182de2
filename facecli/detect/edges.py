"""The edge map: where a photo has structure at all.

A Scharr gradient on a thumbnail costs well under two milliseconds and decides what the CNN need not see: a photo
without any edge holds no face, and uniform borders (scanner lids, letterbox bars, white margins) hold none either.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facecli.types import FloatArray, PixelArray

THUMBNAIL_SIDE_PX = 320

# Gradient magnitude in grey levels per thumbnail pixel that counts as structure. A face of five thumbnail pixels
# with a contrast of 8 grey levels to its ground reaches it; JPEG noise on blank paper does not
# (tests/bench/bench_edges.py).
EDGE_LIMIT = 2.0

# A photo is blank when nowhere more than this many thumbnail pixels exceed the limit: dust and dead pixels.
BLANK_PIXELS = 4

# Border strips are cut only if that spares at least this share of the photo: cutting moves the CNN's grid.
WORTHWHILE_SHARE = 0.12

# Kept around the structure, in thumbnail pixels: the CNN wants context, and the blur of downscaling moves edges.
MARGIN_PX = 8


@dataclass(frozen=True, slots=True, eq=False)
class EdgeMap:
    """Edge energy of a photo at thumbnail size.

    Attributes
    ----------
    energy : ndarray of shape (h, w), float32
        Gradient magnitude in grey levels per thumbnail pixel.
    scale_xy : tuple of float
        Thumbnail pixels per pixel of the array it was made from.
    """

    energy: FloatArray
    scale_xy: tuple[float, float]

    @property
    def is_blank(self) -> bool:
        """Whether there is no structure at all."""
        return int(np.count_nonzero(self.energy > EDGE_LIMIT)) <= BLANK_PIXELS

    def content_box(self) -> tuple[int, int, int, int]:
        """Return left, top, right, bottom of the structure in pixels of the array; all of it if cutting pays little."""
        height, width = self.energy.shape
        full_width, full_height = round(width / self.scale_xy[0]), round(height / self.scale_xy[1])
        whole = (0, 0, full_width, full_height)
        strong = self.energy > EDGE_LIMIT
        columns, rows = np.flatnonzero(strong.any(0)), np.flatnonzero(strong.any(1))
        if not columns.size:
            return whole
        left, right = max(int(columns[0]) - MARGIN_PX, 0), min(int(columns[-1]) + 1 + MARGIN_PX, width)
        top, bottom = max(int(rows[0]) - MARGIN_PX, 0), min(int(rows[-1]) + 1 + MARGIN_PX, height)
        if (right - left) * (bottom - top) > (1 - WORTHWHILE_SHARE) * width * height:
            return whole
        return (
            int(left / self.scale_xy[0]),
            int(top / self.scale_xy[1]),
            min(int(np.ceil(right / self.scale_xy[0])), full_width),
            min(int(np.ceil(bottom / self.scale_xy[1])), full_height),
        )


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
    height, width = pixels.shape[:2]
    factor = min(1.0, THUMBNAIL_SIDE_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    thumbnail = pixels
    # INTER_AREA reads every pixel; of huge photos every second or third is plenty for a thumbnail.
    step = max(1, int(1 / factor) // 4)
    if step > 1:
        thumbnail = pixels[::step, ::step]
    if (thumbnail.shape[1], thumbnail.shape[0]) != size:
        thumbnail = cv2.resize(thumbnail, size, interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY)
    # The Scharr kernel's weights sum to 32 on the two columns: divided by that, a unit slope measures 1.
    across = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32, borderType=cv2.BORDER_REPLICATE)
    energy = np.asarray(cv2.magnitude(across, down), np.float32)
    return EdgeMap(energy, (size[0] / width, size[1] / height))
