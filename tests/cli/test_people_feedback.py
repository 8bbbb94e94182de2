"""``facecli people not`` and ``confirm``, and what they do to identify and scan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from answers import named

from facecli import Recognizer
from facecli.app import App
from facecli.gallery.store import Gallery

OBAMA = "Barack Obama"
EVERYBODY = [[OBAMA, "Jacinda Ardern", None, "Emmanuel Macron"]]
NOT_OBAMA = [[None, *EVERYBODY[0][1:]]]


@pytest.fixture
def group(sample_images: Path) -> Path:
    return sample_images / "group.jpg"


def negatives(gallery: Path) -> list[str]:
    with Gallery.open(gallery, read_only=True) as opened:
        return [Path(each.source).name for each in opened.templates(is_negative=True)]


def test_who_was_named_wrongly_is_unknown_from_then_on(run, gallery: Path, group: Path, tmp_path: Path) -> None:
    done = run("people", "not", OBAMA, group)

    assert (done.code, negatives(gallery)) == (0, ["group.jpg"])
    first, last = done.err.splitlines()
    assert first.startswith(f"{group}#3 is noted as not {OBAMA}: was named {OBAMA} with score 0.8")
    assert "; is unknown (nearest " in first
    assert first.endswith(" now")
    assert last == "event 4; take it back with: facecli people undo 4"

    answer = run("identify", group, "-f", "jsonl", "-k", "1")
    assert named(answer.records) == NOT_OBAMA
    (face,) = (each for each in answer.records[0]["faces"] if each["rejection"])
    assert face["rejection"] == "not_this_person"
    assert [(each["name"] == OBAMA, each["barred"]) for each in face["candidates"]] == [(True, True), (False, False)]
    assert face["score"] == face["candidates"][1]["score"] < face["threshold"]
    assert "unknown (not Barack" in run("identify", group).out

    scanned = tmp_path / "scanned"
    scanned.mkdir()
    shutil.copy(group, scanned)
    assert named(run("scan", scanned, "-f", "jsonl").records) == NOT_OBAMA
    with Recognizer(gallery) as recognizer:
        (result,) = recognizer.identify([group])
    assert sum(each.identification.rejection == "not_this_person" for each in result.faces) == 1


def test_a_scan_that_knows_the_photo_knows_what_was_said_since(run, gallery: Path, group: Path, tmp_path: Path) -> None:
    scanned = tmp_path / "scanned"
    scanned.mkdir()
    shutil.copy(group, scanned)
    answers = []
    for words in (["list"], ["not", OBAMA, group], ["confirm", OBAMA, f"{group}#3"]):
        run("people", *words)
        answers.append(named(run("scan", scanned, "-f", "jsonl").records))
    assert answers == [EVERYBODY, NOT_OBAMA, EVERYBODY]
    assert negatives(gallery) == []


def test_a_photo_of_somebody_still_shows_them(run, gallery: Path, group: Path, obama: Path) -> None:
    run("people", "not", OBAMA, f"{group}#1")  # that is Macron
    assert named(run("identify", group, obama, "-f", "jsonl").records) == [*EVERYBODY, [OBAMA]]


def test_confirming_an_answer_enrols_that_face(run, gallery: Path, group: Path) -> None:
    done = run("people", "confirm", OBAMA, group, "-f", "jsonl")

    (record,) = done.records
    assert done.code == 0
    assert {key: record[key] for key in ("name", "face", "status", "template_id", "error")} == {
        **{"name": OBAMA, "face": 3, "status": "noted", "template_id": 4, "error": None}
    }
    assert (record["before"]["name"], record["before"]["score"] < 0.9) == (OBAMA, True)
    assert record["after"] == {"name": OBAMA, "score": 1.0, "rejection": None}
    assert run("people", "confirm", OBAMA, f"{group}#3", "-f", "jsonl").records[0]["status"] == "already"
    shown = run("people", "show", OBAMA, "-f", "jsonl").records
    assert [Path(each["source"]).name for each in shown] == ["obama.jpg", "group.jpg"]


def test_somebody_new_is_enrolled_from_one_face_if_that_is_said(run, gallery: Path, group: Path) -> None:
    refused = run("people", "confirm", "Zoe", f"{group}#4")
    done = run("people", "confirm", "Zoe", f"{group}#4", "--new")

    assert (refused.code, done.code) == (5, 0)
    assert (
        refused.err.splitlines()[1]
        == "  hint: See who is enrolled: facecli people list. If this is somebody new: --new"
    )
    assert named(run("identify", group, "-f", "jsonl").records) == [[*EVERYBODY[0][:2], "Zoe", EVERYBODY[0][3]]]


def test_a_file_whose_name_ends_like_a_face_s_number(run, gallery: Path, obama: Path, home: Path) -> None:
    shutil.copy(obama, home / "photo.jpg#2")
    assert run("people", "not", "Jacinda Ardern", "photo.jpg#2").code == 0
    assert run("people", "not", "Jacinda Ardern", "photo.jpg#2#1", "-f", "jsonl").records[0]["status"] == "already"
    assert negatives(gallery) == ["photo.jpg#2"]


def test_what_cannot_be_said(run, gallery: Path, group: Path) -> None:
    several = run("people", "not", "Jacinda Ardern", f"{group}#9", "absent.jpg", f"{group}#2", "-f", "jsonl")
    nobody = run("people", "not", "Barak Obama", group)
    zero = run("people", "not", OBAMA, f"{group}#0")

    assert (several.code, nobody.code, zero.code) == (3, 5, 2)
    assert [each["error"] and each["error"]["code"] for each in several.records] == ["no_such_face", "not_found", None]
    assert "absent.jpg: absent.jpg does not exist" in several.err
    assert "Did you mean Barack Obama?" in nobody.err
    assert f"{group}#1" in zero.err


def test_a_dry_run_stores_nothing(run, gallery: Path, group: Path) -> None:
    before = gallery.read_bytes()
    for word in ("not", "confirm"):
        done = run("people", word, OBAMA, group, "--dry-run", "-f", "jsonl")
        assert (done.code, done.records[0]["status"]) == (0, "would_note")
        assert "event" not in done.err
    with Gallery.open(gallery, read_only=True) as opened:
        assert (len(opened.templates()), opened.templates(is_negative=True)) == (3, [])
    assert len(gallery.read_bytes()) == len(before)


def test_show_lists_both(run, gallery: Path, group: Path) -> None:
    assert "is not" not in run("people", "show", OBAMA).out
    run("people", "not", OBAMA, group)
    done = run("people", "show", OBAMA)
    assert "is not" in done.out.splitlines()[0]
    assert [each["is_not"] for each in run("people", "show", OBAMA, "-f", "jsonl").records] == [False, True]


def test_an_embedder_that_nobody_measured_needs_no_threshold_for_it(
    run, gallery: Path, obama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(App, "scores", None)
    done = run("people", "not", OBAMA, obama, "-f", "jsonl")
    assert (done.code, done.records[0]["before"], done.records[0]["status"]) == (0, None, "noted")
    assert "which is taken back" in done.records[0]["note"]
    assert done.err.startswith(f"{obama}#1 is noted as not {OBAMA}\nevent 4")
