from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from answers import named

from facecli.errors import FacecliError
from facecli.gallery.store import Gallery
from facecli.report.json_lines import JsonLinesWriter
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.scans.store import ScanStore
from facecli.types import PhotoResult


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


def test_after_enrolling_somebody_a_scan_only_compares(
    run, gallery: Path, album: Path, obama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(obama, album / "img11.jpg")
    run("people", "remove", "Barack Obama", "--yes")
    before = run("scan", album)
    run("enroll", "Barack", obama)
    monkeypatch.setattr(OpenVinoEngine, "load", lambda *_: pytest.fail("a network was loaded"))

    after = run("scan", album)

    assert named(before.records) == [["Emmanuel Macron"]] * 2 + [[None], ["Emmanuel Macron"]]
    assert named(after.records) == [["Emmanuel Macron"]] * 2 + [["Barack"], ["Emmanuel Macron"]]
    assert all("elapsed_ms" not in each for each in after.records)


def test_two_scans_write_the_same_bytes_in_every_format(run, gallery: Path, album: Path, tmp_path: Path) -> None:
    for name in ("r.jsonl", "r.json", "r.csv"):
        run("scan", album, "-o", tmp_path / f"first.{name}", "--jobs", "1")
        run("scan", album, "-o", tmp_path / f"second.{name}", "--jobs", "3", "--fresh")

        assert (tmp_path / f"first.{name}").read_bytes() == (tmp_path / f"second.{name}").read_bytes()


def interrupted(run, album: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Leave a scan behind that ended before its second line."""
    write, lines = JsonLinesWriter.write, []

    def write_one(writer: JsonLinesWriter, result: PhotoResult) -> None:
        lines.append(result)
        if len(lines) == 2:
            raise KeyboardInterrupt
        write(writer, result)

    with monkeypatch.context() as patch:
        patch.setattr(JsonLinesWriter, "write", write_one)
        assert run("scan", album, *options).code == 130


def test_an_interrupted_scan_goes_on_when_asked(run, gallery: Path, album: Path, monkeypatch) -> None:
    whole = run("scan", album)
    interrupted(run, album, monkeypatch, "--fresh")
    (album / "img1.jpg").write_bytes(b"listed too late")

    resumed = run("scan", album, "--fresh", "--resume")
    anew = run("scan", album, "--resume")

    assert (resumed.code, resumed.out) == (0, whole.out)
    assert re.fullmatch(r"going on with scan 2: [123] of 3 photos are done\n3 photos, .*\n", resumed.err)
    assert (anew.code, len(anew.records)) == (3, 4)
    assert anew.err.startswith("no scan of this was interrupted, so it begins anew\n")


@pytest.mark.parametrize(
    "ending", ["UPDATE scans SET finished_at = '2026-01-01T00:00:00Z'", "DELETE FROM scans"], ids=["ended", "forgotten"]
)
def test_a_scan_that_ends_before_it_is_gone_on_with_empties_no_file(
    run, gallery: Path, album: Path, home: Path, monkeypatch, ending: str
) -> None:
    interrupted(run, album, monkeypatch)
    (home / "found.jsonl").write_text("what was found before\n")

    def end(*_: object) -> None:
        with closing(sqlite3.connect(home / "state" / "facecli" / "scans.db")) as connection, connection:
            connection.execute(ending)

    monkeypatch.setattr("facecli.cli.scanning.say_rule", end)

    done = run("scan", album, "--resume", "-o", home / "found.jsonl")

    assert (done.code, done.err.splitlines()[0]) == (
        1,
        "error: scan 1 cannot be gone on with: it has ended or was forgotten meanwhile",
    )
    assert (home / "found.jsonl").read_text() == "what was found before\n"
    with ScanStore.open(home / "state" / "facecli" / "scans.db") as store, pytest.raises(FacecliError) as caught:
        store.take_over(1)
    assert caught.value.code == "scan_gone"


def test_a_file_that_cannot_be_written_replaces_no_interrupted_scan(
    run, gallery: Path, album: Path, tmp_path: Path, monkeypatch
) -> None:
    interrupted(run, album, monkeypatch)

    done = run("scan", album, "-o", tmp_path / "absent" / "found.jsonl")

    assert (done.code, done.err.splitlines()[0]) == (
        1,
        f"error: cannot write {tmp_path}/absent/found.jsonl: there is no such folder",
    )
    assert [each["scan"] for each in run("scans", "list", "-f", "jsonl").records] == [1]


def test_without_resume_it_begins_anew_and_says_so(run, gallery: Path, album: Path, monkeypatch) -> None:
    interrupted(run, album, monkeypatch)

    done = run("scan", album)
    again = run("scan", album, "-q")

    assert re.match(
        r"scan 1 of this was interrupted after [123] of 3 photos; --resume would go on with it, now it begins anew\n",
        done.err,
    )
    assert (done.code, len(done.records)) == (0, 3)
    assert (again.code, again.err, again.out) == (0, "", done.out)


def test_what_would_give_other_results_is_named(run, gallery: Path, album: Path, obama: Path, monkeypatch) -> None:
    interrupted(run, album, monkeypatch)
    run("enroll", "Barack", obama)

    refused = run("scan", album, "--resume", "--no-mirror", "-k", "1")

    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "error: scan 1 cannot be gone on with: mirror: True, now False; candidates: 3, now 1; "
        "the gallery has 1 change since\n"
        "  hint: Leave --resume out to begin anew. What still fits of what was found is used.\n"
    )


def test_another_precision_is_not_gone_on_with(run, gallery: Path, album: Path, monkeypatch) -> None:
    interrupted(run, album, monkeypatch)
    chosen = run("detect", album / "img2.jpg", "-f", "jsonl").records[0]["model"]["precision"]
    other = {"bf16": "f32", "f32": "bf16"}[chosen]

    refused = run("scan", album, "--resume", "--precision", other)

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: scan 1 cannot be gone on with: precision: {chosen}, now {other}\n")


def test_a_gallery_that_changes_meanwhile_is_searched_as_it_was(
    run, gallery: Path, album: Path, obama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(obama, album / "deep" / "obama.jpg")
    write, removed = JsonLinesWriter.write, []

    def remove_and_write(writer: JsonLinesWriter, result: PhotoResult) -> None:
        write(writer, result)
        if not removed:
            with Gallery.open(gallery) as opened:
                removed.append(opened.remove_person("Barack Obama"))

    monkeypatch.setattr(JsonLinesWriter, "write", remove_and_write)

    done = run("scan", album, "--jobs", "1")

    assert removed == [1]
    assert named(done.records)[-1] == ["Barack Obama"]
    assert done.err.endswith(
        "the gallery has changed meanwhile; every photo was compared with it as it was at the beginning\n"
    )


def test_an_update_does_not_read_what_is_unchanged(run, gallery: Path, album: Path, macron: Path) -> None:
    for path in album.rglob("*.jpg"):
        os.utime(path, (1e9, 1e9))
    first = run("scan", album)
    unreadable = album / "img2.jpg"
    unreadable.write_bytes(bytes(unreadable.stat().st_size))
    os.utime(unreadable, (1e9, 1e9))
    (album / "deep" / "img1.jpg").rename(album / "deep" / "moved.jpg")

    done = run("scan", album, "--update")

    assert done.code == 0
    assert [each["path"] for each in done.records] == [
        f"{album}/{n}" for n in ("img2.jpg", "img10.jpg", "deep/moved.jpg")
    ]
    assert done.records[:2] == first.records[:2]
    assert done.records[2]["faces"] == first.records[2]["faces"]
    assert run("scan", album).records[0]["error"]["code"] == "not_an_image"


def test_nothing_is_kept_if_that_is_wished(run, gallery: Path, album: Path, home: Path) -> None:
    done = run("scan", album, "--no-store", "-o", home / "r.jsonl")

    assert done.code == 0
    assert not (home / "state").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--no-store", "--resume"], "--resume goes by what is kept, and --no-store keeps nothing"),
        (["--no-store", "--update"], "--update goes by what is kept, and --no-store keeps nothing"),
        (["--fresh", "--update"], "--fresh analyses every photo and --update none that is known"),
        (["--interval", "3"], "--interval is for --watch, which was not given"),
        (["--watch", "--interval", "0"], "--interval must be more than 0 seconds, not 0"),
        (["--watch", "-f", "csv"], "--watch writes line after line, which csv cannot"),
        (["--resume", "-"], "a photo on standard input cannot be gone on with, updated or watched"),
    ],
)
def test_words_that_contradict_each_other(run, gallery: Path, album: Path, words: list[str], message: str) -> None:
    done = run("scan", album, *words)

    assert (done.code, done.err.splitlines()[0]) == (2, f"error: {message}")


def test_a_damaged_file_of_scans_is_replaced(run, gallery: Path, album: Path, home: Path) -> None:
    first = run("scan", album)
    (home / "state" / "facecli" / "scans.db").write_bytes(b"torn" * 300)

    done = run("scan", album)

    assert (done.code, done.out) == (0, first.out)
    assert done.err.startswith(f"warning: the file of scans {home}/state/facecli/scans.db is damaged: ")
    assert "it was set aside as " in done.err


def test_a_photo_on_standard_input_and_a_list_of_names(run, gallery: Path, album: Path, macron: Path) -> None:
    piped = run("scan", "-", stdin=macron.read_bytes())
    listed = run("scan", "--files-from", "-", stdin=f"{macron}\n{album}\n".encode())

    assert [each["path"] for each in piped.records] == ["-"]
    assert named(listed.records) == [["Emmanuel Macron"]] * 4


def test_annotated_copies_of_photos_that_are_known(run, gallery: Path, album: Path, tmp_path: Path) -> None:
    run("scan", album)

    done = run("scan", album, "--annotate", tmp_path / "drawn")

    assert done.code == 0
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 3
