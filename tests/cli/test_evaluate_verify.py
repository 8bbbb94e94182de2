from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

DEFAULT_FACE = "central"


@pytest.fixture
def root(tmp_path: Path, obama: Path, macron: Path) -> Path:
    """Two photos of two people each, the second a smaller mirror image, and one of nobody."""
    for name, photo in (("obama", obama), ("macron", macron)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        with Image.open(photo) as image:
            image.save(tmp_path / "photos" / name / "1.png")
            smaller = image.resize((image.width * 3 // 4, image.height * 3 // 4))
            smaller.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "photos" / name / "2.png")
    (tmp_path / "photos" / "nobody").mkdir()
    Image.new("RGB", (99, 99), "navy").save(tmp_path / "photos" / "nobody" / "1.png")
    return tmp_path / "photos"


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.csv"
    path.write_text(
        "mated,file_a,file_b,country\n"
        "1,obama/1.png,obama/2.png,US\n"
        "1,macron/1.png,macron/2.png,FR\n"
        "0,obama/1.png,macron/1.png,US\n"
        "0,macron/2.png,nobody/1.png,FR\n"
    )
    return path


def test_the_people_of_the_samples_are_told_apart(run, pairs: Path, root: Path, match_threshold: float) -> None:
    done = run("evaluate", "verify", "--pairs", pairs, "--root", root, "-f", "json")
    found = json.loads(done.out)
    facts, tables = found["facts"], {table["name"]: table["rows"] for table in found["tables"]}

    assert done.code == 0
    assert (facts["photos"], facts["people"], facts["mated pairs"], facts["non-mated pairs"]) == (5, 3, 2, 2)
    assert (facts["photos failed to enrol"], facts["FTE"], facts["pairs with such a photo, never a match"]) == (
        1,
        0.2,
        1,
    )
    assert (facts["face taken"], facts["threshold in use"]) == (DEFAULT_FACE, match_threshold)
    used = {row["error"]: row for row in tables["At the threshold in use"]}
    assert [(used[error]["errors"], used[error]["trials"]) for error in ("FMR", "FNMR")] == [(0, 2), (0, 2)]
    assert used["FMR"]["high"] > 0.5  # none was seen, but in two
    assert [row["group"] for row in tables["By country, at the threshold in use"]] == ["FR", "US"]
    assert {plot["kind"] for plot in found["plots"]} == {"det", "roc", "histogram"}
    assert done.err == "warning: 2 of 2 groups are too small for their rates to be compared: the tables say which\n"


def test_as_text_with_a_threshold_and_a_page(run, pairs: Path, root: Path, tmp_path: Path) -> None:
    page = tmp_path / "page"
    done = run("evaluate", "verify", "--pairs", pairs, "--root", root, "--threshold", "-1", "--report", page)

    assert done.code == 0
    assert done.out.startswith("Verification\n")
    assert "FNMR at fixed FMR" in done.out
    assert "a score of -1 or more is a match" in done.out
    assert done.err.endswith(f"report written to {page}/index.html\n")
    assert "Highest non-mated scores" in (page / "index.html").read_text(encoding="utf-8")


def test_a_failure_to_enrol_is_missed_at_any_threshold(run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "hopeless.csv").write_text(
        "mated,file_a,file_b,person_a,person_b\n1,obama/1.png,nobody/1.png,obama,obama\n"
        "0,macron/1.png,nobody/1.png,macron,obama\n"
    )
    done = run(
        "-q",
        "evaluate",
        "verify",
        "--pairs",
        tmp_path / "hopeless.csv",
        "--root",
        root,
        "--threshold",
        "-1",
        "-f",
        "json",
    )
    tables = {table["name"]: table["rows"] for table in json.loads(done.out)["tables"]}

    assert (done.code, done.err) == (0, "")
    assert [(row["error"], row["rate"]) for row in tables["At the threshold in use"]] == [("FMR", 0), ("FNMR", 1)]
    assert [row["reason"] for row in tables["Failures to enrol"]] == ["no_face"]


def test_the_root_is_the_folder_of_the_list(run, root: Path) -> None:
    (root / "pairs.txt").write_text("1\nobama 1 2\nobama 1 macron 2\n")
    for name in ("obama", "macron"):
        for number in (1, 2):
            (root / name / f"{number}.png").rename(root / name / f"{name}_000{number}.png")
    done = run("-q", "evaluate", "verify", "--pairs", root / "pairs.txt", "-f", "csv")
    values = {(row["part"], row["column"]): row["value"] for row in csv.DictReader(done.out.splitlines())}

    assert (done.code, done.err) == (0, "")
    assert values["fact", "photos"] == "3"
    assert values["fact", "people told apart by"] == "the list"


def test_wrong_calls(run, pairs: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("mated,file_a,file_b\n1,x.jpg,y.jpg\n")
    absent = run("evaluate", "verify", "--pairs", tmp_path / "absent.csv")
    missing = run("evaluate", "verify", "--pairs", tmp_path / "bad.csv", "--root", root)
    face = run("evaluate", "verify", "--pairs", pairs, "--face", "prettiest")
    form = run("evaluate", "verify", "--pairs", pairs, "-f", "xml")
    folds = run("evaluate", "verify", "--pairs", pairs, "--root", root, "--folds", "40")
    none = run("evaluate", "verify")

    assert [each.code for each in (absent, missing, face, form, folds, none)] == [1, 1, 2, 2, 2, 2]
    assert [each.out for each in (absent, missing, face, form, folds, none)] == [""] * 6
    assert absent.err.startswith(f"error: {tmp_path}/absent.csv does not exist\n  hint: ")
    assert missing.err == (
        f"error: {tmp_path}/bad.csv, line 2: {root}/x.jpg does not exist\n  hint: Its files are relative to --root.\n"
    )
    assert face.err.startswith("error: --face cannot be 'prettiest'\n")
    assert folds.err.startswith(f"error: {pairs} cannot be dealt into 40 folds: ")
