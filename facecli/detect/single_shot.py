"""Detectors that see the whole photo at once: the loop that CenterFace and YuNet share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facecli.detect.edges import EdgeMap, edge_map
from facecli.detect.letterbox import DetectionSize, Letterbox, in_batches, letterbox
from facecli.geometry import non_maximum_suppression
from facecli.runtime.network import Network
from facecli.types import Detection, FloatArray, Photo

# Pixels of the canvases that go through the network together, which bounds its memory: three canvases of 960x640.
MAX_BATCH_PIXELS = 2_000_000


@dataclass(frozen=True, slots=True)
class FirstLook:
    """When a glance at a smaller size is enough.

    A photo is looked at again, at full size, if the glance leaves anything open: a spot that might be a face, or a face
    so small that others of its kind may have been missed.

    Attributes
    ----------
    long_side_px : int
        Long side of the glance.
    doubt : float
        A spot of at least this confidence, but too little for a face, might be one.
    sure_px : float
        A face of fewer pixels in the glance is not enough.
    """

    long_side_px: int
    doubt: float
    sure_px: float


# A glance is worth its time only if the full size has this many times its long side.
WORTHWHILE_GLANCE: Final = 5 / 3


@dataclass(frozen=True, slots=True, eq=False)
class RawFaces:
    """Faces of one canvas before suppression, in canvas pixels.

    Attributes
    ----------
    boxes_xyxy : ndarray of shape (N, 4), float32
    landmarks_xy : ndarray of shape (N, 5, 2), float32
    scores : ndarray of shape (N,), float32
    """

    boxes_xyxy: FloatArray
    landmarks_xy: FloatArray
    scores: FloatArray


Decoder = Callable[[dict[str, FloatArray], float], RawFaces]
"""From the network's outputs for one canvas, each (C, h, w), and a score threshold, to faces."""


class SingleShotDetector:
    """Finds faces and five landmarks.

    Parameters
    ----------
    network : Network
        Takes canvases whose sides are multiples of `stride`.
    decode : Decoder
        What the network's outputs mean.
    size : DetectionSize
    threshold : float
        Faces with a lower confidence are dropped.
    iou_limit : float
        Of faces that overlap more than this the better one is kept.
    use_edges : bool
        Skip blank photos and uniform borders; see `facecli.detect.edges`.
    first_look : FirstLook, optional
        Spares the full size for photos that a glance answers; not where the smallest face is asked for.
    """

    def __init__(
        self,
        network: Network,
        decode: Decoder,
        *,
        size: DetectionSize,
        threshold: float,
        iou_limit: float = 0.3,
        stride: int = 32,
        use_edges: bool = True,
        first_look: FirstLook | None = None,
    ) -> None:
        self._network = network
        self._decode = decode
        self._threshold = threshold
        self._iou_limit = iou_limit
        self._stride = stride
        self._use_edges = use_edges
        self._first_look = first_look if size.min_face_px is None else None
        self.size = size

    def detect(self, photos: Sequence[Photo]) -> list[list[Detection]]:
        """Find the faces of each photo, the largest first.

        Parameters
        ----------
        photos : sequence of Photo
            Of any sizes.

        Returns
        -------
        list of list of Detection
            In the order of `photos`, in full-resolution pixels, not clipped to the photo.
        """
        edges = [edge_map(photo.pixels) if self._use_edges else None for photo in photos]
        found: dict[int, list[Detection]] = {
            index: [] for index, edge in enumerate(edges) if edge is not None and edge.is_blank
        }
        if self._first_look is not None:
            found |= self._glance(self._first_look, photos, edges, set(range(len(photos))) - set(found))
        rest = [index for index in range(len(photos)) if index not in found]
        found |= self._look(rest, photos, edges, self.size, self._threshold)
        return [found[index] for index in range(len(photos))]

    def _glance(
        self, look: FirstLook, photos: Sequence[Photo], edges: Sequence[EdgeMap | None], which: set[int]
    ) -> dict[int, list[Detection]]:
        """Look at photos at a small size, and return the faces of those that it answers."""
        glance = replace(self.size, max_long_side_px=look.long_side_px)
        scales = {index: glance.scale_for(photos[index].full_width, photos[index].full_height) for index in which}
        worthwhile = [
            index
            for index, scale in scales.items()
            if self.size.scale_for(photos[index].full_width, photos[index].full_height) >= WORTHWHILE_GLANCE * scale
        ]
        seen = self._look(worthwhile, photos, edges, glance, look.doubt)
        return {
            index: spots
            for index, spots in seen.items()
            if all(
                spot.confidence >= self._threshold and spot.size_px * scales[index] >= look.sure_px for spot in spots
            )
        }

    def _look(
        self,
        which: Sequence[int],
        photos: Sequence[Photo],
        edges: Sequence[EdgeMap | None],
        size: DetectionSize,
        threshold: float,
    ) -> dict[int, list[Detection]]:
        """Look at some photos at one size, and return what reaches a threshold."""
        boxes = [letterbox(photos[index], size, self._stride, edges[index]) for index in which]
        found: dict[int, list[Detection]] = {}
        for members in in_batches(boxes, MAX_BATCH_PIXELS):
            outputs = self._network(np.stack([boxes[member].canvas for member in members]))
            for position, member in enumerate(members):
                raw = self._decode({name: value[position] for name, value in outputs.items()}, threshold)
                found[which[member]] = self._detections(raw, boxes[member])
        return found

    def _detections(self, raw: RawFaces, box: Letterbox) -> list[Detection]:
        kept = non_maximum_suppression(raw.boxes_xyxy, raw.scores, self._iou_limit)
        corners = box.to_photo(raw.boxes_xyxy[kept].reshape(-1, 2, 2)).reshape(-1, 4)
        landmarks = box.to_photo(raw.landmarks_xy[kept])
        # A spot that hardly looks like a face may have a size that is none.
        empty = (corners[:, :2] >= corners[:, 2:]) | ~np.isfinite(corners).reshape(-1, 2, 2).all(1)
        detections = [
            Detection(corner, points, float(score))
            for corner, points, score, nothing in zip(corners, landmarks, raw.scores[kept], empty, strict=True)
            if not nothing.any()
        ]
        return sorted(detections, key=lambda detection: -detection.size_px)
