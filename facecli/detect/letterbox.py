"""At which size a photo goes through a detector, and how photos of different sizes share a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from facecli.detect.edges import EdgeMap
from facecli.types import FloatArray, Photo, PixelArray

# Borders are cut only if that spares at least this share of the canvas, and by this many strides at a time: every new
# shape costs OpenVINO a quarter of a run (CenterFace, measured on 60 shapes).
WORTHWHILE_SHARE: Final = 0.12
CUT_STRIDES: Final = 4


@dataclass(frozen=True, slots=True)
class DetectionSize:
    """How large photos are when a detector looks at them.

    Attributes
    ----------
    min_face_px : int or None
        Smallest face wanted, as its side in full-resolution pixels; None finds what the usual cost allows.
    network_face_px : int
        Side at which the detector finds faces dependably; see its module for the measurement.
    max_long_side_px : int
        Cap on the long side in the network when `min_face_px` is None. CenterFace finds as many faces of WIDER FACE
        at 960 as at 1280, in three quarters of the time (tests/bench/RESULTS.md).
    hard_long_side_px : int
        Cap when it is given: memory and time grow with the square.
    max_enlargement : float
        Photos are never enlarged by more than this.
    """

    min_face_px: int | None
    network_face_px: int
    max_long_side_px: int = 960
    hard_long_side_px: int = 4096
    max_enlargement: float = 2.0

    # Without a wish, faces from this size on are looked for as far as the cap allows.
    DEFAULT_MIN_FACE_PX = 20

    @property
    def decode_side_px(self) -> int:
        """Long side in pixels that is enough for any photo, as a decoder may be told before it knows the size."""
        return self.max_long_side_px if self.min_face_px is None else self.hard_long_side_px

    def scale_for(self, width: int, height: int) -> float:
        """Network pixels per full-resolution pixel for a photo of this full-resolution size."""
        wanted = self.network_face_px / (self.min_face_px or self.DEFAULT_MIN_FACE_PX)
        cap = self.max_long_side_px if self.min_face_px is None else self.hard_long_side_px
        return min(wanted, self.max_enlargement, cap / max(width, height))


@dataclass(frozen=True, slots=True, eq=False)
class Letterbox:
    """A photo as the network sees it, and the way back.

    Attributes
    ----------
    canvas : ndarray of shape (H, W, 3), uint8
        The photo at detection size, padded with black at the right and bottom to multiples of the stride.
    scale_xy : ndarray of shape (2,), float32
        Network pixels per full-resolution pixel.
    origin_xy : ndarray of shape (2,), float32
        Full-resolution pixel at the canvas's top left corner.
    """

    canvas: PixelArray
    scale_xy: FloatArray
    origin_xy: FloatArray

    def to_photo(self, points_xy: FloatArray) -> FloatArray:
        """Map canvas pixels of shape (..., 2) to full-resolution pixels."""
        return np.asarray(points_xy / self.scale_xy + self.origin_xy, np.float32)


def letterbox(photo: Photo, size: DetectionSize, stride: int, edges: EdgeMap | None = None) -> Letterbox:
    """Prepare a photo for the network.

    Where its edge map is given, uniform borders are cut by whole strides of the finished canvas: the network's grid
    stays where it was on the photo, so that cutting changes neither what it sees of the rest nor any coordinate that
    comes back.
    """
    pixels = photo.pixels
    scale = size.scale_for(photo.full_width, photo.full_height)
    width, height = max(1, round(photo.full_width * scale)), max(1, round(photo.full_height * scale))
    if (width, height) != (pixels.shape[1], pixels.shape[0]):
        shrinking = width < pixels.shape[1]
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    canvas = np.zeros((-(-height // stride) * stride, -(-width // stride) * stride, 3), np.uint8)
    canvas[:height, :width] = pixels
    left, top = 0, 0
    if edges is not None:
        shares = edges.content_box()
        left, right = _in_steps(shares[0] * width, shares[2] * width, CUT_STRIDES * stride, canvas.shape[1])
        top, bottom = _in_steps(shares[1] * height, shares[3] * height, CUT_STRIDES * stride, canvas.shape[0])
        if (right - left) * (bottom - top) <= (1 - WORTHWHILE_SHARE) * canvas.shape[0] * canvas.shape[1]:
            canvas = np.ascontiguousarray(canvas[top:bottom, left:right])
        else:
            left, top = 0, 0
    exact = np.array([width / photo.full_width, height / photo.full_height], np.float32)
    return Letterbox(canvas, exact, np.array([left, top], np.float32) / exact)


def _in_steps(first: float, last: float, step: int, end: int) -> tuple[int, int]:
    """Widen a stretch of pixels to whole steps, up to the end."""
    return int(first // step) * step, min(math.ceil(last / step) * step, end)


def in_batches(boxes: list[Letterbox], max_pixels: int) -> list[list[int]]:
    """Group canvases of one shape into batches of at most `max_pixels` (but at least one)."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, box in enumerate(boxes):
        by_shape.setdefault(box.canvas.shape, []).append(index)
    batches = []
    for (height, width, _), members in by_shape.items():
        count = max(1, max_pixels // (height * width))
        batches += [members[start : start + count] for start in range(0, len(members), count)]
    return batches
