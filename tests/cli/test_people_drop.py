from __future__ import annotations

from pathlib import Path

from conftest import Run


def test_a_template_is_taken_away_and_never_found(run: Run, gallery: Path, obama: Path) -> None:
    done = run("people", "drop", "1")

    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "1 template was taken away",
        "warning: Barack Obama has no template left, and is found no more",
        "event 4; take it back with: facecli people undo 4",
    ]
    (face,) = run("identify", obama, "-f", "jsonl").records[0]["faces"]
    assert face["name"] is None
    assert run("people", "show", "Barack Obama", "-f", "jsonl").records == []


def test_what_is_nobodys_already_is_said(run: Run, gallery: Path) -> None:
    run("people", "drop", "1", "2", "-q")
    done = run("people", "drop", "2", "1", "1")
    assert (done.code, done.err) == (0, "nothing was changed: these templates are nobody's already\n")


def test_a_template_that_is_not_there_changes_nothing(run: Run, gallery: Path) -> None:
    done = run("people", "drop", "1", "99")
    assert done.code == 5
    assert done.err.startswith(f"error: there is no template 99 in {gallery}")
    assert len(run("people", "show", "Barack Obama", "-f", "jsonl").records) == 1
