from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def smaller(tmp_path: Path, obama: Path) -> Path:
    """Another picture of the same person."""
    with Image.open(obama) as image:
        image.reduce(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "smaller.png")
    return tmp_path / "smaller.png"


def test_one_person(run, obama: Path, smaller: Path, match_threshold: float) -> None:
    done = run("verify", obama, smaller, "-f", "json")

    (answer,) = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert (answer["answer"], answer["same_person"]) == ("same person", True)
    assert answer["score"] >= answer["threshold"] == match_threshold
    assert (answer["path_a"], answer["path_b"]) == (str(obama), str(smaller))
    assert len(answer["face_a"]["landmarks"]) == 5


def test_two_people_are_exit_code_10(run, obama: Path, macron: Path, match_threshold: float) -> None:
    done = run("verify", obama, macron, "-f", "csv")

    header, row = done.out.splitlines()
    assert (done.code, done.err) == (10, "")
    assert header == "answer,score,threshold,path_a,path_b"
    assert row.startswith("different people,")
    assert row.endswith(f",{match_threshold},{obama},{macron}")


def test_the_threshold_can_be_given(run, obama: Path, macron: Path) -> None:
    assert run("verify", obama, macron, "--threshold", "-1").code == 0


def test_standard_input_is_one_of_the_two(run, obama: Path, smaller: Path) -> None:
    first = run("verify", "-", smaller, stdin=obama.read_bytes())
    second = run("verify", smaller, "-", stdin=obama.read_bytes())

    assert (first.code, second.code) == (0, 0)
    assert run("verify", "-", "-", stdin=obama.read_bytes()).code == 2


def test_says_what_was_chosen(run, obama: Path, smaller: Path) -> None:
    done = run("-v", "verify", obama, smaller, "-f", "json", "--device", "cpu", "--precision", "f32")

    model = json.loads(done.out)[0]["model"]
    assert (model["engine"], model["device"], model["precision"]) == ("openvino:cpu", "cpu", "f32")
    assert done.err == ", ".join(f"{key} {value}" for key, value in model.items()) + "\n"


def test_needs_no_gallery(run, obama: Path, home: Path) -> None:
    run("verify", obama, obama)

    assert not list(home.rglob("*.db"))


def test_several_people(run, sample_images: Path, obama: Path) -> None:
    group = sample_images / "group.jpg"

    refused = run("verify", group, obama)
    largest = run("verify", group, obama, "--on-multi", "largest")

    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"error: 4 faces of a like size are in {group}\n"
        "  hint: Crop the photo to one person, or pass --on-multi largest or --on-multi central.\n"
    )
    assert largest.code == 10


def test_photos_that_cannot_be_compared(run, obama: Path, tmp_path: Path) -> None:
    Image.new("RGB", (99, 99), "navy").save(tmp_path / "blue.png")

    absent = run("verify", obama, "absent.jpg")
    nobody = run("verify", obama, tmp_path / "blue.png")
    folder = run("verify", obama, tmp_path)
    wrong = run("verify", obama, obama, "--on-multi", "skip")

    assert [each.code for each in (absent, nobody, folder, wrong)] == [1, 1, 1, 2]
    assert [each.out for each in (absent, nobody, folder, wrong)] == [""] * 4
    assert absent.err.startswith("error: absent.jpg does not exist\n  hint: ")
    assert nobody.err.startswith(f"error: no face was found in {tmp_path}/blue.png\n  hint: ")
    assert folder.err.startswith(f"error: {tmp_path} is a folder, not a photo\n")
    assert wrong.err.startswith("error: --on-multi cannot be 'skip'\n")
