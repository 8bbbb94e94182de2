import os
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery import history, schema
from facecli.gallery.store import Gallery

NEWEST = len(schema.MIGRATIONS)
SCHEMAS = Path(__file__).with_name("schemas")  # a gallery of each, with people, photos and somebody removed
NEXT_STEP = ("ALTER TABLE people ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",)


def test_an_empty_file_becomes_a_gallery_when_one_is_to_be_made(tmp_path):
    path = tmp_path / "g.sqlite"
    path.touch()
    with Gallery.open(path, create=True) as gallery:
        assert (gallery.info().schema_version, gallery.people()) == (NEWEST, [])


@pytest.mark.parametrize("read_only", [False, True])
def test_an_empty_file_is_no_gallery_to_read(tmp_path, read_only):
    path = tmp_path / "g.sqlite"
    path.touch()
    with pytest.raises(GalleryError, match="there is no gallery") as caught:
        Gallery.open(path, read_only=read_only)
    assert caught.value.code == "gallery_missing"
    assert path.read_bytes() == b""


def test_a_gallery_can_be_told_from_other_files(tmp_path):
    path = tmp_path / "g.sqlite"
    Gallery.open(path, create=True).close()
    assert path.read_bytes()[68:72] == b"FCLI"


def test_an_older_gallery_is_migrated_once_and_keeps_its_people(tmp_path, monkeypatch, template):
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT_STEP))
    for _ in range(2):
        with Gallery.open(path) as gallery:
            assert gallery.info().schema_version == NEWEST + 1
            assert [(person.name, person.template_count) for person in gallery.people()] == [("Ana", 1)]


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_a_gallery_of_every_older_schema_opens_with_all_it_held(tmp_path, version):
    path = tmp_path / "g.sqlite"
    path.write_bytes((SCHEMAS / f"{version}.sqlite").read_bytes())
    with Gallery.open(path) as gallery:
        assert (gallery.info().schema_version, gallery.info(check=True).problems) == (NEWEST, ())
        people = {person.name: (person.person_id, person.template_count) for person in gallery.people()}
        assert people == {"Ana": (1, 3), "Zoë Müller": (2, 1), "Nobody yet": (4, 0)}
        found = [(each.template_id, each.person_id, each.source) for each in gallery.templates(model_id="sface")]
        assert found == [(number, owner, f"photos/Zoë {number}.jpg") for number, owner in ((1, 1), (2, 1), (3, 2))]
        assert gallery.templates(model_id="other")[0].source == os.fsdecode(b"photos/\xff.jpg")
        assert gallery.add_person("Somebody new").person_id == 5  # not the id of the one who was removed
        assert history.replay(gallery.events()).owners == {1: 1, 2: 1, 3: 2, 5: 1}


def test_a_vector_that_was_damaged_before_a_migration_is_still_known_to_be(tmp_path):
    path = tmp_path / "g.sqlite"
    path.write_bytes((SCHEMAS / "3.sqlite").read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE templates SET vector = zeroblob(32) WHERE template_id = 2")
    with Gallery.open(path) as gallery:
        assert gallery.info(check=True).problems == ("the vector of template 2 does not have its checksum",)


def test_a_step_that_fails_changes_nothing(tmp_path, monkeypatch):
    path = tmp_path / "g.sqlite"
    Gallery.open(path, create=True).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, (*NEXT_STEP, "SELECT nonsense")))
        with pytest.raises(GalleryError, match="nonsense"):
            Gallery.open(path)
    with Gallery.open(path) as gallery:
        assert gallery.info().schema_version == NEWEST
    with sqlite3.connect(path) as connection:
        assert "note" not in connection.execute("SELECT sql FROM sqlite_master WHERE name = 'people'").fetchone()[0]
    connection.close()


def test_a_newer_gallery_is_refused_untouched(tmp_path, monkeypatch):
    path = tmp_path / "g.sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, NEXT_STEP))
        Gallery.open(path, create=True).close()
    before = path.read_bytes()
    knows_less = f"has schema {NEWEST + 1} and this facecli knows {NEWEST} at most"
    with pytest.raises(GalleryError, match=knows_less) as caught:
        Gallery.open(path, create=True)
    assert (caught.value.code, "Update facecli" in caught.value.hint) == ("gallery_newer", True)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "script", ["CREATE TABLE people (name TEXT)", "PRAGMA user_version = 1", "PRAGMA application_id = 7"]
)
def test_another_applications_database_is_refused_untouched(tmp_path, script):
    path = tmp_path / "photos.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()
    before = path.read_bytes()
    for options in ({"create": True}, {}, {"read_only": True}):
        with pytest.raises(GalleryCorruptError, match=r"photos\.sqlite is not a facecli gallery"):
            Gallery.open(path, **options)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["photos.sqlite"]


@pytest.mark.parametrize("content", [b"hello", b"\xff\xd8\xff\xe0" * 5000, b"SQLite format 3\x00" + b"\x01" * 4000])
def test_a_file_that_is_no_database_is_refused_untouched(tmp_path, content):
    path = tmp_path / "g.sqlite"
    path.write_bytes(content)
    for options in ({"create": True}, {}, {"read_only": True}):
        with pytest.raises(GalleryCorruptError, match=r"is not a facecli gallery|is damaged"):
            Gallery.open(path, **options)
    assert path.read_bytes() == content


def test_of_many_processes_one_makes_the_gallery(tmp_path):
    """All wait for the same moment, then open (and make) the same missing gallery and enrol somebody."""
    go = tmp_path / "go"
    code = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from facecli.gallery.store import Gallery
        path, go, name = sys.argv[1:]
        print("ready", flush=True)
        while not Path(go).exists():
            time.sleep(0.001)
        with Gallery.open(path, create=True) as gallery:
            gallery.add_person(name)
    """)
    path = tmp_path / "folder" / "g.sqlite"
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(go), f"person {number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=root,
        )
        for number in range(6)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    go.touch()
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 6
    with Gallery.open(path) as gallery:
        assert [person.name for person in gallery.people()] == [f"person {number}" for number in range(6)]


RACE = """
import multiprocessing, sys
from facecli.gallery.store import Gallery

def open_all(barrier, failures, folder, rounds):
    for number in range(rounds):
        barrier.wait()
        try:
            with Gallery.open(f"{folder}/{number}/g.db", create=True) as gallery:
                gallery.people()
        except Exception as error:
            failures.put(repr(error))

context = multiprocessing.get_context("fork")
barrier, failures = context.Barrier(6), context.SimpleQueue()
workers = [context.Process(target=open_all, args=(barrier, failures, sys.argv[1], 200)) for _ in range(6)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
while not failures.empty():
    print(failures.get())
"""


def test_opening_at_the_moment_of_making_sees_blank_or_gallery(tmp_path):
    # Read one after the other, the two numbers in the header were of two moments in one call of a hundred.
    done = subprocess.run([sys.executable, "-c", RACE, tmp_path], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_an_older_gallery_that_breaks_its_own_constraints_is_refused_as_it_is(tmp_path):
    path = tmp_path / "g.sqlite"
    path.write_bytes((SCHEMAS / "3.sqlite").read_bytes())
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = replace(sql, 'person_id INTEGER NOT NULL', 'person_id INTEGER')"
        )
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE templates SET person_id = NULL WHERE template_id = 2")
        before = connection.execute("SELECT * FROM templates").fetchall()
    with pytest.raises(GalleryCorruptError, match="cannot be brought to schema"):
        Gallery.open(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("SELECT * FROM templates").fetchall() == before
