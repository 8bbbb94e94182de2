"""Boxes on their way through MTCNN's networks: moved, squared, thinned out and cut from their photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facecli.geometry import areas
from facecli.types import FloatArray, PixelArray


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes that may hold a face.

    Attributes
    ----------
    photo : ndarray of shape (N,), intp
        Which photo of the call each lies in.
    boxes_xyxy : ndarray of shape (N, 4), float32
        In pixels of that photo's canvas, half-open: the width is right - left.
    scores : ndarray of shape (N,), float32
    """

    photo: NDArray[np.intp]
    boxes_xyxy: FloatArray
    scores: FloatArray

    def take(self, chosen: NDArray[Any]) -> Candidates:
        """Those at these places, or where a mask is true."""
        return Candidates(self.photo[chosen], self.boxes_xyxy[chosen], self.scores[chosen])


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates one after another; of no parts there are none."""
    empty = Candidates(np.empty(0, np.intp), np.empty((0, 4), np.float32), np.empty(0, np.float32))
    parts = [empty, *parts]
    return Candidates(
        np.concatenate([part.photo for part in parts]),
        np.concatenate([part.boxes_xyxy for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )


def shifted(candidates: Candidates, shifts: FloatArray) -> Candidates:
    """Move each side by a share of the box's width or height: shifts of shape (N, 4)."""
    boxes = candidates.boxes_xyxy
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return Candidates(candidates.photo, boxes + shifts * sides, candidates.scores)


def squared(candidates: Candidates) -> Candidates:
    """Widen boxes to squares about their centres, on whole pixels."""
    boxes = candidates.boxes_xyxy
    side = np.maximum(np.round((boxes[:, 2:] - boxes[:, :2]).max(-1, keepdims=True)), 1)
    corner = np.round((boxes[:, :2] + boxes[:, 2:] - side) / 2)
    return Candidates(candidates.photo, np.concatenate([corner, corner + side], -1), candidates.scores)


def cut_out(squares: Candidates, canvases: Sequence[PixelArray | None], side_px: int) -> PixelArray:
    """Cut squares out and scale them; black beyond the border, as in the authors' code. Shape (N, side, side, 3)."""
    crops = np.empty((len(squares.photo), side_px, side_px, 3), np.uint8)
    for crop, photo, box in zip(crops, squares.photo, squares.boxes_xyxy.astype(int), strict=True):
        canvas = canvases[photo]
        if canvas is not None:
            cv2.resize(_part(canvas, *box), (side_px, side_px), dst=crop, interpolation=cv2.INTER_AREA)
    return crops


def _part(canvas: PixelArray, left: int, top: int, right: int, bottom: int) -> PixelArray:
    height, width = canvas.shape[:2]
    inside = canvas[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= width and bottom <= height:
        return inside
    part = np.zeros((bottom - top, right - left, 3), np.uint8)
    below, beside = max(-top, 0), max(-left, 0)
    part[below : below + inside.shape[0], beside : beside + inside.shape[1]] = inside
    return part


def suppress(candidates: Candidates, iou_limit: float) -> NDArray[np.intp]:
    """Keep the best of boxes that overlap within one photo; the photos in order, in each the best first.

    torchvision's, since facenet-pytorch imports it anyway: proposals come by the thousand. Not its `batched_nms`,
    which sets photos apart by adding to their coordinates: float32 then rounds them, and an answer would depend on
    what else is in the batch.
    """
    import torch
    from torchvision.ops import nms

    kept: list[NDArray[np.intp]] = [np.empty(0, np.intp)]
    for photo in np.unique(candidates.photo):
        places = np.flatnonzero(candidates.photo == photo)
        boxes, scores = torch.from_numpy(candidates.boxes_xyxy[places]), torch.from_numpy(candidates.scores[places])
        kept.append(places[nms(boxes, scores, iou_limit).numpy()])
    return np.concatenate(kept)


def suppress_nested(faces: Candidates, share_limit: float) -> list[int]:
    """Keep the best of boxes that lie in one another: that share more than `share_limit` of the smaller one."""
    boxes, sizes = faces.boxes_xyxy, areas(faces.boxes_xyxy)
    kept: list[int] = []
    for index in np.argsort(-faces.scores, kind="stable").tolist():
        rivals = [other for other in kept if faces.photo[other] == faces.photo[index]]
        sides = np.minimum(boxes[rivals, 2:], boxes[index, 2:]) - np.maximum(boxes[rivals, :2], boxes[index, :2])
        shared = np.maximum(sides, 0).prod(-1)
        if not (shared > share_limit * np.minimum(sizes[rivals], sizes[index])).any():
            kept.append(index)
    return kept
