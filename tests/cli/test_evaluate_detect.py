from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facecli.geometry import iou


@pytest.fixture
def labelled(run, tmp_path: Path, sample_images: Path) -> Path:
    """Boxes of what is found in a photo, with one of them left out and one that is not there, and an empty photo."""
    found = json.loads(run("detect", sample_images / "group.jpg", "-f", "jsonl").out)["faces"]
    assert len(found) == 4
    boxes = [face["box"] for face in found[:3]]
    lines = [f"group.jpg,{left},{top},{right - left},{bottom - top}" for left, top, right, bottom in boxes]
    away = [0, 0, 30, 30]
    assert iou(np.array([away], np.float32), np.array([face["box"] for face in found], np.float32)).max() == 0
    lines += ["group.jpg,0,0,30,30", "blue.png,,,,"]
    path = tmp_path / "photos" / "boxes.csv"
    path.parent.mkdir()
    (path.parent / "group.jpg").symlink_to(sample_images / "group.jpg")
    Image.new("RGB", (99, 99), "navy").save(path.parent / "blue.png")
    path.write_text("\n".join(["file,left,top,width,height", *lines]) + "\n")
    return path


def test_faces_found_missed_and_false(run, labelled: Path, tmp_path: Path) -> None:
    done = run("evaluate", "detect", "--boxes", labelled, "-f", "json", "--report", tmp_path / "page")

    answer = json.loads(done.out)
    tables = {table["name"]: table["rows"] for table in answer["tables"]}
    assert done.code == 0
    assert (answer["facts"]["photos"], answer["facts"]["faces"], answer["facts"]["detection threshold"]) == (2, 4, 0.4)
    assert {key: tables["Recall"][-1][key] for key in ("recall", "found", "of")} == {
        "recall": 0.75,
        "found": 3,
        "of": 4,
    }
    assert [(row["false positives"], row["per photo"]) for row in tables["Precision"]] == [(1, 0.5)] * 2
    assert [row["photo"] for row in tables["Worst photos"]] == [str(labelled.parent / "group.jpg")]
    assert "Largest faces missed" in (tmp_path / "page" / "index.html").read_text()


def test_thresholds_and_folders_can_be_given(run, labelled: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.csv"
    labelled.rename(elsewhere)

    done = run(
        "evaluate", "detect", "--boxes", elsewhere, "--root", labelled.parent, "--iou", "1",
        "--detection-threshold", "0.99", "-f", "json",
    )  # fmt: skip

    facts = json.loads(done.out)["facts"]
    assert done.code == 0
    assert (facts["least IoU"], facts["detection threshold"], facts["detections"]) == (1, 0.99, 0)


def test_calls_that_measure_nothing(run, labelled: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("file,left,top,width,height\ngroup.jpg,1,2,3,wide\n")
    detect = ("evaluate", "detect", "--boxes")

    done = [
        run(*detect, tmp_path / "absent.json"),
        run(*detect, bad),
        run(*detect, labelled, "--root", tmp_path),
        run(*detect, labelled, "--iou", "0"),
    ]

    assert [each.code for each in done] == [1, 1, 1, 2]
    assert [each.out for each in done] == [""] * 4
    assert [each.err.partition("\n")[0] for each in done] == [
        f"error: {tmp_path}/absent.json does not exist",
        f"error: {bad}: line 2: a box is four numbers, not ['1', '2', '3', 'wide']",
        f"error: {labelled} names {tmp_path}/group.jpg and 1 more, which are not there",
        "error: --iou cannot be 0",
    ]


@pytest.mark.slow
def test_the_figures_of_wider_face(run, data_dir: Path) -> None:
    """What tests/bench/RESULTS.md states for the detector as it is set."""
    done = run("evaluate", "detect", "--boxes", data_dir / "wider_train" / "boxes.json", "-f", "json")

    tables = {table["name"]: table["rows"] for table in json.loads(done.out)["tables"]}
    (large,) = [row for row in tables["Recall"] if row["faces"] == "all, 20 px and more"]
    # Rounding differs between processors: a face or two may cross the threshold.
    assert (large["found"], large["of"]) == (pytest.approx(493, abs=2), 530)
    assert tables["Precision"][0]["false positives"] == pytest.approx(16, abs=2)
