"""Find faces in photos whose faces are labelled; `facecli.evaluation.detection` makes rates of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facecli.errors import InputError
from facecli.evaluation.detection import DEFAULT_IOU, PhotoMatches, match
from facecli.media.files import printable_name
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.evaluate.face_boxes import FaceBoxes
from facecli.types import FloatArray, PhotoError


@dataclass(frozen=True, slots=True, eq=False)
class DetectedPhoto:
    """What was found in one photo.

    Attributes
    ----------
    path : str
    matches : PhotoMatches
        Without detections where the photo could not be decoded.
    boxes_xyxy : ndarray of shape (D, 4), float32
        Of the detections, in full-resolution pixels.
    error : PhotoError or None
        Why it could not be decoded.
    """

    path: str
    matches: PhotoMatches
    boxes_xyxy: FloatArray
    error: PhotoError | None = None


@dataclass(frozen=True, slots=True)
class DetectionEvaluation:
    """Everything that was found.

    Attributes
    ----------
    labels : FaceBoxes
    photos : tuple of DetectedPhoto
        In the order of the list.
    iou_limit : float
    """

    labels: FaceBoxes
    photos: tuple[DetectedPhoto, ...]
    iou_limit: float

    @property
    def matches(self) -> list[PhotoMatches]:
        """Of all photos."""
        return [photo.matches for photo in self.photos]


def evaluate_detection(
    labels: FaceBoxes,
    root: Path,
    analyser: Analyser,
    *,
    iou_limit: float = DEFAULT_IOU,
    photo_done: Callable[[], None] = lambda: None,
) -> DetectionEvaluation:
    """Detect the faces of labelled photos. All faces of a photo that cannot be decoded are missed.

    Parameters
    ----------
    root : Path
        Folder that the list's files are in.
    iou_limit : float
        Least overlap of a face found with the label.
    photo_done : callable
        Called after each photo.

    Raises
    ------
    InputError
        If a photo of the list is not there.
    """
    paths = [root / file for file in labels.photos]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more, which are" if len(missing) > 1 else ", which is"
        raise InputError(
            f"{printable_name(labels.path)} names {printable_name(str(missing[0]))}{more} not there",
            hint="Name the folder of the photos with --root.",
            code="not_found",
        )
    faces = iter(labels.photos.values())
    photos = []
    for analysis in analyser.analyse(PhotoSource(str(path)) for path in paths):
        boxes, scores = _detections(analysis)
        matches = match(boxes, scores, next(faces), iou_limit=iou_limit)
        photos.append(DetectedPhoto(analysis.source.path, matches, boxes, analysis.error))
        photo_done()
    return DetectionEvaluation(labels, tuple(photos), iou_limit)


def _detections(analysis: Analysis) -> tuple[FloatArray, FloatArray]:
    found = [face.detection for face in analysis.faces]
    boxes = np.array([each.box_xyxy for each in found], np.float32).reshape(-1, 4)
    return boxes, np.array([each.confidence for each in found], np.float32)
