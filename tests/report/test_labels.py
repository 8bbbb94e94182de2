from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_results import ADA, WANG, make_face

from facecli.report import fonts
from facecli.report.labels import Label, make_label, place_labels
from facecli.types import Candidate, Identification


def words(label: Label | None) -> str | None:
    return None if label is None else "".join(text for text, _ in label.pieces)


@pytest.fixture
def ascii_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "font_files", tuple)
    fonts._font_for.cache_clear()
    yield
    fonts._font_for.cache_clear()


@pytest.mark.usefixtures("ascii_only")
@pytest.mark.parametrize(
    ("identification", "text"),
    [
        (Identification((ADA,), 0.3, ADA), "Ada Lovelace 0.71"),
        (Identification((ADA,), 0.9, None), "unknown"),
        (Identification((ADA,), 0.3, None, rejection="low_quality"), "unknown (low quality)"),
        (Identification((WANG,), 0.05, WANG), "person 3 0.10"),
        (None, "#7"),
    ],
)
def test_words(identification: Identification | None, text: str) -> None:
    assert words(make_label(make_face(identification=identification), 7, 16, 1000)) == text


def test_long_name_is_shortened_to_fit_and_keeps_its_score() -> None:
    person = Candidate(1, 1, "Karl-Theodor Maria Nikolaus Johann", 1, 0.5)
    label = make_label(make_face(identification=Identification((person,), 0.3, person)), 1, 16, 200)
    assert label.size_px[0] <= 200
    assert words(label).startswith("Karl")
    assert words(label).endswith("... 0.50")


def test_no_room_for_a_letter_gives_no_label() -> None:
    assert make_label(make_face(identification=Identification((ADA,), 0.3, ADA)), 1, 16, 10) is None


def test_label_stands_above_its_box() -> None:
    boxes = np.array([[100, 100, 200, 220]], np.float32)
    assert place_labels(boxes, [(80, 20)], 400, 400, gap_px=2) == [(100, 78)]


def test_label_goes_below_a_box_at_the_top() -> None:
    boxes = np.array([[100, 0, 200, 120]], np.float32)
    assert place_labels(boxes, [(80, 20)], 400, 400, gap_px=2) == [(100, 122)]


def test_label_keeps_clear_of_the_face_above() -> None:
    boxes = np.array([[100, 130, 200, 220], [90, 20, 210, 128]], np.float32)
    assert place_labels(boxes, [(80, 20)], 400, 400, gap_px=2) == [(100, 222)]


def test_labels_of_coinciding_boxes_do_not_cover_each_other() -> None:
    boxes = np.array([[100, 100, 200, 200]] * 6, np.float32)
    corners = place_labels(boxes, [(80, 20)] * 6, 400, 400, gap_px=2)
    for index, (x, y) in enumerate(corners):
        for other_x, other_y in corners[:index]:
            assert abs(x - other_x) >= 80 or abs(y - other_y) >= 20


sides = st.floats(-500, 1500)


@given(
    st.lists(st.tuples(sides, sides, st.floats(1, 900), st.floats(1, 900)), min_size=1, max_size=6),
    st.integers(30, 1000),
    st.integers(10, 1000),
)
def test_labels_stay_inside_the_picture(boxes: list[tuple[float, ...]], width: int, height: int) -> None:
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes], np.float32)
    for x, y in place_labels(corners, [(30, 10)] * len(boxes), width, height, gap_px=3):
        assert 0 <= x <= width - 30
        assert 0 <= y <= height - 10
