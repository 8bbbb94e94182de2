from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def probes(tmp_path: Path, sample_images: Path, obama: Path, macron: Path) -> Path:
    """Two people of the gallery in pictures that differ, one of them faceless; a stranger; and a photo enrolled."""
    folder = tmp_path / "probes"
    for name in ("Barack Obama", "Emmanuel Macron", "Stranger"):
        (folder / name).mkdir(parents=True)
    with Image.open(obama) as image:
        image.reduce(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "Barack Obama" / "smaller.png")
    Image.new("RGB", (99, 99), "navy").save(folder / "Emmanuel Macron" / "blue.png")
    shutil.copy(macron, folder / "Emmanuel Macron")
    shutil.copy(sample_images / "stranger.jpg", folder / "Stranger")
    return folder


def rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return next(table["rows"] for table in answer["tables"] if table["name"] == name)


def test_a_folder_is_enrolled_for_the_call_alone(run, sample_images: Path, probes: Path, home: Path) -> None:
    done = run("evaluate", "identify", "--gallery", sample_images / "known", "--probes", probes, "-f", "json")

    answer = json.loads(done.out)
    facts = answer["facts"]
    assert (done.code, done.err) == (0, "")
    assert (facts["people in the gallery (N)"], facts["templates in the gallery"]) == (3, 3)
    assert (facts["mated probes"], facts["non-mated probes"], facts["probes without a template"]) == (2, 1, 1)
    assert facts["probes left out, as they are in the gallery"] == 1
    in_use = rows(answer, "Error rates")[0]
    assert (in_use["FPIR"], in_use["FNIR"]) == (0, 0.5)
    assert rows(answer, "Ranks") == [{"R": rank, "hit rate": 0.5, "FNIR": 0.5} for rank in (1, 2, 3)]
    (stranger,) = answer["pictures"][0]["pictures"]
    assert stranger["text"].startswith("Stranger nearest to ")
    assert stranger["score"] < facts["threshold in use"] < 1
    assert not list(home.rglob("*.db"))


def test_the_gallery_of_the_settings(run, gallery: Path, probes: Path) -> None:
    before = gallery.read_bytes()

    done = run("evaluate", "identify", "--probes", probes, "--threshold", "-1", "-f", "csv")

    assert done.code == 0
    assert f"fact,,,,gallery,{gallery}\n" in done.out
    assert "table,Counts,,1,false positives,1\n" in done.out
    assert "table,Counts,,1,misses,1\n" in done.out
    assert 'fact,,,,"probes left out, as they are in the gallery",1\n' in done.out
    assert gallery.read_bytes() == before


def test_as_a_table_with_a_page(run, sample_images: Path, probes: Path, tmp_path: Path) -> None:
    done = run("evaluate", "identify", "-g", sample_images / "known", "--probes", probes, "--report", tmp_path / "page")

    assert done.code == 0
    assert done.out.startswith("Identification\n")
    assert "n/a: 1 non-mated searches, 10 needed" in done.out
    assert "no face was found in" in done.out
    assert "Strangers nearest to somebody" in (tmp_path / "page" / "index.html").read_text()


def test_calls_that_measure_nothing(run, sample_images: Path, probes: Path, tmp_path: Path) -> None:
    known, empty = sample_images / "known", tmp_path / "empty"
    empty.mkdir()
    identify = ("evaluate", "identify")

    no_gallery = run(*identify, "--probes", probes)
    no_people = run(*identify, "--gallery", known, "--probes", empty)
    flat = run(*identify, "--gallery", known / "Barack Obama", "--probes", probes)
    absent = run(*identify, "--gallery", known, "--probes", tmp_path / "absent")
    same = run(*identify, "--gallery", known, "--probes", known)
    word = run(*identify, "--gallery", known, "--probes", probes, "--on-multi", "skip")

    assert [each.code for each in (no_gallery, no_people, flat, absent, same, word)] == [5, 1, 1, 1, 1, 2]
    assert [each.out for each in (no_gallery, no_people, flat, absent, same, word)] == [""] * 6
    assert no_people.err.startswith(f"error: {empty} holds no folders of people\n  hint: ")
    assert flat.err.startswith(f"error: {known}/Barack Obama holds no folders of people\n  hint: ")
    assert absent.err.startswith(f"error: {tmp_path}/absent does not exist\n  hint: ")
    assert same.err.startswith(f"error: every photo in {known} is also in the gallery {known}\n  hint: ")
    assert word.err.startswith("error: --on-multi cannot be 'skip'\n")
