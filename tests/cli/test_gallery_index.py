from __future__ import annotations

from pathlib import Path

import numpy as np

from facecli.gallery import loading
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Embedding


def enrol_strangers(path: Path, count: int) -> None:
    """Enrol people of ten templates each, that no photo shows."""
    with Gallery.open(path) as gallery:
        model_id = gallery.templates()[0].embedding.model_id
        vectors = np.random.default_rng(1).standard_normal((count, 10, 128)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        for number, person in enumerate(vectors):
            photos = [f"{number} {each}.jpg" for each in range(len(person))]
            gallery.add_templates(
                f"stranger {number}",
                [
                    NewTemplate(Embedding(vector, model_id), 1.0, photo, photo, np.array([0, 0, 9, 9]))
                    for vector, photo in zip(person, photos, strict=True)
                ],
            )


def test_index_of_a_small_gallery(run, gallery: Path) -> None:
    done = run("gallery", "index", "-f", "jsonl")

    assert (done.code, done.err) == (0, "")
    assert {each["what"]: each["value"] for each in done.records} == {
        "search": "exact",
        "templates file": "none",
        "approximate index": "none",
    }
    refused = run("gallery", "index", "--build")
    assert (refused.code, refused.out) == (5, "")
    assert refused.err.startswith(f"error: the gallery {gallery} has 3 templates, too few for an index")


def test_index_is_made_checked_and_removed(run, gallery: Path, monkeypatch) -> None:
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 700)
    enrol_strangers(gallery, 70)

    made = run("gallery", "index", "--build", "-f", "jsonl")

    facts = {each["what"]: each["value"] for each in made.records}
    assert (made.code, made.err) == (0, "")
    assert facts["search"] == "approximate"
    assert facts["approximate index"].startswith("up to date, ")
    assert facts["recall of the ten nearest people"] == "100.00% (of 256 searches)"
    assert run("gallery", "index", "--check", "-f", "jsonl").out == made.out
    (file,) = gallery.parent.glob("*.approximate-*")
    damaged = bytearray(file.read_bytes())
    damaged[2**16 + 5] ^= 1
    file.write_bytes(damaged)
    checked = run("gallery", "index", "--check")
    assert (checked.code, checked.out) == (5, "")
    assert checked.err.startswith(f"error: the search file {file} is damaged")
    removed = run("gallery", "index", "--remove")
    assert removed.code == 0
    assert removed.err.count("removed ") == 2
    assert not file.exists()


def test_index_does_one_thing_at_a_time(run, gallery: Path) -> None:
    done = run("gallery", "index", "--build", "--remove")

    assert (done.code, done.out) == (2, "")
