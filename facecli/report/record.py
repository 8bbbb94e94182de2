"""What is written about a photo, as plain values: the form that JSON, CSV and the table share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from facecli.types import Face, FloatArray, Identification, PhotoResult, Quality

SCHEMA: Final = 1
"""Version of the JSON objects; it grows only when a field changes its meaning or goes."""

PIXEL_DECIMALS: Final = 2  # no detector places a landmark to a hundredth of a pixel
SCORE_DECIMALS: Final = 4  # scores of the two engines agree to about 1e-4
TIME_DECIMALS: Final = 1  # of a millisecond


def photo_record(result: PhotoResult, *, with_embedding: bool = False) -> dict[str, Any]:
    """Turn a result into the object that stands on one line of JSON.

    Parameters
    ----------
    result : PhotoResult
    with_embedding : bool
        Add each face's ``embedding`` where it was made.

    Returns
    -------
    dict
        str, int, float, bool, None, list and dict only; a number that is not finite is None. Fields of steps
        that were not run are left out of a face: no ``quality``, or none of ``name``, ``person_id``, ``score``,
        ``threshold``, ``rejection`` and ``candidates``; and so is a time that was not taken.
    """
    error = result.error
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "path": result.path,
        "status": result.status,
        "error": None if error is None else {"code": error.code, "message": error.message, "hint": error.hint},
        "width": int(result.width),
        "height": int(result.height),
        "faces": [face_record(face, with_embedding=with_embedding) for face in result.faces],
        "warnings": list(result.warnings),
        "model": dict(result.model),
    }
    if result.elapsed_ms is not None:
        record["elapsed_ms"] = rounded(result.elapsed_ms, TIME_DECIMALS)
    return record


def face_record(face: Face, *, with_embedding: bool = False) -> dict[str, Any]:
    """Turn one face into plain values; see `photo_record`."""
    detection = face.detection
    record: dict[str, Any] = {
        "box": rounded_all(detection.box_xyxy, PIXEL_DECIMALS),
        "landmarks": [rounded_all(point, PIXEL_DECIMALS) for point in detection.landmarks_xy],
        "detection_score": rounded(detection.confidence, SCORE_DECIMALS),
    }
    if face.quality is not None:
        record["quality"] = _quality_record(face.quality)
    if face.identification is not None:
        record |= _identification_record(face.identification)
    if with_embedding and face.embedding is not None:
        record["embedding"] = float32_values(face.embedding.vector)
    return record


def _quality_record(quality: Quality) -> dict[str, Any]:
    record: dict[str, Any] = {"score": rounded(quality.score, SCORE_DECIMALS), "reasons": list(quality.reasons)}
    measures = {name: rounded(value, SCORE_DECIMALS) for name, value in quality.measures.items()}
    return record | {name: value for name, value in measures.items() if name not in record}


def _identification_record(identification: Identification) -> dict[str, Any]:
    person, threshold = identification.person, identification.threshold
    return {
        "name": None if person is None else person.name,
        "person_id": None if person is None else int(person.person_id),
        "score": rounded_score(best_score(identification), threshold),
        "threshold": rounded(threshold, SCORE_DECIMALS),
        "fpir": identification.fpir,
        "probability": rounded(identification.probability, SCORE_DECIMALS),
        "rejection": identification.rejection,
        "candidates": [
            {
                "name": candidate.name,
                "person_id": int(candidate.person_id),
                "score": rounded_score(candidate.score, threshold),
                "barred": candidate.is_barred,
            }
            for candidate in identification.candidates
        ],
    }


def best_score(identification: Identification) -> float | None:
    """Score of the person named or, of an unknown face, of the nearest candidate that is not barred; None without."""
    shown = identification.person or identification.nearest
    return None if shown is None else shown.score


def rounded(value: float | None, decimals: int) -> float | None:
    """Round a number; None if there is none or it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), decimals) + 0.0  # + 0.0 turns -0.0 into 0.0


def rounded_all(values: FloatArray | Iterable[float], decimals: int) -> list[float | None]:
    """Round numbers one by one; see `rounded`."""
    return [rounded(float(value), decimals) for value in values]


def rounded_score(score: float | None, threshold: float, decimals: int = SCORE_DECIMALS) -> float | None:
    """Round a score so that it still stands on its side of the rounded threshold.

    0.36298 is below 0.36304, but both round to 0.3630 and would read as a match; such a score is written one
    unit lower. Rounding never moves a score of at least the threshold below it.
    """
    shown, limit = rounded(score, decimals), rounded(threshold, decimals)
    if shown is None or limit is None or score is None or score >= threshold or shown < limit:
        return shown
    return round(limit - 10.0**-decimals, decimals)


def float32_values(vector: FloatArray) -> list[float | None]:
    """Return a float32 vector as the shortest decimals that read back as the same float32."""
    return [finite(float(str(value))) for value in np.asarray(vector, np.float32)]


def finite(value: float) -> float | None:
    """Return the number itself, or None if it is not finite."""
    return value if math.isfinite(value) else None


def plain(value: object) -> Any:
    """Turn any value into what JSON knows: numpy scalars and arrays, paths and tuples included.

    A number that is not finite becomes None; anything unknown becomes its `str`.
    """
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return finite(value)
        case np.generic() | np.ndarray():
            return plain(value.tolist())
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _:
            return str(value)
