"""One result of each kind, small enough to write its whole output down."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from photo_results import ADA, BOB, THRESHOLD, WANG, make_face

from facecli.types import Detection, Embedding, Face, Identification, PhotoError, PhotoResult, Quality


@pytest.fixture
def named() -> PhotoResult:
    """One face with everything known about it."""
    face = make_face(
        quality=Quality(0.93, (), {"size_px": 118.5}),
        embedding=Embedding(np.array([0.6, 0.8], np.float32), "fake"),
        identification=Identification((ADA, WANG), THRESHOLD, ADA, fpir=0.01, probability=0.99912),
    )
    model = {"detector": "fake", "embedder": "fake"}
    return PhotoResult("photos/team.jpg", "ok", 1200, 800, (face,), model=model, elapsed_ms=12.345)


@pytest.fixture
def unknown() -> PhotoResult:
    """A face just below the threshold, and one that was not compared."""
    identification = Identification((BOB, WANG), THRESHOLD, None)
    quality = Quality(0.12, ("blurred", "too_dark"), {"sharpness": 0.1})
    faces = (make_face(1300.0, quality=quality, identification=identification), make_face(5.0))
    return PhotoResult("photos/a,b.jpg", "ok", 1500, 800, faces, elapsed_ms=3.0)


@pytest.fixture
def no_face() -> PhotoResult:
    return PhotoResult("photos/new\nline\x1b[31m.jpg", "no_face", 10, 20, elapsed_ms=1.0)


@pytest.fixture
def failed() -> PhotoResult:
    """A photo that cannot be read, and whose name is no UTF-8."""
    error = PhotoError("unreadable_image", "photos/bad.jpg is no picture", "Copy it again.")
    return PhotoResult("photos/bad\udcff.jpg", "error", error=error, warnings=("it is empty",))


@pytest.fixture
def results(
    named: PhotoResult, unknown: PhotoResult, no_face: PhotoResult, failed: PhotoResult
) -> tuple[PhotoResult, ...]:
    return named, unknown, no_face, failed


@pytest.fixture
def face_at() -> Callable[..., Face]:
    """Return a maker of faces with any box and identification."""

    def make(box: object, landmarks: object = None, identification: Identification | None = None) -> Face:
        points = np.zeros((5, 2), np.float32) if landmarks is None else np.array(landmarks, np.float32)
        return Face(Detection(np.array(box, np.float32), points, 0.9), identification=identification)

    return make
