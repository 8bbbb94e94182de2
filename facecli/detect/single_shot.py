"""Detectors that see the whole photo at once: the loop that CenterFace and YuNet share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from facecli.detect.letterbox import DetectionSize, Letterbox, in_batches, letterbox
from facecli.geometry import non_maximum_suppression
from facecli.runtime.network import Network
from facecli.types import Detection, FloatArray, Photo

# Pixels of the canvases that go through the network together, which bounds its memory: three canvases of 960x640.
MAX_BATCH_PIXELS = 2_000_000


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
    ) -> None:
        self._network = network
        self._decode = decode
        self._threshold = threshold
        self._iou_limit = iou_limit
        self._stride = stride
        self._use_edges = use_edges
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
        boxes = [letterbox(photo, self.size, self._stride, use_edges=self._use_edges) for photo in photos]
        found: list[list[Detection]] = [[] for _ in photos]
        for members in in_batches(boxes, MAX_BATCH_PIXELS):
            chosen = [box for box in (boxes[index] for index in members) if box is not None]
            outputs = self._network(np.stack([box.canvas for box in chosen]))
            for position, (index, box) in enumerate(zip(members, chosen, strict=True)):
                raw = self._decode({name: value[position] for name, value in outputs.items()}, self._threshold)
                found[index] = self._detections(raw, box)
        return found

    def _detections(self, raw: RawFaces, box: Letterbox) -> list[Detection]:
        kept = non_maximum_suppression(raw.boxes_xyxy, raw.scores, self._iou_limit)
        corners = box.to_photo(raw.boxes_xyxy[kept].reshape(-1, 2, 2)).reshape(-1, 4)
        landmarks = box.to_photo(raw.landmarks_xy[kept])
        detections = [
            Detection(corner, points, float(score))
            for corner, points, score in zip(corners, landmarks, raw.scores[kept], strict=True)
        ]
        return sorted(detections, key=lambda detection: -detection.size_px)
