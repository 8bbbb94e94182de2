"""Photos of coloured squares, each found exactly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import BLUE, GREEN, RED, write_picture

from facecli.errors import InputError
from facecli.evaluation.proportions import wilson_interval
from facecli.report.document import Document, Table
from facecli.services.analysis import Analyser
from facecli.services.evaluate.detection_document import detection_document
from facecli.services.evaluate.detection_evaluation import DetectionEvaluation, evaluate_detection
from facecli.services.evaluate.face_boxes import read_face_boxes


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """One photo with a face found, one missed, one invalid; one with a false positive; one that is none."""
    write_picture(tmp_path / "a.png", (RED, 10, 10, 40), (BLUE, 60, 60, 30))
    write_picture(tmp_path / "b.png", (GREEN, 10, 10, 20))
    (tmp_path / "c.png").write_bytes(b"no photo")
    boxes = {
        "a.png": [
            {"box_xywh": [10, 10, 40, 40]},
            {"box_xywh": [60, 5, 18, 30]},
            {"box_xywh": [60, 60, 30, 30], "invalid": 1},
        ],
        "b.png": [],
        "c.png": [{"box_xywh": [5, 5, 64, 64]}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    return tmp_path


def evaluate(folder: Path, analyser: Analyser, iou_limit: float = 0.5) -> DetectionEvaluation:
    return evaluate_detection(read_face_boxes(folder / "boxes.json"), folder, analyser, iou_limit=iou_limit)


def table(made: Document, name: str) -> Table:
    return next(each for each in made.tables if each.name == name)


def test_photos_are_matched_with_their_labels(photos: Path, analyser: Analyser) -> None:
    found = evaluate(photos, analyser)

    assert [photo.path for photo in found.photos] == [str(photos / name) for name in ("a.png", "b.png", "c.png")]
    assert [photo.matches.found.tolist() for photo in found.photos] == [[True, False, False], [], [False]]
    assert [photo.matches.false_positives.tolist() for photo in found.photos] == [[False, False], [True], []]
    assert [photo.error is not None for photo in found.photos] == [False, False, True]


def test_the_document_counts_every_face(photos: Path, analyser: Analyser) -> None:
    made = detection_document(evaluate(photos, analyser), threshold=0.4, model={"detector": "fake"})

    assert made.facts == {
        "boxes": str(photos / "boxes.json"),
        "photos": 3,
        "photos that could not be decoded": 1,
        "faces": 3,
        "faces labelled invalid, not counted": 1,
        "detections": 3,
        "detection threshold": 0.4,
        "least IoU": 0.5,
        "detector": "fake",
    }
    third = wilson_interval(1, 3)
    rows = {row[0]: row[1:] for row in table(made, "Recall").rows}
    assert list(rows) == [
        "0 to 8 px",
        "8 to 16 px",
        "16 to 24 px",
        "24 to 32 px",
        "32 to 64 px",
        "64 to 128 px",
        "128 px and more",
        "all, 20 px and more",
        "all",
    ]
    assert rows["0 to 8 px"] == (None, None, None, 0, 0)
    assert rows["16 to 24 px"][3:] == (0, 1)
    assert rows["32 to 64 px"][3:] == (1, 1)
    assert rows["64 to 128 px"][3:] == (0, 1)
    assert rows["all, 20 px and more"][3:] == (1, 2)
    assert rows["all"] == (1 / 3, third.low, third.high, 1, 3)
    # The right detection and the false one have one score: precision is a half wherever there is any recall.
    assert table(made, "Precision").rows == (
        ("all sizes", pytest.approx(1 / 6), 0.5, pytest.approx(1 / 3), 1, pytest.approx(1 / 3)),
        ("20 px and more", pytest.approx(1 / 4), 0.5, 0.5, 1, pytest.approx(1 / 3)),
    )
    assert table(made, "Worst photos").rows == (
        (str(photos / "a.png"), 2, 1, 0),
        (str(photos / "b.png"), 0, 0, 1),
        (str(photos / "c.png"), 1, 1, 0),
    )
    assert [row[0] for row in table(made, "Failures").rows] == [str(photos / "c.png")]
    assert made.warnings == ("1 of 3 photos could not be decoded: their faces count as missed",)
    assert [[series.label for series in plot.series] for plot in made.plots] == [
        ["all sizes, AP 0.167", "20 px and more, AP 0.250"]
    ]


def test_the_worst_cases_are_shown_with_their_boxes(photos: Path, analyser: Analyser) -> None:
    made = detection_document(evaluate(photos, analyser), threshold=0.4, model={})

    false, missed = made.pictures
    assert [(each.paths, each.boxes_xyxy, each.score) for each in false.pictures] == [
        ((str(photos / "b.png"),), ((10, 10, 30, 30),), 0.875)
    ]
    assert [(each.paths, each.boxes_xyxy, each.text) for each in missed.pictures] == [
        ((str(photos / "a.png"),), ((60, 5, 78, 35),), "a.png: 18 px, nothing detected there")
    ]


def test_a_stricter_overlap(photos: Path, analyser: Analyser) -> None:
    boxes = {"a.png": [{"box_xywh": [10, 10, 40, 50]}], "b.png": [{"box_xywh": [10, 10, 20, 20]}]}
    (photos / "boxes.json").write_text(json.dumps(boxes))

    found = [photo.matches.found.tolist() for photo in evaluate(photos, analyser, 0.81).photos]
    made = detection_document(evaluate(photos, analyser, 0.81), threshold=0.4, model={})

    assert found == [[False], [True]]
    assert made.pictures[1].pictures[0].text == "a.png: 40 px, nearest detection at IoU 0.80"
    assert [photo.matches.found.tolist() for photo in evaluate(photos, analyser, 0.79).photos] == [[True], [True]]


def test_labels_without_any_face(photos: Path, analyser: Analyser) -> None:
    (photos / "boxes.json").write_text('{"b.png": []}')

    made = detection_document(evaluate(photos, analyser), threshold=0.4, model={})

    assert made.warnings == ("no valid face is labelled, so recall cannot be measured",)
    assert table(made, "Precision").rows[0] == ("all sizes", None, 0.0, None, 1, 1.0)
    assert made.plots == ()
    assert [group.name for group in made.pictures] == ["Surest false positives"]


def test_a_photo_of_the_list_that_is_not_there(photos: Path, analyser: Analyser) -> None:
    labels = read_face_boxes(photos / "boxes.json")

    with pytest.raises(InputError) as caught:
        evaluate_detection(labels, photos / "elsewhere", analyser)

    assert caught.value.message == (
        f"{photos}/boxes.json names {photos}/elsewhere/a.png and 2 more, which are not there"
    )


def test_photos_are_counted_as_they_are_done(photos: Path, analyser: Analyser) -> None:
    done: list[None] = []

    evaluate_detection(read_face_boxes(photos / "boxes.json"), photos, analyser, photo_done=lambda: done.append(None))

    assert len(done) == 3
