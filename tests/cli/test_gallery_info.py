from __future__ import annotations

import sqlite3
from pathlib import Path

from facecli.gallery.schema import MIGRATIONS


def test_info(run, gallery: Path) -> None:
    done = run("gallery", "info", "--check", "-f", "jsonl")

    facts = {each["what"]: each["value"] for each in done.records}
    assert (done.code, done.err) == (0, "")
    (model,) = (what for what in facts if what.startswith("templates of "))
    assert model.startswith("templates of sface@")
    assert {**facts, "size": None} == {
        "path": str(gallery),
        "people": 3,
        model: 3,
        "size": None,
        "schema version": len(MIGRATIONS),
        "revision": 3,
        "encrypted": "no",
        "writable": "yes",
        "problems": "none",
    }


def test_damage_is_named_and_exit_code_5(run, gallery: Path) -> None:
    with sqlite3.connect(gallery) as connection:
        connection.execute("UPDATE templates SET vector = zeroblob(length(vector)) WHERE template_id = 2")
    connection.close()

    done = run("gallery", "info", "--check")

    assert done.code == 5
    assert "problems" in done.out
    assert done.err.startswith(f"error: {gallery} is damaged: ")
    assert run("gallery", "info").code == 0


def test_without_a_gallery(run) -> None:
    done = run("gallery", "info")

    assert (done.code, done.out) == (5, "")
