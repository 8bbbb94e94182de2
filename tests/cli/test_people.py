from __future__ import annotations

import sys
from pathlib import Path

import pytest

NAMES = ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern"]


def names(run) -> list[str]:
    return [each["name"] for each in run("people", "list", "-f", "jsonl").records]


def test_list(run, gallery: Path) -> None:
    done = run("people", "list")
    lines = run("people", "list", "-f", "jsonl")

    header, rule, *rows = done.out.splitlines()
    assert (done.code, done.err) == (0, "")
    assert header.split() == ["name", "templates", "enrolled"]
    assert set(rule) == {"─"}
    assert [row.split()[:3] for row in rows] == [[*name.split(), "1"] for name in NAMES]
    assert [each["person_id"] for each in lines.records] == [1, 2, 3]


def test_show(run, gallery: Path, obama: Path) -> None:
    done = run("people", "show", "Barack Obama", "-f", "jsonl")

    (template,) = done.records
    assert done.code == 0
    assert template["source"] == str(obama)
    assert template["model"].startswith("sface@")
    assert len(template["sha256"]) == 64
    assert len(template["box"]) == 4


def test_rename(run, gallery: Path) -> None:
    done = run("people", "rename", "Barack Obama", " Barack  ")

    assert (done.code, done.out) == (0, "")
    assert done.err == "Barack Obama is now called Barack\nevent 4; take it back with: facecli people undo 4\n"
    assert names(run) == ["Barack", *NAMES[1:]]


def test_rename_to_a_name_that_is_taken(run, gallery: Path) -> None:
    done = run("people", "rename", *NAMES[:2])

    assert done.code == 5
    assert done.err.startswith("error: somebody called Emmanuel Macron is already enrolled in ")
    assert names(run) == NAMES


@pytest.mark.parametrize("words", [["show"], ["remove", "--yes"], ["rename", "--quiet", "--"]])
def test_a_misspelt_name_is_answered_with_the_one_meant(run, gallery: Path, words: list[str]) -> None:
    more = ["New"] if words[0] == "rename" else []

    done = run("people", *words, "Barak Obama", *more)

    assert (done.code, done.out) == (5, "")
    assert (
        done.err == f"error: nobody called Barak Obama is enrolled in {gallery}\n  hint: Did you mean Barack Obama?\n"
    )


def test_remove(run, gallery: Path) -> None:
    done = run("people", "remove", "Barack Obama", "-y")

    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "Barack Obama was removed with 1 template; to destroy them for good: facecli people purge\n"
        "event 4; take it back with: facecli people undo 4\n"
    )
    assert names(run) == NAMES[1:]


def test_removing_somebody_deletes_the_search_files_that_hold_their_vectors(run, gallery: Path) -> None:
    files = [gallery.with_name(gallery.name + suffix) for suffix in (".index-0123", ".approximate-0123")]
    other = gallery.with_name("other.db.index-0123")
    for path in (*files, other):
        path.write_bytes(b"vectors")

    done = run("people", "remove", "Barack Obama", "--yes")

    assert not any(path.exists() for path in files)
    assert other.exists()
    assert "the approximate index was deleted too" in done.err


def test_remove_asks_nobody_who_cannot_answer(run, gallery: Path) -> None:
    done = run("people", "remove", "Barack Obama")

    assert (done.code, done.out) == (2, "")
    assert done.err == "error: removing Barack Obama needs to be confirmed\n  hint: Pass --yes.\n"
    assert names(run) == NAMES


@pytest.mark.parametrize(("answer", "code", "left"), [(b"y\n", 0, NAMES[1:]), (b"n\n", 1, NAMES), (b"\n", 1, NAMES)])
def test_remove_asks(
    run, gallery: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int, left: list[str]
) -> None:
    from facecli.cli.people import confirmation

    class Terminal:
        """The system module, with a standard input that says it is a terminal."""

        stderr = sys.stderr

        class stdin:
            @staticmethod
            def isatty() -> bool:
                return True

    monkeypatch.setattr(confirmation, "sys", Terminal)

    done = run("people", "remove", "Barack Obama", stdin=answer)

    assert done.code == code
    assert "Remove Barack Obama with 1 template?" in done.err
    assert done.err.endswith("take it back with: facecli people undo 4\n" if code == 0 else "nothing was removed\n")
    assert names(run) == left


def test_without_a_gallery(run) -> None:
    assert run("people", "list").code == 5


@pytest.mark.parametrize("words", [[], ["nope"], ["show"], ["list", "extra"]])
def test_words_that_typer_refuses(run, gallery: Path, words: list[str]) -> None:
    assert run("people", *words).code == 2
