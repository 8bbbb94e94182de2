from __future__ import annotations

import json
import shlex
import sqlite3
from pathlib import Path

import pytest
from conftest import Run

from facecli.cli.progress import StepProgress


def findings(run: Run, *options: str) -> list[dict[str, object]]:
    done = run("gallery", "check", "-f", "json", *options)
    assert done.code == 0, done.err
    return [row for table in json.loads(done.out)["tables"] if table["name"] == "Findings" for row in table["rows"]]


def test_a_sound_gallery(run: Run, gallery: Path) -> None:
    done = run("gallery", "check", "--strict")

    assert (done.code, done.err) == (0, "")
    facts, _, advice = done.out.partition("\n\n")
    *counts, faces = facts.splitlines()
    assert counts == [
        *(f"gallery: {gallery}", "people: 3", "templates: 3"),
        *("problems: 0", "warnings: 0", "pieces of advice: 1"),
    ]
    assert faces.startswith("faces: threshold 0.")
    assert faces.endswith(
        "; photos left out: 0 of 0 missed, 0 of 0 given another name; "
        "everybody among the others: 0 of 3 (0 %) given a name"
    )
    assert advice.splitlines() == [
        "advice one_photo: 3 people have one photo: another light, pose or year is likely to be missed",
        "  measured: too few photos to measure (0 of people with three or more)",
        "  command: facecli enroll NAME PHOTO...",
    ]


def test_a_photo_under_a_wrong_name_is_found_and_its_command_mends_it(run: Run, gallery: Path, macron: Path) -> None:
    assert run("enroll", "Barack Obama", macron, "--keep-outliers").code == 0

    wrong = next(row for row in findings(run) if row["severity"] == "warning")

    assert (wrong["kind"], wrong["people"]) == ("mislabelled", "Barack Obama; Emmanuel Macron")
    assert str(wrong["photos"]).startswith(f"{macron}; ")
    assert run("gallery", "check", "--strict").code == 3
    name, *command = shlex.split(str(wrong["command"]))
    assert (name, command[:2]) == ("facecli", ["people", "drop"])
    assert run(*command).code == 0
    assert [row["kind"] for row in findings(run, "--strict")] == ["one_photo"]


def test_commands_name_the_gallery_that_was_named(run: Run, gallery: Path) -> None:
    (row,) = findings(run, "--gallery", str(gallery))
    assert row["command"] == f"facecli enroll --gallery {gallery} NAME PHOTO..."


def test_damage_is_exit_code_5_and_stops_the_comparison(run: Run, gallery: Path) -> None:
    with sqlite3.connect(gallery) as connection:
        connection.execute("UPDATE templates SET vector = zeroblob(length(vector)) WHERE template_id = 2")
    connection.close()

    done = run("gallery", "check")

    assert done.code == 5
    assert "faces: not compared: the gallery is damaged" in done.out
    assert "problem damaged: the vector of template 2 does not have its checksum" in done.out
    assert done.err.startswith(f"error: {gallery} is damaged: ")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--no-faces",), "--no-faces"),
        (("--embedder", "mobilefacenet"), "there are no templates of mobilefacenet@"),
    ],
)
def test_why_faces_are_not_compared(run: Run, gallery: Path, options: tuple[str, ...], why: str) -> None:
    done = run("gallery", "check", *options)
    assert done.code == 0
    assert f"\nfaces: not compared: {why}" in done.out


def test_an_empty_gallery_is_sound(run: Run, gallery: Path) -> None:
    for name in ("Barack Obama", "Emmanuel Macron", "Jacinda Ardern"):
        assert run("people", "remove", name, "--yes").code == 0
    done = run("gallery", "check", "--strict", "--deep")
    assert (done.code, done.err) == (0, "")
    assert "faces: not compared: nobody is enrolled" in done.out


def test_the_page_shows_the_faces(run: Run, gallery: Path, macron: Path, tmp_path: Path) -> None:
    run("enroll", "Barack Obama", macron, "--keep-outliers")

    done = run("gallery", "check", "--report", tmp_path / "page")

    assert done.code == 0
    assert "report written to" in done.err
    assert "Photos to look at" in (tmp_path / "page" / "index.html").read_text("utf-8")


def test_the_bar_shows_how_much_is_done() -> None:
    with StepProgress("comparisons") as bar:
        bar.update(1, 4)
        (task,) = bar._progress.tasks
        assert (task.description, task.percentage) == ("comparisons", 25)


def test_without_a_gallery(run: Run) -> None:
    assert run("gallery", "check").code == 5
