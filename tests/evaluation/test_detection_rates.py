"""Matching of boxes, and the rates that follow, by hand and against scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from facecli.evaluation.detection import (
    LEFT_OUT,
    NONE,
    PhotoMatches,
    TrueFaces,
    false_positive_count,
    match,
    precision_recall,
    recall,
)
from facecli.evaluation.proportions import Proportion

Box = tuple[float, float, float, float]


def faces(*boxes: Box, ignored: Sequence[int] = ()) -> TrueFaces:
    flags = np.zeros(len(boxes), bool)
    flags[list(ignored)] = True
    return TrueFaces(np.array(boxes, np.float32).reshape(-1, 4), flags)


def matched(detections: Sequence[tuple[Box, float]], true: TrueFaces, iou_limit: float = 0.5) -> PhotoMatches:
    boxes = np.array([box for box, _ in detections], np.float32).reshape(-1, 4)
    return match(boxes, np.array([score for _, score in detections], np.float32), true, iou_limit=iou_limit)


LEFT: Box = (0, 0, 10, 10)
RIGHT: Box = (20, 0, 30, 10)
WIDE: Box = (0, 0, 20, 10)  # half of it is LEFT: an intersection over union of exactly 0.5


def test_each_face_is_found_by_the_surest_detection() -> None:
    photo = matched([(LEFT, 0.5), (LEFT, 0.9), (RIGHT, 0.7), ((50, 50, 60, 60), 0.6)], faces(LEFT, RIGHT))

    assert photo.face_found.tolist() == [NONE, 0, 1, NONE]
    assert photo.found.tolist() == [True, True]
    assert false_positive_count([photo]) == 2  # the second detection of a face is one


def test_of_equal_scores_the_first_chooses_first() -> None:
    assert matched([(WIDE, 0.5), (LEFT, 0.5)], faces(LEFT)).face_found.tolist() == [0, NONE]


def test_the_limit_itself_is_a_hit() -> None:
    assert matched([(WIDE, 0.5)], faces(LEFT), 0.5).face_found.tolist() == [0]
    assert matched([(WIDE, 0.5)], faces(LEFT), 0.51).face_found.tolist() == [NONE]


def test_a_detection_whose_face_is_taken_finds_another_it_overlaps() -> None:
    near: Box = (1, 0, 11, 10)

    assert matched([(LEFT, 0.9), (LEFT, 0.8)], faces(LEFT, near)).face_found.tolist() == [0, 1]


def test_ignored_faces_are_neither_found_nor_missed_nor_false() -> None:
    photo = matched([(LEFT, 0.9), (LEFT, 0.8), (RIGHT, 0.7)], faces(LEFT, RIGHT, ignored=[0]))

    assert photo.face_found.tolist() == [LEFT_OUT, LEFT_OUT, 1]
    assert recall([photo]) == Proportion(1, 1)
    assert false_positive_count([photo]) == 0


def test_a_face_is_preferred_to_an_ignored_one_that_is_nearer() -> None:
    photo = matched([(LEFT, 0.9)], faces(LEFT, (0, 0, 10, 11), ignored=[0]))

    assert photo.face_found.tolist() == [1]


def test_photos_without_detections_or_faces() -> None:
    nothing_found, nothing_there = matched([], faces(LEFT)), matched([(LEFT, 0.5)], faces())

    assert recall([nothing_found, nothing_there]) == Proportion(0, 1)
    assert false_positive_count([nothing_found, nothing_there]) == 1
    assert recall([]) == Proportion(0, 0)
    assert precision_recall([]).average_precision is None
    assert precision_recall([nothing_there]).average_precision is None
    assert precision_recall([nothing_found]).average_precision == 0


def test_recall_by_the_shorter_side() -> None:
    true = faces((0, 0, 8, 40), (50, 0, 66, 50), (100, 0, 131.5, 40), ignored=[])
    photo = matched([((50, 0, 66, 50), 0.9), ((100, 0, 131.5, 40), 0.8)], true)

    assert recall([photo], low_px=8, high_px=16) == Proportion(0, 1)
    assert recall([photo], low_px=16, high_px=32) == Proportion(2, 2)
    assert recall([photo], low_px=16.5) == Proportion(1, 1)


def test_the_curve_of_a_table() -> None:
    # Right, wrong, right, and one of four faces that is never found; the last two share a score.
    true = faces(LEFT, RIGHT, (40, 0, 50, 10), (60, 0, 70, 10))
    photo = matched([(LEFT, 0.9), ((90, 90, 99, 99), 0.8), (RIGHT, 0.7), ((40, 0, 50, 10), 0.7)], true)

    curve = precision_recall([photo])

    assert curve.thresholds.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 3 / 4])
    assert curve.recall.tolist() == pytest.approx([1 / 4, 1 / 4, 3 / 4])
    assert curve.false_positives.tolist() == [0, 1, 1]
    assert curve.average_precision == pytest.approx(1 / 4 * 1 + 2 / 4 * 3 / 4)


def test_small_faces_left_out_of_the_curve_are_no_false_positives() -> None:
    small: Box = (40, 0, 45, 9)
    photo = matched([(LEFT, 0.9), (small, 0.8)], faces(LEFT, small))

    curve = precision_recall([photo], low_px=6)

    assert (curve.precision.tolist(), curve.recall.tolist(), curve.average_precision) == ([1], [1], 1)


def test_faces_and_boxes_that_do_not_go_together() -> None:
    with pytest.raises(ValueError, match="2 faces"):
        TrueFaces(np.zeros((3, 4), np.float32), np.zeros(2, bool))


outcomes = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=40)


@given(outcomes, st.integers(0, 5))
def test_the_curve_is_that_of_scikit_learn(found: list[tuple[int, bool]], never_found: int) -> None:
    scores, right = (np.array(part) for part in zip(*found, strict=True))
    total = int(right.sum()) + never_found
    if not right.any():
        return
    boxes = [(20.0 * number, 0.0, 20.0 * number + 10, 10.0) for number in range(len(found) + never_found)]
    true = faces(*(box for box, is_face in zip(boxes, [*right, *[True] * never_found], strict=True) if is_face))
    curve = precision_recall([matched(list(zip(boxes, scores / 10, strict=False)), true)])

    precision, recall_of_found, thresholds = precision_recall_curve(right, scores / 10)
    share = right.sum() / total  # scikit-learn knows nothing of faces without a detection
    assert curve.thresholds.tolist() == pytest.approx(thresholds[::-1], abs=1e-6)
    assert curve.precision.tolist() == pytest.approx(precision[-2::-1])
    assert curve.recall.tolist() == pytest.approx(recall_of_found[-2::-1] * share)
    steps = np.diff(curve.recall, prepend=0.0)
    assert float((steps * curve.precision).sum()) == pytest.approx(average_precision_score(right, scores / 10) * share)
    best_ahead = [max(curve.precision[at:]) for at in range(len(steps))]
    assert curve.average_precision == pytest.approx(float(np.dot(steps, best_ahead)))


box = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 8), st.integers(1, 8)).map(
    lambda xywh: (float(xywh[0]), float(xywh[1]), float(xywh[0] + xywh[2]), float(xywh[1] + xywh[3]))
)


@given(
    st.lists(st.tuples(box, st.integers(0, 4)), max_size=8),
    st.lists(st.tuples(box, st.booleans()), max_size=8),
    st.integers(0, 4),
)
def test_a_matching_holds_at_every_higher_threshold(
    detections: list[tuple[Box, int]], labelled: list[tuple[Box, bool]], threshold: int
) -> None:
    true = faces(*(box for box, _ in labelled), ignored=[at for at, (_, ignored) in enumerate(labelled) if ignored])
    photo = matched(detections, true)
    sure = [number for number, (_, score) in enumerate(detections) if score >= threshold]

    assert matched([detections[number] for number in sure], true).face_found.tolist() == photo.face_found[sure].tolist()
    finders = photo.face_found[photo.face_found >= 0]
    assert len(set(finders.tolist())) == len(finders) == photo.found.sum()
    assert not photo.found[true.ignored].any()
