from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from answers import named


@pytest.fixture
def album(tmp_path: Path, macron: Path) -> Path:
    folder = tmp_path / "album"
    for path in ("img10.jpg", "img2.jpg", "deep/img1.jpg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(macron, folder / path)
    return folder


def test_a_line_a_photo_in_the_order_people_sort(run, gallery: Path, album: Path) -> None:
    done = run("scan", album)

    assert done.code == 0
    assert [each["path"] for each in done.records] == [
        f"{album}/{name}" for name in ("img2.jpg", "img10.jpg", "deep/img1.jpg")
    ]
    assert named(done.records) == [["Emmanuel Macron"]] * 3
    assert done.err.startswith("3 photos, 3 faces (3 named, 0 unknown) in ")


def test_what_fails_is_a_line_and_exit_code_3(run, gallery: Path, album: Path) -> None:
    (album / "img3.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn at once")

    done = run("scan", album, "-q")

    assert (done.code, done.err) == (3, "")
    assert [each["status"] for each in done.records] == ["ok", "error", "ok", "ok"]


def test_batches_and_threads_change_nothing(run, gallery: Path, album: Path) -> None:
    one = run("scan", album, "--jobs", "1", "--batch-size", "1", "-q")
    many = run("scan", album, "--jobs", "3", "--batch-size", "8", "-q")

    assert [each["path"] for each in one.records] == [each["path"] for each in many.records]
    assert named(one.records) == named(many.records)


def test_a_file_of_results_and_annotated_copies(run, gallery: Path, album: Path, tmp_path: Path) -> None:
    done = run("scan", album, "-o", tmp_path / "r.csv", "-f", "csv", "--annotate", tmp_path / "drawn")

    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "r.csv").read_text().count("Emmanuel Macron") == 6  # name and nearest of each
    assert (tmp_path / "drawn" / "deep" / "img1.annotated.jpg").is_file()


def test_an_empty_folder_and_a_missing_one(run, gallery: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    empty = run("scan", tmp_path / "empty")
    missing = run("scan", tmp_path / "absent")

    assert (empty.code, empty.out) == (0, "")
    assert empty.err.startswith(f"warning: no photos were found in {tmp_path}/empty\n")
    assert (missing.code, missing.records[0]["error"]["code"]) == (3, "not_found")


def test_without_a_folder_or_a_gallery(run, tmp_path: Path) -> None:
    assert run("scan").code == 2
    assert run("scan", tmp_path).code == 5
