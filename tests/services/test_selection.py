from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from facecli.errors import InputError, NoFaceError, SeveralFacesError, UsageError
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.selection import OnMulti, numbered_face, photo_and_face, the_face
from facecli.types import Detection, Face, Quality


def face(size: float, left: float = 0, inside: float | None = None) -> Face:
    box = np.array([left, 0, left + size, size], np.float32)
    quality = None if inside is None else Quality(1.0, (), {"inside": inside})
    return Face(Detection(box, np.zeros((5, 2), np.float32), 0.9), quality)


def analysis(*sizes: float) -> Analysis:
    return of(*map(face, sizes))


def of(*faces: Face) -> Analysis:
    return Analysis(PhotoSource("team.jpg"), width=200, height=100, faces=faces)


@pytest.mark.parametrize("sizes", [(80,), (80, 39), (39, 80, 20, 10)])
def test_the_one_large_face_is_meant(sizes: tuple[float, ...]) -> None:
    assert the_face(analysis(*sizes)).detection.size_px == 80


@pytest.mark.parametrize(("sizes", "count"), [((80, 40), 2), ((80, 80, 80), 3), ((41, 10, 80), 2)])
def test_faces_of_a_like_size_are_ambiguous(sizes: tuple[float, ...], count: int) -> None:
    with pytest.raises(SeveralFacesError) as caught:
        the_face(analysis(*sizes))
    assert caught.value.message == f"{count} faces of a like size are in team.jpg"


def test_the_largest_is_taken_if_asked() -> None:
    assert the_face(analysis(40, 81, 80), "largest").detection.size_px == 81


@pytest.mark.parametrize("on_multi", get_args(OnMulti))
def test_a_photo_without_a_face_is_an_error(on_multi: OnMulti) -> None:
    with pytest.raises(NoFaceError, match=r"no face was found in team\.jpg"):
        the_face(analysis(), on_multi)


def test_the_central_is_taken_if_asked() -> None:
    left, middle = face(80, left=0), face(60, left=80)
    assert the_face(of(left, middle), "central") is middle


def test_a_face_cut_by_the_border_is_no_rival_of_a_whole_one() -> None:
    whole, cut = face(80, inside=0.95), face(70, left=150, inside=0.6)
    assert the_face(of(cut, whole)) is whole


def test_a_larger_face_is_a_rival_even_if_it_is_cut() -> None:
    with pytest.raises(SeveralFacesError, match="2 faces"):
        the_face(of(face(60, inside=1.0), face(80, inside=0.8)))


def test_where_every_face_is_cut_the_sizes_decide() -> None:
    large = face(80, inside=0.8)
    assert the_face(of(large, face(30, inside=0.8))) is large
    with pytest.raises(SeveralFacesError):
        the_face(of(large, face(60, inside=0.5)))


@pytest.mark.parametrize(
    ("argument", "parted"),
    [
        ("a.jpg", ("a.jpg", None)),
        ("a.jpg#2", ("a.jpg", 2)),
        ("a#1.jpg#12", ("a#1.jpg", 12)),
        ("#2", ("#2", None)),
        ("a.jpg#", ("a.jpg#", None)),
        ("a.jpg#two", ("a.jpg#two", None)),
        ("line\nbreak.jpg#3", ("line\nbreak.jpg", 3)),
        ("nul\0.jpg#1", ("nul\0.jpg", 1)),
        ("bad\udcff.jpg#1", ("bad\udcff.jpg", 1)),
    ],
)
def test_a_number_behind_a_photo_is_of_a_face(argument: str, parted: tuple[str, int | None]) -> None:
    assert photo_and_face(argument) == parted


def test_a_file_that_is_called_so_is_the_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg#2").touch()
    assert photo_and_face("a.jpg#2") == ("a.jpg#2", None)
    assert photo_and_face("a.jpg#2#1") == ("a.jpg#2", 1)
    assert photo_and_face("a.jpg#1") == ("a.jpg", 1)


def test_faces_count_from_one() -> None:
    with pytest.raises(UsageError) as caught:
        photo_and_face("a.jpg#0")
    assert caught.value.hint == "Faces count from 1, as in the reports: a.jpg#1"
    found = of(face(30), face(80), face(50))
    assert [numbered_face(found, number).detection.size_px for number in (1, 2, 3)] == [30, 80, 50]
    with pytest.raises(InputError, match=r"team.jpg has 3 faces, not 4"):
        numbered_face(found, 4)
    with pytest.raises(NoFaceError):
        numbered_face(analysis(), 1)
