"""``facecli gallery reembed`` and ``gallery crops``: real photos, real models, and kills in the middle."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from answers import named

from facecli.gallery.store import Gallery

PEOPLE = ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern"]


def whats(done) -> dict[str, object]:
    return {row["what"]: row["value"] for row in json.loads(done.out)}


def tables(done) -> dict[str, list[dict[str, object]]]:
    return {table["name"]: table["rows"] for table in json.loads(done.out)["tables"]}


@pytest.fixture
def moved(tmp_path, sample_images, run, monkeypatch) -> Path:
    """A gallery of the three people whose photos are gone."""
    photos = shutil.copytree(sample_images / "known", tmp_path / "photos")
    path = tmp_path / "moved.db"
    monkeypatch.setenv("FACECLI_GALLERY", str(path))
    assert run("enroll", photos).code == 0
    shutil.rmtree(photos)
    return path


def vectors(path: Path, model: str) -> dict[str, np.ndarray]:
    with Gallery.open(path) as gallery:
        (model_id,) = [each for each in gallery.info().templates if each.startswith(f"{model}@")]
        matrix = gallery.matrix(model_id)
    return dict(zip([matrix.names[each] for each in matrix.person_ids.tolist()], matrix.vectors, strict=True))


def test_a_gallery_follows_to_another_model_without_its_photos(run, moved, sample_images):
    done = run("gallery", "reembed", "--to", "mobilefacenet", "--all", "--format", "json")
    assert done.code == 0, done.err
    found = tables(done)
    assert [row["person"] for row in found["People"]] == PEOPLE
    assert [row["templates"] for row in found["Models"]] == [3, 3]
    assert "event 4; take it back with: facecli people undo 4" in done.err
    assert 'embedder = "mobilefacenet"' in done.err
    answers = run("identify", sample_images / "known", "--embedder", "mobilefacenet", "--format", "jsonl")
    assert named(answers.records) == [[name] for name in PEOPLE]
    assert named(run("identify", sample_images / "known", "--format", "jsonl").records) == [[name] for name in PEOPLE]


def test_the_vectors_are_those_that_the_photos_give(run, moved, sample_images, tmp_path):
    for model in ("mobilefacenet", "dlib-resnet"):
        assert run("gallery", "reembed", "--to", model).code == 0
        direct = tmp_path / f"{model}.db"
        assert run("enroll", sample_images / "known", "--embedder", model, "--gallery", direct).code == 0
        expected, found = vectors(direct, model), vectors(moved, model)
        for name in PEOPLE:
            assert float(expected[name] @ found[name]) > 0.985, (model, name)


def test_dropping_the_old_model_leaves_a_clear_error_and_is_undone(run, moved, sample_images):
    done = run("gallery", "reembed", "--to", "mobilefacenet", "--drop-old")
    assert done.code == 0, done.err
    refused = run("identify", sample_images / "known")
    assert refused.code == 5
    assert "none of sface@" in refused.err
    assert "facecli gallery reembed --to sface" in refused.err
    assert run("gallery", "reembed", "--to", "sface").code == 0  # from the same crops
    assert named(run("identify", sample_images / "known", "--format", "jsonl").records) == [[name] for name in PEOPLE]


def test_a_dry_run_says_what_there_is_to_do_and_leaves_the_file(run, moved):
    before = moved.read_bytes()
    done = run("gallery", "reembed", "--to", "mobilefacenet", "--dry-run", "--format", "json")
    assert whats(done) == {
        "faces embedded before": 0,
        "faces to embed from crops": 3,
        "faces to embed from photos": 0,
        "faces with neither": 0,
    }
    assert moved.read_bytes() == before


def test_faces_without_crop_and_photo_are_named(run, moved, sample_images):
    assert run("gallery", "crops", "--remove", "--yes").code == 0
    done = run("gallery", "reembed", "--to", "mobilefacenet", "--format", "json")
    assert done.code == 3
    assert [row["person"] for row in tables(done)["Not carried over"]] == PEOPLE
    assert "Barack Obama's face in" in done.err
    assert "enrol their photos again with --embedder mobilefacenet" in done.err
    assert named(run("identify", sample_images / "known", "--format", "jsonl").records) == [[name] for name in PEOPLE]


def test_enrolling_the_photos_again_adds_crops_that_are_missing(run, gallery, sample_images):
    assert whats(run("gallery", "crops", "--remove", "--yes", "--format", "json"))["templates without"] == 3
    assert run("enroll", sample_images / "known").code == 0
    found = whats(run("gallery", "crops", "--format", "json"))
    assert (found["crops"], found["templates without"]) == (3, 0)
    assert 10_000 < found["bytes of crops"] < 150_000


def test_no_crops_are_kept_where_none_are_wanted(run, home, sample_images):
    assert run("enroll", sample_images / "known", "--no-crops", "--gallery", "g.db").code == 0
    assert whats(run("gallery", "crops", "--gallery", "g.db", "--format", "json"))["crops"] == 0
    (home / "facecli.toml").write_text("crops = false\n")
    assert run("enroll", sample_images / "known", "--gallery", "h.db").code == 0
    assert whats(run("gallery", "crops", "--gallery", "h.db", "--format", "json"))["crops"] == 0


def test_crops_are_not_removed_unasked(run, gallery):
    done = run("gallery", "crops", "--remove")
    assert (done.code, "Pass --yes" in done.err) == (2, True)
    assert whats(run("gallery", "crops", "--format", "json"))["crops"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--to", "no-such-model"), 2, "no-such-model"),
        (("--to", "centerface"), 2, "finds faces, it does not embed them"),
        ((), 2, "--to"),
    ],
)
def test_what_cannot_be_followed_to(run, gallery, arguments, code, words):
    done = run("gallery", "reembed", *arguments)
    assert done.code == code
    assert words in done.err


def test_of_an_empty_gallery_there_is_nothing_to_carry_over(run, home):
    Gallery.open(home / "empty.db", create=True).close()
    done = run("gallery", "reembed", "--to", "sface", "--gallery", "empty.db")
    assert (done.code, "nobody is enrolled" in done.err) == (5, True)


KILLED = """
    import os, signal, sys
    from facecli.gallery import reembedded
    from facecli.gallery.edit import Edit
    from facecli.services import reembedding

    reembedding.BATCH_SIZE = 1
    where, calls = sys.argv.pop(1), []

    def killing(function, after):
        def call(*arguments):
            result = function(*arguments)
            calls.append(function)
            if len(calls) > after:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

    if where == "embedding":
        reembedded.keep = killing(reembedded.keep, 1)
    else:  # all is written, but not committed
        Edit.finish = killing(Edit.finish, 0)
    from facecli.cli.main import main

    main()
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
@pytest.mark.parametrize(("where", "left"), [("embedding", 2), ("switching", 3)])
def test_killed_in_the_middle_it_goes_on_and_loses_nothing(run, moved, sample_images, where, left):
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), where, "gallery", "reembed", "--to", "mobilefacenet"],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    with Gallery.open(moved) as gallery:
        info = gallery.info(check=True)
        assert (len(info.templates), info.problems, len(gallery.events())) == (1, (), 3)
    assert named(run("identify", sample_images / "known", "--format", "jsonl").records) == [[name] for name in PEOPLE]
    done = run("gallery", "reembed", "--to", "mobilefacenet", "--dry-run", "--format", "json")
    assert whats(done)["faces embedded before"] == left
    assert run("gallery", "reembed", "--to", "mobilefacenet").code == 0
    with Gallery.open(moved) as gallery:
        assert (sorted(gallery.info().templates.values()), gallery.info(check=True).problems) == ([3, 3], ())
    assert vectors(moved, "mobilefacenet").keys() == set(PEOPLE)
