from __future__ import annotations

import numpy as np
import pytest

from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Embedding


@pytest.fixture
def archive(run, enrolled, home):
    path = home / "people.zip"
    assert run("gallery", "export", path, "--gallery", enrolled).code == 0
    return path


def test_a_new_gallery_is_the_one_that_was_exported(run, archive, home, obama):
    done = run("gallery", "import", archive, "--gallery", "new.db", "--format", "jsonl")
    assert done.code == 0
    assert [(row["name"], row["status"], row["added"]) for row in done.records] == [
        ("Barack Obama", "new", 1),
        ("Emmanuel Macron", "new", 1),
        ("Jacinda Ardern", "new", 1),
    ]
    assert done.err == (
        f"3 templates imported, 3 people new, from {archive} into new.db\n"
        "event 1; take it back with: facecli people undo --gallery new.db 1\n"
    )
    assert run("gallery", "export", "again.zip", "--gallery", "new.db").code == 0
    assert (home / "again.zip").read_bytes() == archive.read_bytes()
    (found,) = run("identify", obama, "--gallery", "new.db", "--format", "jsonl").records
    assert found["faces"][0]["name"] == "Barack Obama"
    assert run("people", "undo", "1", "--gallery", "new.db").code == 0
    assert run("people", "list", "--gallery", "new.db", "--format", "json").out == "[]\n"


def test_importing_again_adds_nothing(run, archive, gallery):
    done = run("gallery", "import", archive, "--format", "jsonl")
    assert {(row["status"], row["added"], row["already"]) for row in done.records} == {("merged", 0, 1)}
    assert done.err == f"0 templates imported, 3 there already, 3 enrolled before, from {archive} into {gallery}\n"


def test_a_dry_run_makes_no_gallery(run, archive, home):
    done = run("gallery", "import", archive, "--gallery", "new.db", "--dry-run")
    assert done.code == 0
    assert done.err == f"3 templates would be imported, 3 people new, from {archive} into new.db\n"
    assert not (home / "new.db").exists()


def test_the_same_name_may_be_another_person(run, archive, gallery):
    done = run("gallery", "import", archive, "--on-conflict", "new", "--format", "jsonl")
    assert done.records[0]["enrolled_as"] == "Barack Obama (2)"
    assert done.records[0]["note"] == "enrolled as Barack Obama (2); 1 also enrolled as Barack Obama"
    assert run("gallery", "import", archive, "--on-conflict", "error").code == 5
    assert run("gallery", "import", archive, "--on-conflict", "replace").code == 2


def test_a_damaged_archive_changes_nothing(run, archive, gallery):
    archive.write_bytes(archive.read_bytes()[:-100])
    done = run("gallery", "import", archive, "--on-conflict", "new")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"error: {archive} cannot be imported: it is no zip file, or the end of it is missing\n")
    with Gallery.open(gallery) as opened:
        assert len(opened.people()) == 3


def test_no_gallery_is_made_for_what_cannot_be_imported(run, archive, home):
    archive.write_bytes(b"nothing")
    assert run("gallery", "import", archive, "--gallery", "new.db").code == 1
    assert not (home / "new.db").exists()


def test_what_is_no_file_of_people_is_refused(run, sample_images, gallery):
    done = run("gallery", "import", sample_images / "known", "--model", "sface")
    assert done.code == 2
    assert "is a folder of photos" in done.err
    assert run("gallery", "import", "nobody.zip").code == 1


def test_a_flat_folder_of_photos_called_by_name(run, obama, macron, home):
    """As face_recognition takes them: known_people/NAME.jpg."""
    known = home / "known_people"
    known.mkdir()
    (known / "Barack Obama.jpg").write_bytes(obama.read_bytes())
    (known / "macron.jpg").write_bytes(macron.read_bytes())
    assert run("gallery", "import", known, "--gallery", "new.db", "--dry-run").code == 0
    assert not (home / "new.db").exists()
    assert run("gallery", "import", known, "--gallery", "new.db").code == 0
    people = run("people", "list", "--gallery", "new.db", "--format", "jsonl").records
    assert [person["name"] for person in people] == ["Barack Obama", "macron"]
    assert "2 already enrolled" in run("enroll", known, "--gallery", "new.db").err


def test_vectors_of_facecli_itself(run, home, obama, macron):
    """What embed writes, with a name put in."""
    assert run("embed", obama, macron, "--format", "csv", "--output", "vectors.csv").code == 0
    header, *lines = (home / "vectors.csv").read_text().splitlines()
    place = header.split(",").index("name")
    named = [line.split(",") for line in lines]
    for cells, name in zip(named, ("Barack Obama", "Emmanuel Macron"), strict=True):
        cells[place] = name
    (home / "named.csv").write_text("\n".join([header, *(",".join(cells) for cells in named)]) + "\n")
    done = run("gallery", "import", "named.csv", "--gallery", "new.db")
    assert done.code == 2
    assert "which model do the vectors of named.csv come from?" in done.err
    assert run("gallery", "import", "named.csv", "--gallery", "new.db", "--model", "sface").code == 0
    (found,) = run("identify", obama, "--gallery", "new.db", "--format", "jsonl").records
    assert (found["faces"][0]["name"], round(found["faces"][0]["score"], 3)) == ("Barack Obama", 1.0)


def test_vectors_as_a_network_gives_them(run, home):
    vectors = np.random.default_rng(1).standard_normal((2, 128)) * 1.4
    np.savez(home / "dlib.npz", embeddings=vectors, names=np.array(["Ana", "Bo"]))
    words = ("gallery", "import", "dlib.npz", "--model", "dlib-resnet", "--gallery", "new.db")
    done = run(*words)
    assert done.code == 1
    assert "  hint: If the vectors are as the network gives them, say so with --raw.\n" in done.err
    done = run(*words, "--raw", "--quiet")
    assert done.code == 0
    assert done.err == (
        "warning: vectors that facecli did not make score a little lower: more people are missed than its figures say\n"
    )
    assert run("gallery", "import", "dlib.npz", "--model", "mobilefacenet", "--raw", "--gallery", "b.db").code == 5


def test_what_is_for_tables_is_not_for_archives(run, archive, gallery):
    done = run("gallery", "import", archive, "--model", "sface")
    assert done.code == 2
    assert "--model and --raw are for .npz and .csv files" in done.err


def test_templates_that_nothing_here_can_search(run, home, gallery):
    vector = np.eye(128, dtype=np.float32)[0]
    box = np.array((0, 0, 9, 9), np.float32)
    with Gallery.open("other.db", create=True) as other:
        other.add_templates("Ana", [NewTemplate(Embedding(vector, "sface@000000000000"), 1.0, "a.jpg", "1", box)])
    assert run("gallery", "export", "other.zip", "--gallery", "other.db").code == 0
    done = run("gallery", "import", "other.zip", "--gallery", "new.db", "--quiet")
    assert done.code == 0
    assert done.err == (
        "warning: no embedder of this machine gives sface@000000000000: its templates are kept, and found by none\n"
    )
    done = run("gallery", "import", "other.zip")
    assert done.code == 5
    assert "other weights under the same name" in done.err
    assert run("gallery", "import", "other.zip", "--other-models").code == 0
