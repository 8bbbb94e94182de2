from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_results import ADA, make_face
from PIL import Image

from facecli.errors import FacecliError
from facecli.report.annotate import annotate, annotated_path, save_annotated
from facecli.report.drawing import DETECTED, NAMED, UNKNOWN
from facecli.types import Candidate, Detection, Face, Identification, Photo, PhotoResult

GREY = 120
IDENTIFICATIONS = {
    "named": Identification((ADA,), 0.3, ADA),
    "unknown": Identification((ADA,), 0.9, None),
    "detected": None,
}


def grey(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def has_colour(pixels: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((pixels == colour).all(-1).any())


@pytest.mark.parametrize(("kind", "style"), [("named", NAMED), ("unknown", UNKNOWN), ("detected", DETECTED)])
def test_each_kind_of_face_has_its_colour(kind: str, style: object) -> None:
    result = PhotoResult("x", "ok", faces=(make_face(100.0, identification=IDENTIFICATIONS[kind]),))
    drawn = annotate(grey(400, 300), result)
    others = {NAMED.fill, UNKNOWN.fill} - {style.fill}
    assert has_colour(drawn, style.fill)
    assert not any(has_colour(drawn, other) for other in others)


def test_an_unknown_face_has_a_broken_line_and_a_named_one_has_not() -> None:
    def left_side(kind: str) -> np.ndarray:
        face = make_face(100.0, identification=IDENTIFICATIONS[kind])
        return annotate(grey(400, 300), PhotoResult("x", "ok", faces=(face,)))[15:145, 100]

    assert not (left_side("named") == GREY).all(-1).any()
    assert (left_side("unknown") == GREY).all(-1).any()


def test_box_and_landmarks_lie_where_the_scale_puts_them() -> None:
    face = make_face(100.0)  # box (100, 10) to (200, 150), left eye (30, 40)
    drawn = annotate(grey(400, 200), PhotoResult("x", "ok", faces=(face,)), np.array([2, 0.5], np.float32))
    assert tuple(drawn[40, 200]) == DETECTED.fill  # middle of the left side
    assert tuple(drawn[20, 60]) == DETECTED.fill  # left eye
    assert tuple(drawn[40, 300]) == (GREY,) * 3  # inside of the box


def test_photo_is_not_written_to_and_without_faces_is_only_copied() -> None:
    photo = grey(50, 40)
    photo.flags.writeable = False
    drawn = annotate(photo, PhotoResult("x", "no_face"))
    np.testing.assert_array_equal(drawn, photo)
    assert drawn.flags.writeable


def test_faces_outside_of_the_photo_are_left_out(face_at) -> None:
    faces = (face_at([-50, -50, -10, -10], [[-1, -1]] * 5), face_at([500, 5, 600, 50], [[500, 5]] * 5))
    drawn = annotate(grey(100, 100), PhotoResult("x", "ok", faces=faces))
    np.testing.assert_array_equal(drawn, grey(100, 100))


numbers = st.floats(width=32, allow_nan=False) | st.floats(-100, 400, width=32)
names = st.text(max_size=20) | st.sampled_from(["محمد بن سلمان", "王小明", "🎉", "a" * 500, "\udcff"])


@settings(deadline=None, max_examples=60)
@given(st.data(), st.integers(1, 300), st.integers(1, 300))
def test_any_boxes_can_be_drawn_into_any_photo(data: st.DataObject, width: int, height: int) -> None:
    faces = []
    for _ in range(data.draw(st.integers(0, 4))):
        left, right = sorted((data.draw(numbers), data.draw(numbers)))
        top, bottom = sorted((data.draw(numbers), data.draw(numbers)))
        if left == right or top == bottom:
            continue
        points = np.array(data.draw(st.lists(st.floats(width=32), min_size=10, max_size=10)), np.float32)
        person = Candidate(1, 1, data.draw(names), 1, 0.5)
        named = data.draw(
            st.sampled_from([None, Identification((), 0.3, None), Identification((person,), 0.3, person)])
        )
        detection = Detection(np.array([left, top, right, bottom], np.float32), points.reshape(5, 2), 0.9)
        faces.append(Face(detection, identification=named))
    drawn = annotate(grey(width, height), PhotoResult("x", "ok", faces=tuple(faces)))
    assert (drawn.shape, drawn.dtype) == ((height, width, 3), np.uint8)


def test_a_photo_of_one_pixel(face_at) -> None:
    face = face_at([-math.inf, -1, 1e30, 1], identification=IDENTIFICATIONS["named"])
    assert annotate(grey(1, 1), PhotoResult("x", "ok", faces=(face,))).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("source", "root", "expected"),
    [
        ("x.jpg", None, "x.annotated.jpg"),
        ("a/x.jpg", None, "a/x.annotated.jpg"),
        ("photos/a/x.jpg", "photos", "a/x.annotated.jpg"),
        ("/home/ada/x.HEIC", "/home/ada", "x.HEIC.annotated.jpg"),
        ("/home/ada/x.jpg", None, "home/ada/x.annotated.jpg"),
        ("../../x.png", "photos", "__/__/x.png.annotated.jpg"),
        ("-", None, "-.annotated.jpg"),
    ],
)
def test_annotated_path(source: str, root: str | None, expected: str) -> None:
    assert annotated_path(source, Path("out"), None if root is None else Path(root)) == Path("out", expected)


@pytest.mark.parametrize("source", ["../x.jpg", "/../../x.jpg", "a/../../x.jpg", "photos/../../x.jpg"])
@pytest.mark.parametrize("root", [None, Path("photos")])
def test_annotated_path_never_leaves_its_folder(source: str, root: Path | None, tmp_path: Path) -> None:
    assert annotated_path(source, tmp_path, root).resolve().is_relative_to(tmp_path.resolve())


def test_save_annotated_writes_one_readable_jpeg_of_the_same_size(tmp_path: Path, named: PhotoResult) -> None:
    target = save_annotated(named, Photo(grey(400, 300)), tmp_path / "out")
    assert target == tmp_path / "out" / "photos" / "team.annotated.jpg"
    with Image.open(target) as picture:
        assert (picture.format, picture.size) == ("JPEG", (400, 300))
        assert len(picture.getexif()) == 0
        assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert [path.name for path in target.parent.iterdir()] == ["team.annotated.jpg"]


def test_save_annotated_draws_boxes_at_the_scale_of_the_photo(tmp_path: Path) -> None:
    result = PhotoResult("x.jpg", "ok", 800, 600, (make_face(200.0),))
    target = save_annotated(result, Photo(grey(400, 300), full_width=800, full_height=600), tmp_path)
    with Image.open(target) as picture:
        assert min(picture.getpixel((100, 40))) > 200  # the left side, at half of 200


def test_save_annotated_in_the_photos_own_folder_leaves_the_photo(tmp_path: Path) -> None:
    source = tmp_path / "x.jpg"
    source.write_bytes(b"the photo")
    target = save_annotated(PhotoResult(str(source), "no_face"), Photo(grey(9, 9)), tmp_path, root=tmp_path)
    assert target == tmp_path / "x.annotated.jpg"
    assert source.read_bytes() == b"the photo"


def test_save_annotated_replaces_an_earlier_picture(tmp_path: Path) -> None:
    for side in (20, 30):
        target = save_annotated(PhotoResult("x.jpg", "no_face"), Photo(grey(side, side)), tmp_path)
    with Image.open(target) as picture:
        assert picture.size == (30, 30)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_save_annotated_leaves_the_file_readable_for_others(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        target = save_annotated(PhotoResult("x.jpg", "no_face"), Photo(grey(9, 9)), tmp_path)
    finally:
        os.umask(before)
    assert target.stat().st_mode & 0o777 == 0o644


def test_save_annotated_shrinks_what_jpeg_cannot_hold(tmp_path: Path) -> None:
    target = save_annotated(PhotoResult("x.jpg", "no_face"), Photo(grey(70_000, 4)), tmp_path)
    with Image.open(target) as picture:
        assert picture.size == (65_500, 4)


def test_save_annotated_says_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FacecliError, match=r"cannot write the annotated picture of x\.jpg to .*file") as caught:
        save_annotated(PhotoResult("x.jpg", "no_face"), Photo(grey(9, 9)), tmp_path / "file")
    assert caught.value.code == "cannot_write"
    assert caught.value.hint == "Name a folder that can be written and has room."


def test_save_annotated_leaves_nothing_behind_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FacecliError, match="No space left on device"):
        save_annotated(PhotoResult("x.jpg", "no_face"), Photo(grey(9, 9)), tmp_path)
    assert list(tmp_path.iterdir()) == []
