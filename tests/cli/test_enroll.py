from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facecli import app as application
from facecli.scores import ScoreDistribution, Tail
from facecli.services import enrolment
from facecli.services.enrolment import Enrolment


def test_a_folder_of_people(run, sample_images: Path, home: Path) -> None:
    done = run("enroll", sample_images / "known", "-f", "csv")

    known = sample_images / "known"
    assert (done.code, done.out) == (
        0,
        "name,path,status,quality,note\n"
        f"Barack Obama,{known}/Barack Obama/obama.jpg,enrolled,1.0,\n"
        f"Emmanuel Macron,{known}/Emmanuel Macron/macron_2014.jpg,enrolled,1.0,\n"
        f"Jacinda Ardern,{known}/Jacinda Ardern/ardern_2018.jpg,enrolled,1.0,\n",
    )
    assert done.err == f"3 enrolled, of 3 people, in {home}/data/facecli/gallery.db\n"


def test_a_name_and_photos_twice(run, macron: Path, tmp_path: Path) -> None:
    gallery = tmp_path / "new" / "people.db"

    first = run("-g", gallery, "enroll", "Emmanuel", macron, "-f", "jsonl")
    second = run("-g", gallery, "enroll", "Emmanuel", macron, "-f", "jsonl")

    (record,) = first.records
    assert record == {
        "name": "Emmanuel",
        "path": str(macron),
        "status": "enrolled",
        "quality": 1.0,
        "note": "",
        "template_id": 1,
        "error": None,
    }
    assert (first.code, first.err) == (0, f"1 enrolled, of 1 person, in {gallery}\n")
    assert [each["status"] for each in second.records] == ["already"]
    assert (second.code, second.err) == (0, f"1 already enrolled, of 1 person, in {gallery}\n")


