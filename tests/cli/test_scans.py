from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def scanned(run, gallery: Path, tmp_path: Path, macron: Path) -> list[Path]:
    """Two folders that were scanned, the second with a photo of the first."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        shutil.copy(macron, folder / "macron.jpg")
        assert run("scan", folder).code == 0
    return folders


def test_scans_are_listed_with_how_far_they_came(run, scanned: list[Path]) -> None:
    done = run("scans", "list", "-f", "jsonl")

    assert done.code == 0
    assert [{**each, "begun": "", "finished": ""} for each in done.records] == [
        {
            "scan": number,
            "begun": "",
            "finished": "",
            "state": "finished",
            "process": None,
            "done": 1,
            "photos": 1,
            "folders": [str(folder)],
        }
        for number, folder in enumerate(scanned, 1)
    ]
    assert all(each["begun"] <= each["finished"] for each in done.records)


def test_info_says_where_and_how_much(run, scanned: list[Path], home: Path) -> None:
    about = {each["what"]: each["value"] for each in run("scans", "info", "-f", "jsonl").records}

    assert about["path"] == f"{home}/state/facecli/scans.db"
    assert (about["scans"], about["photos analysed"]) == (2, 1)


def test_a_state_folder_of_ones_own(run, gallery: Path, macron: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FACECLI_STATE", str(tmp_path / "mine"))

    run("scan", macron)

    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["scans.db"]


def test_forgetting(run, scanned: list[Path]) -> None:
    first = run("scans", "forget", "1", "--yes")
    rest = run("scans", "forget", "--all", "--yes")

    assert (first.code, first.err) == (0, "scan 1 was forgotten: 0 photos\n")  # its photo is scan 2's as well
    assert (rest.code, rest.err) == (0, "everything that scans found was forgotten: 1 photo\n")
    assert run("scans", "list", "-f", "jsonl").out == ""


def test_several_are_forgotten_at_once_or_none(run, scanned: list[Path]) -> None:
    refused = run("scans", "forget", "1", "9", "--yes")
    left = run("scans", "list", "-f", "jsonl").records
    both = run("scans", "forget", "1", "2", "1", "--yes")

    assert (refused.code, refused.err.splitlines()[0]) == (1, "error: there is no scan 9")
    assert [each["scan"] for each in left] == [1, 2]
    assert (both.code, both.err) == (0, "scan 1, 2 was forgotten: 1 photo\n")
    assert run("scans", "list", "-f", "jsonl").out == ""


def test_forgetting_needs_to_be_confirmed_and_told_what(run, scanned: list[Path]) -> None:
    assert run("scans", "forget", "1").err == ("error: forgetting scan 1 needs to be confirmed\n  hint: Pass --yes.\n")
    assert run("scans", "forget").code == 2
    assert run("scans", "forget", "1", "--all").code == 2
    assert run("scans", "forget", "9", "--yes").err.startswith("error: there is no scan 9\n")
    assert len(run("scans", "list", "-f", "jsonl").records) == 2
