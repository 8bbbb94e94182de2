"""Boxes, overlaps and the transform that aligns a face. Plain numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GeometryError
from facecli.types import FloatArray

# Landmarks closer together than this (RMS distance from their mean, in pixels) hold no direction.
MIN_SPREAD_PX = 1e-3


def areas(boxes_xyxy: FloatArray) -> FloatArray:
    """Areas of boxes of shape (N, 4), in square pixels; shape (N,), float32. Inverted boxes count as empty."""
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float32)


def iou(boxes_a: FloatArray, boxes_b: FloatArray) -> FloatArray:
    """Intersection over union of every box of `boxes_a` (N, 4) with every one of `boxes_b` (M, 4); shape (N, M)."""
    top_left = np.maximum(boxes_a[:, None, :2], boxes_b[None, :, :2])
    bottom_right = np.minimum(boxes_a[:, None, 2:], boxes_b[None, :, 2:])
    sides = np.maximum(bottom_right - top_left, 0)
    shared = sides[..., 0] * sides[..., 1]
    union = areas(boxes_a)[:, None] + areas(boxes_b)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)


def non_maximum_suppression(boxes_xyxy: FloatArray, scores: FloatArray, iou_limit: float) -> NDArray[np.intp]:
    """Keep the best of boxes that overlap.

    Parameters
    ----------
    boxes_xyxy : ndarray of shape (N, 4), float32
    scores : ndarray of shape (N,), float32
    iou_limit : float
        A box that overlaps a better one by more than this is dropped.

    Returns
    -------
    ndarray of shape (K,), intp
        Indices of the boxes kept, the best score first.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        overlap = iou(boxes_xyxy[best : best + 1], boxes_xyxy[rest])[0]
        order = rest[overlap <= iou_limit]
    return np.array(kept, np.intp)


def similarity_transform(landmarks_xy: FloatArray, template_xy: FloatArray) -> FloatArray:
    """Estimate the rotation, scale and shift that moves a face onto a template.

    Parameters
    ----------
    landmarks_xy : ndarray of shape (5, 2), float32
        Pixels (x, y) in the photo, in the order of `facecli.types.LANDMARK_COUNT`.
    template_xy : ndarray of shape (5, 2), float32
        Pixels in the aligned crop.

    Returns
    -------
    ndarray of shape (2, 3), float32
        Maps photo pixels to crop pixels. Never a reflection.

    Raises
    ------
    GeometryError
        If the landmarks coincide or are not finite.

    References
    ----------
    Umeyama (1991), IEEE TPAMI 13(4), 376-380.
    """
    source = landmarks_xy.astype(np.float64)
    target = template_xy.astype(np.float64)
    if not np.isfinite(source).all():
        raise GeometryError("the landmarks are not finite numbers")
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_centred, target_centred = source - source_mean, target - target_mean
    spread = float((source_centred**2).sum(1).mean())
    if spread < MIN_SPREAD_PX**2:
        raise GeometryError("the landmarks coincide, so the face has no direction")
    # In the plane the best rotation and scale are one complex number: sum(conj(s) * t) / sum(|s|^2).
    along = float((source_centred * target_centred).sum())
    across = float((source_centred[:, 0] * target_centred[:, 1] - source_centred[:, 1] * target_centred[:, 0]).sum())
    power = spread * len(source)
    a, b = along / power, across / power
    rotation = np.array([[a, -b], [b, a]])
    shift = target_mean - rotation @ source_mean
    return np.column_stack([rotation, shift]).astype(np.float32)


def apply_transform(matrix: FloatArray, points_xy: FloatArray) -> FloatArray:
    """Move points of shape (N, 2) by a transform of shape (2, 3)."""
    return np.asarray(points_xy @ matrix[:, :2].T + matrix[:, 2], np.float32)