def test_photos_that_fail_stop_nothing(run, macron: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes(macron.read_bytes()[:2000])

    done = run("enroll", "Ana", "absent.jpg", tmp_path / "torn.jpg", macron, "-f", "json")

    records = json.loads(done.out)
    assert done.code == 3
    assert [each["status"] for each in records] == ["error", "error", "enrolled"]
    assert [each["error"] and each["error"]["code"] for each in records] == ["not_found", "truncated", None]
    assert records[0]["note"] == f"absent.jpg does not exist ({records[0]['error']['hint']})"
    assert done.err.startswith("1 enrolled, 2 failed, of 1 person, in ")


@pytest.mark.parametrize(
    ("choice", "code", "status"), [("error", 3, "error"), ("skip", 0, "skipped"), ("largest", 0, "enrolled")]
)
def test_a_photo_of_several_people(run, sample_images: Path, choice: str, code: int, status: str) -> None:
    done = run("enroll", "Ana", sample_images / "group.jpg", "--on-multi", choice, "-f", "jsonl")

    assert (done.code, done.records[0]["status"]) == (code, status)
    if status != "enrolled":
        assert "4 faces of a like size" in done.records[0]["note"]
        assert "--on-multi largest" in done.records[0]["note"]


def test_a_dry_run_leaves_nothing_behind(run, macron: Path, home: Path) -> None:
    done = run("enroll", "Ana", macron, "--dry-run", "-f", "jsonl", "-q")

    assert (done.code, done.records[0]["status"], done.err) == (0, "would_enrol", "")
    assert not list(home.rglob("*.db"))


def test_min_quality_refuses_and_says_why(run, sample_images: Path, tmp_path: Path) -> None:
    from PIL import Image

    small = tmp_path / "small.png"
    with Image.open(sample_images / "stranger.jpg") as image:
        image.resize((56, 67)).save(small)

    done = run("enroll", "Ana", small, "--min-quality", "0.9", "-f", "jsonl")

    assert (done.code, done.records[0]["error"]["code"]) == (3, "low_quality")
    assert "asked for 0.90" in done.records[0]["note"]


def test_one_photo_under_two_names_is_noted(run, macron: Path, tmp_path: Path) -> None:
    for name in ("Ana", "Bo"):
        (tmp_path / "people" / name).mkdir(parents=True)
        shutil.copy(macron, tmp_path / "people" / name)

    done = run("enroll", tmp_path / "people", "-f", "jsonl")

    assert [each["note"] for each in done.records] == [
        "",
        "the same photo is enrolled as Ana: one of the two names is wrong; "
        "looks like Ana (1.00), who is enrolled already: the same person under two names?",
    ]


@pytest.fixture
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every embedder scores: pairs of different people reach 0.3 in 1 case of 100, and 0.4 in 1 of 1,000."""
    scores = ScoreDistribution(
        non_mated=np.array([(0.5, 0.05), (0.01, 0.3), (0.001, 0.4)]),
        tail=Tail(start=0.4, share=0.001, scale=0.02, shape=0.0),
        mated=np.array([(0.01, 0.4), (0.5, 0.7)]),
        non_mated_pairs=1_000_000,
        mated_pairs=1000,
        people=100,
        probability=(0.0, 1.0),
        measured_on="nothing",
    )
    monkeypatch.setattr(application, "read_scores", lambda *_: scores)


@pytest.mark.usefixtures("_measured")
@pytest.mark.parametrize("choice", [[], ["--keep-outliers"], ["--dry-run"]])
def test_a_wrong_photo_in_a_folder(run, macron: Path, obama: Path, tmp_path: Path, choice: list[str]) -> None:
    from PIL import Image

    folder = tmp_path / "Emmanuel"
    folder.mkdir()
    with Image.open(macron) as image:
        image.save(folder / "1.png")
        image.convert("L").save(folder / "2.png")
    shutil.copy(obama, folder / "wrong.jpg")
    run("enroll", "Barack Obama", obama)

    done = run("enroll", "Emmanuel", folder, *choice, "-f", "jsonl")

    assert [each["error"] and each["error"]["code"] for each in done.records[:2]] == [None, None]
    wrong = done.records[2]
    assert f"the face in {folder}/wrong.jpg is unlike Emmanuel's 2 other photos (best score" in wrong["note"]
    assert "is usual among these), and like Barack Obama (1.00)" in wrong["note"]
    if choice == ["--keep-outliers"]:
        assert (done.code, wrong["status"], wrong["error"]) == (0, "enrolled", None)
    else:
        assert (done.code, wrong["status"], wrong["error"]["code"]) == (3, "error", "unlike_the_others")
        assert wrong["error"]["hint"].endswith("If it is Emmanuel, enrol it with --keep-outliers.")
    people = {each["name"] for each in run("people", "list", "-f", "jsonl").records}
    assert people == ({"Barack Obama"} if choice == ["--dry-run"] else {"Barack Obama", "Emmanuel"})


def test_photos_named_by_a_camera_make_nobody(run, macron: Path, tmp_path: Path) -> None:
    for name in ("IMG_1.jpg", "Emmanuel_1.jpg"):
        shutil.copy(macron, tmp_path / name)

    done = run("enroll", tmp_path, "-f", "jsonl")

    assert done.code == 3
    assert [(each["name"], each["status"]) for each in done.records] == [("Emmanuel", "enrolled"), ("IMG_1", "error")]
    assert "called as cameras and programs call photos" in done.records[1]["note"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["enroll", "Ana"], 2, "error: no photo of Ana was named\n  hint: Use: facecli enroll NAME PHOTO…"),
        (["enroll", "ana.jpg"], 2, "error: whose photo is ana.jpg?\n  hint: Use: "),
        (["enroll", "."], 1, "error: no photos were found in .\n  hint: A folder to enrol holds one folder"),
        (["enroll", "A\tB", "x.jpg"], 1, "error: the name 'A\\tB' holds the control character U+0009\n"),
        (["enroll", "", "x.jpg"], 1, "error: a name is empty\n"),
        (["enroll", "Ana", "x.jpg", "--on-multi", "all"], 2, "error: --on-multi cannot be 'all'\n  hint: Choose one"),
        (["enroll", "Ana", "x.jpg", "--min-quality", "1.5"], 2, "error: --min-quality: min_quality must be between 0 "),
        (["enroll", "Ana", "x.jpg", "--embedder", "nope"], 2, "error: there is no model called 'nope'\n"),
    ],
)
def test_calls_that_cannot_work_say_why_and_make_no_gallery(
    run, home: Path, arguments: list[str], code: int, message: str
) -> None:
    done = run(*arguments)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(message)
    assert not list(home.rglob("*.db"))


def test_words_that_typer_refuses(run) -> None:
    done = run("enroll")

    assert (done.code, done.out) == (2, "")
    assert "Usage: facecli enroll" in done.err


def test_what_was_enrolled_before_an_interruption_is_listed(run, monkeypatch: pytest.MonkeyPatch, macron: Path) -> None:
    def interrupted(*arguments: object, **options: object) -> Iterator[Enrolment]:
        yield Enrolment("Ana", "1.jpg", "enrolled", template_id=1)
        raise KeyboardInterrupt

    monkeypatch.setattr(enrolment, "enrol", interrupted)

    done = run("enroll", "Ana", macron, macron, "-f", "csv")

    assert (done.code, done.err) == (130, "interrupted\n")
    assert done.out == "name,path,status,quality,note\nAna,1.jpg,enrolled,,\n"


def test_a_file_that_is_no_gallery_is_left_alone(run, macron: Path, tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    other.write_text("no gallery, but dear to somebody" * 100)

    done = run("enroll", "Ana", macron, "-g", other)

    assert (done.code, done.out) == (5, "")
    assert done.err == (
        f"error: {other} is not a facecli gallery\n"
        "  hint: Name the gallery with --gallery PATH, or choose a new file.\n"
    )
    assert other.read_text() == "no gallery, but dear to somebody" * 100
