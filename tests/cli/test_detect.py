from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image


@pytest.mark.parametrize("detector", ["centerface", "yunet"])
def test_boxes_and_landmarks_without_names(run, sample_images: Path, detector: str) -> None:
    done = run("detect", sample_images / "group.jpg", "--detector", detector, "-f", "jsonl")

    (record,) = done.records
    assert (done.code, record["status"], record["width"], record["height"]) == (0, "ok", 2358, 720)
    assert len(record["faces"]) == 4
    for face in record["faces"]:
        assert set(face) == {"box", "landmarks", "detection_score"}
        left, top, right, bottom = face["box"]
        assert all(left < x < right and top < y < bottom for x, y in face["landmarks"])
    assert "embedder" not in record["model"]


def test_the_table(run, macron: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 50)).save(tmp_path / "black.png")

    done = run("detect", macron, tmp_path / "black.png", "-q")

    header, first, face, second, nothing = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert (header.split(), face.split()[0]) == (["face", "box"], "#1")
    assert (first, second, nothing) == (str(macron), str(tmp_path / "black.png"), "  no face found")


def test_the_detection_threshold_decides(run, macron: Path) -> None:
    assert run("detect", macron, "--detection-threshold", "0.999", "-f", "jsonl").records[0]["status"] == "no_face"


def test_turned_photos_give_boxes_of_the_upright_one(run, macron: Path, tmp_path: Path) -> None:
    with Image.open(macron) as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned by 90 degrees clockwise
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)

    upright, turned = run("detect", macron, tmp_path / "turned.jpg", "-f", "jsonl").records

    assert (turned["width"], turned["height"]) == (upright["width"], upright["height"])
    assert turned["faces"][0]["box"] == pytest.approx(upright["faces"][0]["box"], abs=4)


def test_annotated_copies_need_no_gallery(run, macron: Path, tmp_path: Path, home: Path) -> None:
    (home / "m.jpg").write_bytes(macron.read_bytes())

    assert run("detect", "m.jpg", "--annotate", tmp_path / "drawn").code == 0
    assert (tmp_path / "drawn" / "m.annotated.jpg").is_file()
