"""Who is who is mended, and every change can be seen and taken back."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from facecli.gallery import loading
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Embedding

BARACK, EMMANUEL, JACINDA = "Barack Obama", "Emmanuel Macron", "Jacinda Ardern"


def owners(run) -> dict[str, list[int]]:
    """Return whose each template is, by the number that `people show` prints."""
    names = [each["name"] for each in run("people", "list", "-f", "jsonl").records]
    return {name: [each["template"] for each in run("people", "show", name, "-f", "jsonl").records] for name in names}


def add(gallery: Path, name: str, vectors: list[np.ndarray]) -> None:
    """Enrol vectors as photos of somebody."""
    with Gallery.open(gallery) as opened:
        model_id = opened.templates()[0].embedding.model_id
        number = len(opened.templates())
        opened.add_templates(
            name,
            [
                NewTemplate(Embedding(vector, model_id), 1.0, f"p{row}.jpg", f"hash {row}", np.array([0, 0, 9, 9]))
                for row, vector in enumerate(vectors, number)
            ],
        )


def alike(axis: int, count: int) -> list[np.ndarray]:
    """Return unit vectors that are near one axis, and far from those of another one."""
    vectors = np.random.default_rng(axis).standard_normal((count, 128)) * 0.03
    vectors[:, axis] += 1
    return list((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32))


@pytest.fixture
def two_in_one(gallery: Path) -> Path:
    """Templates 4 to 7 are one person, 8 to 10 another one, all of them called Ana."""
    add(gallery, "Ana", [*alike(0, 4), *alike(1, 3)])
    return gallery


def test_merge(run, gallery: Path) -> None:
    done = run("people", "merge", EMMANUEL, JACINDA, "--yes")

    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "merged Emmanuel Macron into Jacinda Ardern with 1 template\n"
        "event 4; take it back with: facecli people undo 4\n"
    )
    assert owners(run) == {BARACK: [1], JACINDA: [2, 3]}


def test_merge_asks(run, gallery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facecli.cli.people import confirmation

    refused = run("people", "merge", EMMANUEL, JACINDA)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: merging {EMMANUEL} into {JACINDA} needs to be confirmed\n  hint: Pass --yes")

    class Terminal:
        stderr = sys.stderr

        class stdin:
            @staticmethod
            def isatty() -> bool:
                return True

    monkeypatch.setattr(confirmation, "sys", Terminal)
    declined = run("people", "merge", EMMANUEL, JACINDA, stdin=b"n\n")
    assert declined.code == 1
    assert "Merge Emmanuel Macron (1 template) into Jacinda Ardern (1 template)?" in declined.err
    assert declined.err.endswith("nothing was merged\n")
    assert len(owners(run)) == 3
    assert run("people", "merge", EMMANUEL, JACINDA, stdin=b"y\n").code == 0
    assert len(owners(run)) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["merge", BARACK, BARACK, "-y"], 2, "cannot be merged into the same person"),
        (["merge", "Barak Obama", JACINDA, "-y"], 5, "Did you mean Barack Obama?"),
        (["move", "77", "--to", BARACK], 5, "there is no template 77"),
        (["move", "0", "--to", BARACK], 2, "0"),
        (["move", str(2**64), "--to", BARACK], 2, str(2**64)),
        (["move", "1", "--to", "Zoe"], 5, "nobody called Zoe is enrolled"),
        (["move", "1", "--to", JACINDA, "--new"], 5, f"somebody called {JACINDA} is already enrolled"),
        (["split", BARACK, "1", "--to", "Zoe"], 5, f"{BARACK} would be left without a template"),
        (["split", BARACK, "2", "--to", "Zoe"], 5, f"template 2 is not {BARACK}'s"),
        (["split", BARACK, "--to", "Zoe"], 2, "which templates are Zoe's is not said"),
        (["split", BARACK, "1"], 2, "Name the new person with --to"),
        (["split", BARACK, "1", "--cluster", "1", "--to", "Zoe"], 2, "Give one of the two"),
        (["split", BARACK, "--suggest", "--to", "Zoe"], 2, "--suggest changes nothing"),
        (["split", BARACK, "--cluster", "2", "--to", "Zoe"], 1, "are 1 cluster, there is no cluster 2"),
        (["undo", "9"], 5, "there is no event 9"),
        (["undo", "newest"], 2, "'newest' is no event"),
        (["undo", "9" * 5000], 2, "is no event"),
        (["undo", "3", "last"], 2, "event 3 is named twice"),
        (["history", "Nobody"], 5, "nobody is called Nobody"),
        (["history", "--limit", "-1"], 2, "-1"),
    ],
)
def test_what_is_refused_changes_nothing(run, gallery: Path, words: list[str], code: int, said: str) -> None:
    before = owners(run)

    done = run("people", *words)

    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert owners(run) == before
    assert len(run("people", "history", "-f", "jsonl").records) == 3


def test_move(run, gallery: Path) -> None:
    done = run("people", "move", "1", "2", "--to", JACINDA)

    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "moved 1 template from Barack Obama to Jacinda Ardern; "
        "moved 1 template from Emmanuel Macron to Jacinda Ardern\n"
        "event 4; take it back with: facecli people undo 4\n"
        "warning: Barack Obama has no template left\nwarning: Emmanuel Macron has no template left\n"
    )
    assert owners(run) == {BARACK: [], EMMANUEL: [], JACINDA: [1, 2, 3]}
    again = run("people", "move", "1", "--to", JACINDA)
    assert (again.code, again.err) == (0, "nothing was moved: all of it is Jacinda Ardern's already\n")


def test_move_to_somebody_new_and_back(run, gallery: Path) -> None:
    done = run("people", "move", "1", "--to", "Zoe", "--new", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert owners(run)["Zoe"] == [1]

    undone = run("people", "undo", "last", "-f", "jsonl")

    assert undone.records == [
        {
            "event": 4,
            "was": "enrolled Zoe with 1 template of Barack Obama",
            "now": "merged Zoe into Barack Obama with 1 template",
            "undone_by": 5,
        }
    ]
    assert "Zoe" not in owners(run)


def test_a_removed_template_is_not_moved(run, gallery: Path) -> None:
    run("people", "remove", BARACK, "--yes")

    done = run("people", "move", "1", "--to", JACINDA)

    assert (done.code, done.out) == (5, "")
    assert "template 1" in done.err
    assert "is nobody's any more" in done.err


def test_split(run, two_in_one: Path) -> None:
    done = run("people", "split", "Ana", "8", "9", "10", "--to", "Bea")

    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[0] == "enrolled Bea with 3 templates of Ana"
    assert owners(run)["Ana"] == [4, 5, 6, 7]
    assert owners(run)["Bea"] == [8, 9, 10]


def test_split_is_suggested_and_the_command_that_is_shown_does_it(run, two_in_one: Path) -> None:
    done = run("people", "split", "Ana", "--suggest", "-f", "jsonl")

    found = {each["template"]: each["cluster"] for each in done.records}
    assert found == {4: 1, 5: 1, 6: 1, 7: 1, 8: 2, 9: 2, 10: 2}
    assert all(each["within"] > 0.8 > 0.2 > each["between"] for each in done.records)
    assert run("people", "split", "Ana", "-f", "jsonl").out == done.out
    assert done.err == "to split off cluster 2: facecli people split --to NEW Ana 8 9 10\n"

    command = done.records[-1]["command"].replace("NEW", "Bea").split()
    assert run(*command[1:]).code == 0
    assert owners(run)["Bea"] == [8, 9, 10]
    whole = run("people", "split", "Ana", "--suggest")
    assert (whole.code, whole.err) == (0, "nothing to split: all templates of Ana are alike\n")


def test_split_by_cluster(run, two_in_one: Path) -> None:
    assert run("people", "split", "Ana", "--cluster", "2", "--to", "Bea").code == 0
    assert owners(run)["Bea"] == [8, 9, 10]
    assert run("people", "split", "Ana", "--threshold", "1", "--cluster", "4", "--to", "Cy").code == 0
    assert owners(run)["Cy"] == [7]


def test_names_in_suggested_commands_are_quoted_and_the_gallery_named(run, two_in_one: Path) -> None:
    run("people", "rename", "--", "Ana", "-x 'y")

    done = run("people", "split", "--gallery", two_in_one, "--", "-x 'y")

    assert done.err == (
        f"to split off cluster 2: facecli people split --to NEW --gallery {two_in_one} -- '-x '\"'\"'y' 8 9 10\n"
    )


def test_history_says_what_happened(run, gallery: Path) -> None:
    run("people", "rename", BARACK, "Barack")
    run("people", "merge", "Barack", JACINDA, "-y")
    run("people", "undo", "5")
    run("people", "remove", EMMANUEL, "-y")

    done = run("people", "history", "-f", "jsonl")

    assert [(each["event"], each["what"], each["undoes"], each["undone_by"]) for each in done.records] == [
        (7, "removed Emmanuel Macron with 1 template", None, None),
        (6, "undid event 5 (merged Barack into Jacinda Ardern with 1 template)", 5, None),
        (5, "merged Barack into Jacinda Ardern with 1 template", None, 6),
        (4, "renamed Barack Obama to Barack", None, None),
        (3, "enrolled Jacinda Ardern with 1 template", None, None),
        (2, "enrolled Emmanuel Macron with 1 template", None, None),
        (1, "enrolled Barack Obama with 1 template", None, None),
    ]
    first = done.records[-1]
    assert (first["command"], first["people"], first["templates"]) == ("enroll", [BARACK], [1])
    assert first["model"].startswith("sface@")
    assert json.loads(run("people", "history", "-f", "json").out) == done.records
    table = run("people", "history", "--limit", "2")
    assert table.out.splitlines()[0].split() == ["event", "when", "what", "undone", "by"]
    assert len(table.out.splitlines()) == 4
    assert table.err == "there are older events; to see all: --limit 0\n"
    assert [each["event"] for each in run("people", "history", BARACK, "-f", "jsonl").records] == [6, 5, 4, 1]
    assert [each["event"] for each in run("people", "history", EMMANUEL, "-f", "jsonl").records] == [7, 2]


def test_history_has_no_names_of_who_was_purged(run, gallery: Path) -> None:
    with Gallery.open(gallery) as opened:
        opened.purge_person(BARACK)

    done = run("people", "history", "-f", "jsonl")

    assert [each["what"] for each in done.records] == [
        "purged somebody with 1 template",
        "enrolled Jacinda Ardern with 1 template",
        "enrolled Emmanuel Macron with 1 template",
        "added 1 template to somebody purged",
    ]
    assert BARACK not in done.out
    assert run("people", "history", BARACK).code == 5
    refused = run("people", "undo", "last")
    assert refused.code == 5
    assert "event 4 cannot be undone: what it changed was destroyed" in refused.err or "destroyed" in refused.err


def test_undo_several_or_none(run, gallery: Path) -> None:
    run("people", "rename", BARACK, "Barack")
    run("people", "remove", "Barack", "-y")
    before = owners(run)

    wrong = run("people", "undo", "4", "5")
    assert (wrong.code, wrong.out) == (5, "")
    assert wrong.err == (
        "error: event 4 cannot be undone: event 5 has changed Barack since\n"
        "  hint: Undo event 5 first: facecli people undo 5\n"
    )
    files = {path.name: path.stat().st_mtime_ns for path in gallery.parent.iterdir()}
    tried = run("people", "undo", "5", "4", "--dry-run")
    assert (tried.code, tried.err) == (0, "nothing was changed\n")
    assert {path.name: path.stat().st_mtime_ns for path in gallery.parent.iterdir()} == files
    assert owners(run) == before
    assert len(run("people", "history", "-f", "jsonl").records) == 5

    done = run("people", "undo", "5", "4", "-f", "jsonl")
    assert [each["now"] for each in done.records] == [
        "enrolled Barack with 1 template",
        "renamed Barack to Barack Obama",
    ]
    assert done.err.splitlines() == [
        f"event {number}; take it back with: facecli people undo {number}" for number in (6, 7)
    ]
    assert owners(run)[BARACK] == [1]
    twice = run("people", "undo", "5")
    assert "event 6 has undone it already" in twice.err
    assert "hint: To do it again: facecli people undo 6" in twice.err


def test_history_of_an_empty_gallery(run, home: Path) -> None:
    with Gallery.open(home / "empty.db", create=True):
        pass

    assert run("people", "history", "-g", home / "empty.db", "-f", "json").out == "[]\n"
    refused = run("people", "undo", "last", "-g", home / "empty.db")
    assert refused.code == 5
    assert "nothing was ever changed" in refused.err


def test_search_files_are_noticed_to_be_of_an_earlier_state(
    run, gallery: Path, obama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gallery is searched through a file beside it, and each change makes that file stale."""
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 200)
    strangers = np.random.default_rng(1).standard_normal((300, 128)).astype(np.float32)
    add(gallery, "stranger", list(strangers / np.linalg.norm(strangers, axis=1, keepdims=True)))

    def named() -> str:
        (record,) = run("identify", obama, "--threshold", "0.5", "-f", "jsonl").records
        return record["faces"][0]["name"]

    def files() -> dict[str, str]:
        states = {each["what"]: each["value"] for each in run("gallery", "index", "-f", "jsonl").records}
        return {what: states[what].split(",")[0].split(";")[0] for what in ("templates file", "approximate index")}

    assert run("gallery", "index", "--build").code == 0
    assert named() == BARACK
    for words, name in (
        (["move", "1", "--to", JACINDA], JACINDA),
        (["split", JACINDA, "1", "--to", "Zoe"], "Zoe"),
        (["merge", "Zoe", EMMANUEL, "-y"], EMMANUEL),
        (["undo", "last"], "Zoe"),
    ):
        assert files() == {"templates file": "up to date", "approximate index": "up to date"}
        assert run("people", *words).code == 0
        assert set(files().values()) == {"of an earlier state"}
        assert named() == name


def test_enroll_says_its_events_where_asked(run, gallery: Path, obama: Path, macron: Path) -> None:
    done = run("enroll", "Zoe", obama, macron, "--keep-outliers", "-v")
    again = run("enroll", "Zoe", obama, "-v")

    (newest,) = run("people", "history", "--limit", "1", "-f", "jsonl", "--quiet").records
    number = newest["event"]
    which = "event 4" if number == 4 else f"events 4 to {number}"
    assert f"{which}; see them with: facecli people history" in done.err
    assert "facecli people history" not in again.err
