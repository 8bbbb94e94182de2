"""A face as a small picture of its own, from which any embedder can be served when the photo is gone."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from facecli.errors import GeometryError
from facecli.geometry import apply_transform, similarity_transform
from facecli.types import Crop, Detection, FloatArray, Photo, PixelArray

# Where a face lies in ArcFace's crop of 112 x 112 pixels; the frame in which the crops of all embedders are compared.
_FRAME_XY: Final = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float32
)

# Left, top, right, bottom in that frame: what the templates of models/ and of its catalogue show (x 0 to 112, y 0 to
# 122), and 8 pixels more for those to come.
CONTEXT: Final = (-8.0, -8.0, 120.0, 130.0)

# Pixels of a crop for one of that frame, at most: as many as the finest of those templates has, facenet's of 160 x 160.
MAX_SCALE: Final = 1.61

# What it changes is as much as landmarks that stray by a quarter of a pixel do (tests/bench/RESULTS.md, "Crops").
JPEG_QUALITY: Final = 95


def cut_crop(photo: Photo, detection: Detection) -> Crop:
    """Cut out a face with what any embedder looks at around it, and make a JPEG of it without any metadata.

    Pixels are those of the decoded photo, or means of them where these are more than are of use; never more.

    Parameters
    ----------
    photo : Photo
        At any decoded scale.
    detection : Detection

    Returns
    -------
    Crop
        Upright as the photo is; smaller where that ends.

    Raises
    ------
    GeometryError
        If the landmarks coincide, or lie outside the photo.
    """
    scale = photo.scale_xy
    # With pixel centres at half positions in both, as in `facecli.embed.align`.
    landmarks = (detection.landmarks_xy + 0.5) * scale - 0.5
    left, top, right, bottom, shrink = _region(landmarks, photo.pixels)
    part = photo.pixels[top:bottom, left:right]
    if shrink > 1.0:
        size = (max(round((right - left) / shrink), 1), max(round((bottom - top) / shrink), 1))
        part = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
    factor = np.array([part.shape[1] / (right - left), part.shape[0] / (bottom - top)])
    inside = (landmarks - [left, top] + 0.5) * factor - 0.5
    return Crop(_jpeg(part), inside.astype(np.float32))


def decoded_scale(detection: Detection) -> float:
    """Return the scale of a decoded photo, in pixels per full-resolution pixel, beyond which a crop gains nothing.

    Raises
    ------
    GeometryError
        If the landmarks coincide.
    """
    return min(MAX_SCALE * _full_pixels(detection.landmarks_xy), 1.0)


def _full_pixels(landmarks_xy: FloatArray) -> float:
    """Return how many pixels of the frame one of the photo is."""
    return float(np.hypot(*similarity_transform(landmarks_xy, _FRAME_XY)[:, 0]))


def _region(landmarks_xy: FloatArray, pixels: PixelArray) -> tuple[int, int, int, int, float]:
    """Return the part of the photo to keep, in its pixels, and how often one of a crop's goes into its width."""
    left, top, right, bottom = CONTEXT
    # The inverse of what aligns a face; fitted the other way round, a face turned away would come out smaller.
    to_photo = cv2.invertAffineTransform(similarity_transform(landmarks_xy, _FRAME_XY))
    corners = apply_transform(to_photo, np.array([(left, top), (right, top), (left, bottom), (right, bottom)], "f4"))
    height, width = pixels.shape[:2]
    start = np.clip(np.floor(corners.min(0)), 0, [width, height]).astype(int)
    stop = np.clip(np.ceil(corners.max(0)) + 1, 0, [width, height]).astype(int)
    if (stop <= start).any():
        raise GeometryError("the face lies outside the photo")
    shrink = float(np.hypot(*to_photo[:, 0])) / MAX_SCALE
    return int(start[0]), int(start[1]), int(stop[0]), int(stop[1]), shrink


def _jpeg(pixels: PixelArray) -> bytes:
    # Colours in full, since halved ones are what a small face can spare least; the tables made for it, 5 % smaller.
    options = (
        *(cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
        *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
        *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    )
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return bytes(data)
