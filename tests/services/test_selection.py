from __future__ import annotations

import numpy as np
import pytest

from facecli.errors import NoFaceError, SeveralFacesError
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.selection import the_face
from facecli.types import Detection, Face


def analysis(*sizes: float) -> Analysis:
    faces = [
        Face(Detection(np.array([0, 0, size, size], np.float32), np.zeros((5, 2), np.float32), 0.9)) for size in sizes
    ]
    return Analysis(PhotoSource("team.jpg"), faces=tuple(faces))


@pytest.mark.parametrize("sizes", [(80,), (80, 39), (39, 80, 20, 10)])
def test_the_one_large_face_is_meant(sizes: tuple[float, ...]) -> None:
    assert the_face(analysis(*sizes), take_largest=False).detection.size_px == 80


@pytest.mark.parametrize(("sizes", "count"), [((80, 40), 2), ((80, 80, 80), 3), ((41, 10, 80), 2)])
def test_faces_of_a_like_size_are_ambiguous(sizes: tuple[float, ...], count: int) -> None:
    with pytest.raises(SeveralFacesError) as caught:
        the_face(analysis(*sizes), take_largest=False)
    assert caught.value.message == f"{count} faces of a like size are in team.jpg"


def test_the_largest_is_taken_if_asked() -> None:
    assert the_face(analysis(40, 81, 80), take_largest=True).detection.size_px == 81


@pytest.mark.parametrize("take_largest", [False, True])
def test_a_photo_without_a_face_is_an_error(take_largest: bool) -> None:
    with pytest.raises(NoFaceError, match=r"no face was found in team\.jpg"):
        the_face(analysis(), take_largest=take_largest)
