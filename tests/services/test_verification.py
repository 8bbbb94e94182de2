from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fakes import BLUE, FACELESS, GREEN, RED, YELLOW, picture

from facecli.errors import InputError, NoFaceError, SeveralFacesError
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.verification import verify

HALF = float(np.float32(0.5**0.5))


def source(path: str, *squares: object) -> PhotoSource:
    return PhotoSource(path, picture(*squares))


@pytest.mark.parametrize(
    ("other", "threshold", "score", "same"),
    [
        (RED, 1.0, 1.0, True),
        (YELLOW, 0.5, HALF, True),
        (YELLOW, HALF, HALF, True),
        (YELLOW, 0.75, HALF, False),
        (BLUE, 0.5, 0.0, False),
    ],
)
def test_the_score_decides(
    analyser: Analyser, other: tuple[int, int, int], threshold: float, score: float, same: bool
) -> None:
    answer = verify(source("a", (RED, 0, 0, 50)), source("b", (other, 9, 9, 70)), analyser, threshold=threshold)

    assert (answer.path_a, answer.path_b, answer.threshold) == ("a", "b", threshold)
    assert answer.score == pytest.approx(score, abs=1e-7)
    assert answer.is_same_person is same
    assert [round(face.detection.size_px) for face in (answer.face_a, answer.face_b)] == [50, 70]


def test_warnings_of_both_photos_are_kept(analyser: Analyser) -> None:
    marred = ((RED, 0, 0, 40), (FACELESS, 60, 60, 30))

    answer = verify(source("a", *marred), source("b", *marred), analyser, threshold=0.5)

    assert answer.warnings == ("a face was left out: the landmarks coincide",) * 2


def test_photos_that_cannot_be_compared_are_errors(analyser: Analyser) -> None:
    red, nobody = source("red", (RED, 0, 0, 40)), source("nobody")
    crowd = source("crowd", (RED, 0, 0, 40), (GREEN, 50, 50, 38))

    with pytest.raises(NoFaceError, match="nobody"):
        verify(red, nobody, analyser, threshold=0.5)
    with pytest.raises(SeveralFacesError, match="crowd"):
        verify(crowd, red, analyser, threshold=0.5)
    with pytest.raises(InputError, match=r"absent\.jpg does not exist") as caught:
        verify(red, PhotoSource("absent.jpg"), analyser, threshold=0.5)
    assert caught.value.code == "not_found"
    assert "spelling" in caught.value.hint


def test_the_largest_of_several_is_compared_if_asked(analyser: Analyser) -> None:
    crowd = source("crowd", (RED, 0, 0, 40), (GREEN, 50, 50, 38))

    answer = verify(crowd, source("red", (RED, 0, 0, 40)), analyser, threshold=0.5, on_multi="largest")

    assert answer.is_same_person


def test_an_analyser_without_an_embedder_is_a_mistake(make_analyser: Callable[..., Analyser]) -> None:
    red = source("red", (RED, 0, 0, 40))

    with pytest.raises(ValueError, match="embedder"):
        verify(red, red, make_analyser(embed=False), threshold=0.5)
