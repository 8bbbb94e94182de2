"""How well faces are found: boxes in; recall, false positives, precision and average precision out.

A face can be found once. Detections choose in the order of their scores, so what one does never depends on those
below it: a matching made at a low threshold holds at every higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.proportions import Proportion
from facecli.geometry import iou
from facecli.types import FloatArray

Rates: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]

DEFAULT_IOU: Final = 0.5
"""What PASCAL VOC and WIDER FACE ask of a hit."""

NONE: Final = -1
LEFT_OUT: Final = -2


@dataclass(frozen=True, slots=True, eq=False)
class TrueFaces:
    """The labelled faces of a photo.

    Attributes
    ----------
    boxes_xyxy : ndarray of shape (F, 4), float32
        Pixels of the upright photo.
    ignored : ndarray of shape (F,), bool
        Labelled as no fair target: neither missed nor found, and whoever finds it raises no false alarm.
    """

    boxes_xyxy: FloatArray
    ignored: Flags

    def __post_init__(self) -> None:
        if self.boxes_xyxy.shape != (len(self.ignored), 4):
            raise ValueError(f"{len(self.ignored)} faces cannot have boxes of shape {self.boxes_xyxy.shape}")

    @property
    def sides_px(self) -> FloatArray:
        """The shorter side of each box; shape (F,), float32."""
        return np.asarray((self.boxes_xyxy[:, 2:] - self.boxes_xyxy[:, :2]).min(-1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PhotoMatches:
    """Which detection found which face.

    Attributes
    ----------
    faces : TrueFaces
    scores : ndarray of shape (D,), float32
        Of the detections, in their own order.
    face_found : ndarray of shape (D,), int64
        Index of the face that a detection found; `NONE` for a false positive, `LEFT_OUT` for one that overlaps an
        ignored face and no other.
    """

    faces: TrueFaces
    scores: FloatArray
    face_found: NDArray[np.int64]

    @property
    def found(self) -> Flags:
        """Which faces were found; shape (F,), bool."""
        result: Flags = np.zeros(len(self.faces.ignored), bool)
        result[self.face_found[self.face_found >= 0]] = True
        return result

    @property
    def false_positives(self) -> Flags:
        """Which detections are false positives; shape (D,), bool."""
        return np.asarray(self.face_found == NONE, bool)


def match(
    boxes_xyxy: FloatArray, scores: FloatArray, faces: TrueFaces, *, iou_limit: float = DEFAULT_IOU
) -> PhotoMatches:
    """Match the detections of one photo with its faces.

    The surest detection chooses first, of the faces nobody found yet the one it overlaps most. A second detection of
    a face is a false positive, as in VOC and WIDER FACE.

    Parameters
    ----------
    boxes_xyxy : ndarray of shape (D, 4), float32
    scores : ndarray of shape (D,), float32
        Of equal ones the first chooses first.
    faces : TrueFaces
    iou_limit : float
        Least intersection over union, above 0 and up to 1.

    References
    ----------
    Everingham et al. (2010), IJCV 88(2), section 4.2; Yang et al. (2016), CVPR, WIDER FACE.
    """
    overlaps = iou(boxes_xyxy, faces.boxes_xyxy)
    free = ~faces.ignored
    face_found = np.full(len(scores), NONE, np.int64)
    for detection in np.argsort(-scores, kind="stable"):
        hits = overlaps[detection] >= iou_limit
        if (hits & free).any():
            face = int(np.where(hits & free, overlaps[detection], -1).argmax())
            face_found[detection] = face
            free[face] = False
        elif (hits & faces.ignored).any():
            face_found[detection] = LEFT_OUT
    return PhotoMatches(faces, scores, face_found)


def recall(photos: Sequence[PhotoMatches], *, low_px: float = 0, high_px: float = np.inf) -> Proportion:
    """Return the share of faces found, of those whose shorter side is at least `low_px` and less than `high_px`."""
    found = faces = 0
    for photo in photos:
        counted = _counted(photo.faces, low_px, high_px)
        found += int((photo.found & counted).sum())
        faces += int(counted.sum())
    return Proportion(found, faces)


def _counted(faces: TrueFaces, low_px: float, high_px: float) -> Flags:
    sides = faces.sides_px
    return ~faces.ignored & (sides >= low_px) & (sides < high_px)


def false_positive_count(photos: Sequence[PhotoMatches]) -> int:
    """Return how many detections are no face."""
    return sum(int(photo.false_positives.sum()) for photo in photos)


@dataclass(frozen=True, slots=True, eq=False)
class PrecisionRecall:
    """Precision against recall, at each score of a detection, falling.

    Attributes
    ----------
    thresholds, precision, recall, false_positives : ndarray of shape (P,), float64
        `false_positives` counts; `recall` is NaN without faces.
    average_precision : float or None
        Area under the precision that can be had at a recall or above, as VOC (since 2010) and WIDER FACE compute it;
        recall that the detections do not reach adds nothing. None without faces.
    """

    thresholds: Rates
    precision: Rates
    recall: Rates
    false_positives: Rates
    average_precision: float | None


def precision_recall(photos: Sequence[PhotoMatches], *, low_px: float = 0) -> PrecisionRecall:
    """Return the curve over all photos; faces whose shorter side is below `low_px` count as ignored ones."""
    scores: list[FloatArray] = []
    right: list[Flags] = []
    faces = 0
    for photo in photos:
        counted = _counted(photo.faces, low_px, np.inf)
        faces += int(counted.sum())
        is_right = photo.face_found >= 0
        is_right[is_right] = counted[photo.face_found[is_right]]
        kept = is_right | photo.false_positives
        scores.append(photo.scores[kept])
        right.append(is_right[kept])
    return _curve(np.concatenate([*scores, np.empty(0)]), np.concatenate([*right, np.empty(0, bool)]), faces)


def _curve(scores: Rates, right: Flags, faces: int) -> PrecisionRecall:
    order = np.argsort(-scores, kind="stable")
    scores, right = scores[order], right[order]
    last_of_score = np.append(scores[1:] != scores[:-1], True)[: scores.size]
    true, detections = right.cumsum()[last_of_score], np.flatnonzero(last_of_score) + 1
    precision = true / detections
    reached = true / faces if faces else np.full(true.size, np.nan)
    attainable = np.maximum.accumulate(precision[::-1])[::-1]
    area = float((np.diff(reached, prepend=0.0) * attainable).sum())
    return PrecisionRecall(scores[last_of_score], precision, reached, detections - true, area if faces else None)
