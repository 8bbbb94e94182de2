"""Turn, scale and shift a face onto an embedder's template."""

from __future__ import annotations

import cv2
import numpy as np

from facecli.geometry import apply_transform, similarity_transform
from facecli.types import AlignedFace, Detection, FloatArray, Photo

# A bilinear warp that shrinks by more than this skips pixels; the photo around the face is area-averaged first.
MAX_WARP_SHRINK = 2.0


def align(photo: Photo, detection: Detection, template_xy: FloatArray, side_px: int) -> AlignedFace:
    """Cut a face out so that its landmarks lie on the template.

    Parameters
    ----------
    photo : Photo
        At any decoded scale; pixels beyond its border come out black.
    detection : Detection
    template_xy : ndarray of shape (5, 2), float32
        Where the landmarks belong, in crop pixels.
    side_px : int
        Side of the square crop.

    Returns
    -------
    AlignedFace

    Raises
    ------
    GeometryError
        If the landmarks coincide.
    """
    matrix = similarity_transform(detection.landmarks_xy, template_xy)
    # From decoded pixels: full = decoded / scale, with pixel centres at half positions in both.
    scale = photo.scale_xy
    from_decoded = matrix.copy()
    from_decoded[:, :2] = matrix[:, :2] / scale
    from_decoded[:, 2] += from_decoded[:, :2] @ (0.5 * (1 - scale))
    pixels = photo.pixels
    shrink = 1.0 / float(np.hypot(*from_decoded[:, 0]))
    if shrink > MAX_WARP_SHRINK:
        pixels, from_decoded = _reduced(pixels, from_decoded, side_px, int(shrink))
    crop = cv2.warpAffine(pixels, from_decoded, (side_px, side_px), flags=cv2.INTER_LINEAR)
    return AlignedFace(crop, matrix, detection)


def _reduced(pixels: np.ndarray, matrix: FloatArray, side_px: int, factor: int) -> tuple[np.ndarray, FloatArray]:
    """Average blocks of factor x factor pixels in the part of the photo that the crop shows."""
    inverse = cv2.invertAffineTransform(matrix)
    corners = apply_transform(inverse, np.array([[0, 0], [side_px, 0], [0, side_px], [side_px, side_px]], np.float32))
    height, width = pixels.shape[:2]
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - factor, 0, [width, height])
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + factor, 0, [width, height])
    right, bottom = left + (right - left) // factor * factor, top + (bottom - top) // factor * factor
    if right <= left or bottom <= top:
        return pixels, matrix
    part = cv2.resize(
        pixels[top:bottom, left:right],
        ((right - left) // factor, (bottom - top) // factor),
        interpolation=cv2.INTER_AREA,
    )
    # Centre of reduced pixel i lies at left + i * factor + (factor - 1) / 2.
    reduced = matrix.copy()
    reduced[:, :2] *= factor
    reduced[:, 2] += matrix[:, :2] @ (np.array([left, top], np.float32) + (factor - 1) / 2)
    return part, reduced
