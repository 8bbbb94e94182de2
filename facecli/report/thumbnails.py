"""Small pictures that a page holds in itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

from facecli.errors import UnreadableImageError
from facecli.types import Photo

ReadPhoto: TypeAlias = Callable[[str, int | None], Photo]
"""Decodes the photo at a path, at a long side of at least so many pixels or, for None, in full."""

Box: TypeAlias = tuple[float, float, float, float]

LONG_SIDE_PX: Final = 240  # shown at half of it, sharp on dense screens
JPEG_QUALITY: Final = 82  # about 10 kB a picture
AROUND_FACE: Final = 0.5  # of the face's sides, on every side: hair and chin belong to how people know a face


def thumbnail_uri(path: str, read_photo: ReadPhoto, box_xyxy: Box | None = None) -> str | None:
    """Return a photo, or a face with what is around it, as a small JPEG in a ``data:`` URI without any metadata.

    Parameters
    ----------
    path : str
    read_photo : callable
        Raises `UnreadableImageError` for what is no photo.
    box_xyxy : tuple of float, optional
        Face in pixels of the upright photo at full resolution.

    Returns
    -------
    str or None
        None if the photo cannot be read.
    """
    try:
        photo = read_photo(path, LONG_SIDE_PX if box_xyxy is None else None)
    except UnreadableImageError:
        return None
    picture = Image.fromarray(np.ascontiguousarray(photo.pixels))
    if box_xyxy is not None:
        picture = _cropped(picture, box_xyxy, photo)
    picture.thumbnail((LONG_SIDE_PX, LONG_SIDE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _cropped(picture: Image.Image, box_xyxy: Box, photo: Photo) -> Image.Image:
    """Cut a face out, square where the photo has room; the whole picture if the box lies outside of it."""
    scale_x, scale_y = (float(scale) for scale in photo.scale_xy)
    left, right = box_xyxy[0] * scale_x, box_xyxy[2] * scale_x
    top, bottom = box_xyxy[1] * scale_y, box_xyxy[3] * scale_y
    reach = max(right - left, bottom - top) * (0.5 + AROUND_FACE)
    across, down = (left + right) / 2, (top + bottom) / 2
    width, height = picture.size
    x1, x2 = (round(min(max(edge, 0), width)) for edge in (across - reach, across + reach))
    y1, y2 = (round(min(max(edge, 0), height)) for edge in (down - reach, down + reach))
    return picture.crop((x1, y1, x2, y2)) if x1 < x2 and y1 < y2 else picture
