"""A photo's analysis as bytes: compact, exact, and checked.

After a byte for the form come the length of a JSON text (4 bytes, little-endian), that text, and numbers as raw
little-endian values: for each face its box, landmarks and vector as float32, then the confidence and the quality's
numbers as float64. Whatever was computed comes back bit for bit.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final
from zlib import crc32

import numpy as np

from facecli.errors import GeometryError
from facecli.types import LANDMARK_COUNT, Detection, Embedding, Face, PhotoError, PhotoResult, Quality

FORM: Final = 1
"""First byte of a record; another one is not read, and the photo is computed again."""

_BOX: Final = 4
_PLACES: Final = _BOX + 2 * LANDMARK_COUNT
_SINGLE: Final = np.dtype("<f4")
_DOUBLE: Final = np.dtype("<f8")
_HEAD: Final = struct.Struct("<BI")
_CHECK: Final = struct.Struct("<I")


def encode_analysis(result: PhotoResult) -> bytes:
    """Write down what detection and embedding gave.

    Parameters
    ----------
    result : PhotoResult
        Its `model`, `elapsed_ms` and identifications are not kept; its path only with an error, whose message names it.

    Returns
    -------
    bytes
    """
    models: list[str] = []
    measures: list[list[str]] = []
    faces, numbers = [], []
    for face in result.faces:
        about, values = _face_parts(face, models, measures)
        faces.append(about)
        numbers.append(values)
    error = result.error
    header: dict[str, Any] = {"size": [int(result.width), int(result.height)]}
    if error is not None:
        header |= {"error": [error.code, error.message, error.hint], "path": result.path}
    if result.warnings:
        header["warnings"] = list(result.warnings)
    if faces:
        header |= {"faces": faces, "models": models, "measures": measures}
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    return _HEAD.pack(FORM, len(text)) + text + b"".join(numbers)


def _face_parts(face: Face, models: list[str], measures: list[list[str]]) -> tuple[list[Any], bytes]:
    """Return what of a face is text, and what is numbers; names that faces share are collected."""
    detection, quality, embedding = face.detection, face.quality, face.embedding
    singles = [detection.box_xyxy, detection.landmarks_xy.ravel()]
    doubles = [detection.confidence]
    about: list[Any] = [None, None]
    if embedding is not None:
        singles.append(embedding.vector)
        about[0] = [_place_of(embedding.model_id, models), len(embedding.vector)]
    if quality is not None:
        names = list(quality.measures)
        doubles += [quality.score, *quality.measures.values()]
        about[1] = [_place_of(names, measures), list(quality.reasons), quality.weakest]
    return about, np.concatenate(singles).astype(_SINGLE).tobytes() + np.array(doubles, _DOUBLE).tobytes()


def _place_of(name: Any, names: list[Any]) -> int:
    if name not in names:
        names.append(name)
    return names.index(name)


def decode_analysis(record: bytes) -> PhotoResult | None:
    """Read what `encode_analysis` wrote; None if it is of another form or makes no sense."""
    try:
        form, length = _HEAD.unpack_from(record)
        if form != FORM:
            return None
        start = _HEAD.size + length
        header = json.loads(record[_HEAD.size : start])
        if not isinstance(header, dict):
            return None
        faces, end = _decoded_faces(record, start, header)
        if end != len(record):
            return None
        error = PhotoError(*header["error"]) if "error" in header else None
        width, height = header["size"]
        return PhotoResult(
            path=header.get("path", ""),
            status="error" if error else "ok" if faces else "no_face",
            width=width,
            height=height,
            faces=faces,
            error=error,
            warnings=tuple(header.get("warnings", ())),
        )
    except (ValueError, TypeError, LookupError, RecursionError, struct.error, GeometryError):
        return None


def _decoded_faces(record: bytes, at: int, header: dict[str, Any]) -> tuple[tuple[Face, ...], int]:
    faces = []
    for embedded, judged in header.get("faces", ()):
        model, dimension = embedded if embedded is not None else (None, 0)
        singles = np.frombuffer(record, _SINGLE, _PLACES + dimension, at).astype(np.float32)
        at += singles.nbytes
        names = header["measures"][judged[0]] if judged is not None else []
        doubles = np.frombuffer(record, _DOUBLE, 1 if judged is None else 2 + len(names), at)
        at += doubles.nbytes
        confidence, *numbers = doubles.tolist()
        detection = Detection(singles[:_BOX], singles[_BOX:_PLACES].reshape(LANDMARK_COUNT, 2), confidence)
        quality = None
        if judged is not None:
            _, reasons, weakest = judged
            score, *values = numbers
            quality = Quality(score, tuple(reasons), dict(zip(names, values, strict=True)), weakest)
        embedding = Embedding(singles[_PLACES:], header["models"][model]) if embedded is not None else None
        faces.append(Face(detection, quality, embedding))
    return tuple(faces), at


def seal(record: bytes, *context: bytes) -> bytes:
    """Put a checksum in front of a record, over it and what it belongs to."""
    return _CHECK.pack(_checksum(record, context)) + record


def unseal(sealed: bytes, *context: bytes) -> bytes | None:
    """Return the record behind its checksum; None if a bit of it, or of what it belongs to, is not as it was."""
    if len(sealed) < _CHECK.size or _CHECK.unpack_from(sealed)[0] != _checksum(sealed[_CHECK.size :], context):
        return None
    return sealed[_CHECK.size :]


def _checksum(record: bytes, context: tuple[bytes, ...]) -> int:
    checksum = 0
    for part in (*context, record):
        checksum = crc32(part, checksum)
    return checksum


def unchecked(sealed: bytes) -> bytes:
    """Return the record behind a checksum, whatever that says."""
    return sealed[_CHECK.size :]
