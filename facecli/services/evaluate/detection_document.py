"""What an evaluation of detection has to say: recall by size, false positives, precision, and the worst cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from facecli.evaluation.detection import (
    Flags,
    PhotoMatches,
    PrecisionRecall,
    Rates,
    false_positive_count,
    precision_recall,
    recall,
)
from facecli.evaluation.proportions import Proportion
from facecli.geometry import iou
from facecli.report.document import Cell, Document, Picture, PictureGroup, Plot, Series, Table
from facecli.services.evaluate.detection_evaluation import DetectedPhoto, DetectionEvaluation
from facecli.types import FloatArray

BANDS_PX: Final = (0, 8, 16, 24, 32, 64, 128)

# Below this side faces of a photo show little that could be compared; what facecli looks for by default.
COUNTED_PX: Final = 20

# Worst cases to look at, and failures to list: as many as somebody goes through; the counts are of all.
WORST: Final = 12
FAILURES: Final = 50

# A curve with more points than this looks the same, and its file is larger.
CURVE_POINTS: Final = 1000


def detection_document(found: DetectionEvaluation, *, threshold: float, model: Mapping[str, str]) -> Document:
    """Put the rates, curves and worst cases of an evaluation together.

    Parameters
    ----------
    threshold : float
        Least score of the detections.
    model : mapping of str to str
        What found the faces, as `Analyser.model` says.
    """
    matches = found.matches
    curves = {
        "all sizes": precision_recall(matches),
        f"{COUNTED_PX} px and more": precision_recall(matches, low_px=COUNTED_PX),
    }
    failed = [photo for photo in found.photos if photo.error is not None]
    warnings = list(found.labels.warnings)
    if failed:
        warnings.append(
            f"{len(failed)} of {len(found.photos)} photos could not be decoded: their faces count as missed"
        )
    if not recall(matches).trials:
        warnings.append("no valid face is labelled, so recall cannot be measured")
    return Document(
        title="Detection",
        facts=_facts(found, matches, threshold, model),
        tables=(_recall(matches), _precision(found, matches, curves), *_worst_photos(found), *_failures(failed)),
        plots=tuple(_plots(curves)),
        pictures=tuple(_pictures(found)),
        warnings=tuple(warnings),
    )


def _facts(
    found: DetectionEvaluation, matches: list[PhotoMatches], threshold: float, model: Mapping[str, str]
) -> dict[str, Cell]:
    return {
        "boxes": found.labels.path,
        "photos": len(found.photos),
        "photos that could not be decoded": sum(photo.error is not None for photo in found.photos),
        "faces": recall(matches).trials,
        "faces labelled invalid, not counted": sum(int(each.faces.ignored.sum()) for each in matches),
        "detections": sum(each.scores.size for each in matches),
        "detection threshold": threshold,
        "least IoU": found.iou_limit,
        **model,
    }


def _recall(matches: list[PhotoMatches]) -> Table:
    bands = [(f"{low} to {high} px", recall(matches, low_px=low, high_px=high)) for low, high in pairwise(BANDS_PX)]
    bands += [
        (f"{BANDS_PX[-1]} px and more", recall(matches, low_px=BANDS_PX[-1])),
        (f"all, {COUNTED_PX} px and more", recall(matches, low_px=COUNTED_PX)),
        ("all", recall(matches)),
    ]
    return Table(
        "Recall",
        "The share of faces found, by the shorter side of their boxes.",
        ("faces", "recall", "low", "high", "found", "of"),
        tuple((name, share.rate, *_ends(share), share.count, share.trials) for name, share in bands),
        "A band starts with its lower size and ends before its upper one. Low and high: Wilson's 95 % interval, which "
        "takes faces for independent.",
    )


def _ends(share: Proportion) -> tuple[float | None, float | None]:
    return (share.interval.low, share.interval.high) if share.trials else (None, None)


def _precision(found: DetectionEvaluation, matches: list[PhotoMatches], curves: Mapping[str, PrecisionRecall]) -> Table:
    false, photos = false_positive_count(matches), len(found.photos)
    rows = [
        (
            name,
            curve.average_precision,
            _last(curve.precision),
            _last(curve.recall),
            false,
            false / photos,
        )
        for name, curve in curves.items()
    ]
    return Table(
        "Precision",
        "At the detection threshold, and averaged over all higher ones.",
        ("faces", "average precision", "precision", "recall", "false positives", "per photo"),
        tuple(rows),
        "A false positive overlaps no labelled face, or one that a surer detection found. Faces below the size are "
        "left out, found or not. A lower --detection-threshold lets the average see more of the curve.",
    )


def _last(rates: Rates) -> float | None:
    return float(rates[-1]) if rates.size and np.isfinite(rates[-1]) else None


def _worst_photos(found: DetectionEvaluation) -> Iterator[Table]:
    counted = [(photo, int(_missed(photo).sum()), int(photo.matches.false_positives.sum())) for photo in found.photos]
    worst = sorted((each for each in counted if each[1] + each[2]), key=lambda each: -(each[1] + each[2]))
    if worst:
        yield Table(
            "Worst photos",
            "Those with most faces missed and false positives together.",
            ("photo", "faces", "missed", "false positives"),
            tuple(
                (photo.path, int((~photo.matches.faces.ignored).sum()), missed, false)
                for photo, missed, false in worst[:WORST]
            ),
        )


def _missed(photo: DetectedPhoto) -> Flags:
    return ~photo.matches.found & ~photo.matches.faces.ignored


def _failures(failed: list[DetectedPhoto]) -> Iterator[Table]:
    if failed:
        yield Table(
            "Failures",
            f"Photos that could not be decoded: {len(failed)}.",
            ("photo", "reason"),
            tuple((photo.path, photo.error.message) for photo in failed[:FAILURES] if photo.error is not None),
            f"The first {FAILURES} are listed." if len(failed) > FAILURES else "",
        )


def _plots(curves: Mapping[str, PrecisionRecall]) -> Iterator[Plot]:
    series = []
    for name, curve in curves.items():
        if curve.average_precision is None or not curve.recall.size:
            continue
        kept = np.unique(np.linspace(0, curve.recall.size - 1, min(curve.recall.size, CURVE_POINTS)).astype(int))
        label = f"{name}, AP {curve.average_precision:.3f}"
        series.append(Series(label, tuple(curve.recall[kept].tolist()), tuple(curve.precision[kept].tolist())))
    if series:
        caption = "From the surest detection on the left to the detection threshold on the right."
        yield Plot("Precision and recall", caption, "pr", tuple(series))


def _pictures(found: DetectionEvaluation) -> Iterator[PictureGroup]:
    false = [
        (float(photo.matches.scores[at]), photo, photo.boxes_xyxy[at])
        for photo in found.photos
        for at in np.flatnonzero(photo.matches.false_positives)
    ]
    false.sort(key=lambda each: -each[0])
    if false:
        yield PictureGroup(
            "Surest false positives",
            "Detections that are no labelled face, or a second one of a face; the highest scores first.",
            tuple(
                Picture((photo.path,), Path(photo.path).name, score, (_box(box),))
                for score, photo, box in false[:WORST]
            ),
        )
    missed = [
        (float(photo.matches.faces.sides_px[at]), photo, photo.matches.faces.boxes_xyxy[at])
        for photo in found.photos
        if photo.error is None
        for at in np.flatnonzero(_missed(photo))
    ]
    missed.sort(key=lambda each: -each[0])
    if missed:
        yield PictureGroup(
            "Largest faces missed",
            "Labelled faces that no detection overlaps enough.",
            tuple(
                Picture(
                    (photo.path,), f"{Path(photo.path).name}: {side:.0f} px, {_nearest(photo, box)}", None, (_box(box),)
                )
                for side, photo, box in missed[:WORST]
            ),
        )


def _nearest(photo: DetectedPhoto, box_xyxy: FloatArray) -> str:
    """Say how much of a missed face was found: a little too little is a matter of its label."""
    overlap = float(iou(box_xyxy[None], photo.boxes_xyxy).max(initial=0))
    return f"nearest detection at IoU {overlap:.2f}" if overlap else "nothing detected there"


def _box(values: Iterable[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, values)
    return left, top, right, bottom
