from __future__ import annotations

import json
from zipfile import ZipFile

from facecli.archive.reader import ArchiveReader


def test_a_gallery_goes_into_a_file_for_its_owner_alone(run, gallery, home):
    done = run("gallery", "export", "people.zip", "--format", "json")
    assert (done.code, done.err) == (0, "exported to people.zip; whoever can read it can search for these people\n")
    path = home / "people.zip"
    rows = {row["what"]: row["value"] for row in json.loads(done.out)}
    assert (rows["people"], rows["path"], rows["size"]) == (3, "people.zip", f"{path.stat().st_size:,} bytes")
    assert path.stat().st_mode & 0o777 == 0o600
    with ArchiveReader(path) as archive:
        assert [person.name for person in archive.people()] == ["Barack Obama", "Emmanuel Macron", "Jacinda Ardern"]


def test_what_is_there_is_not_replaced_unless_that_is_asked(run, gallery, home):
    (home / "people.zip").write_text("precious")
    done = run("gallery", "export", "people.zip")
    assert (done.code, done.out) == (2, "")
    assert done.err == ("error: people.zip is there already\n  hint: Name another file, or replace it with --force.\n")
    assert (home / "people.zip").read_text() == "precious"
    assert run("gallery", "export", "people.zip", "--force", "--quiet").err == ""
    assert ZipFile(home / "people.zip").namelist()[0] == "people.jsonl"


def test_a_folder_is_not_replaced(run, gallery, home):
    assert run("gallery", "export", home, "--force").code == 2


def test_what_cannot_be_exported_leaves_no_file(run, gallery, home):
    done = run("gallery", "export", "people.zip", "Barak Obama")
    assert (done.code, done.out) == (5, "")
    assert "Did you mean Barack Obama?" in done.err
    assert not (home / "people.zip").exists()
    assert run("gallery", "export", "no/such/folder/people.zip").code == 1
    assert run("gallery", "export", "people.zip", "Barack Obama", "--history").code == 2
    assert [path.name for path in home.glob(".*.tmp")] == []


def test_some_people_alone_and_with_their_history(run, gallery, home):
    assert run("gallery", "export", "one.zip", "Barack Obama").code == 0
    assert b"Macron" not in (home / "one.zip").read_bytes()
    assert run("gallery", "export", "all.zip", "--history").code == 0
    assert b'"command":"enroll"' in (home / "all.zip").read_bytes()


def test_there_has_to_be_a_gallery(run, home):
    assert run("gallery", "export", "people.zip").code == 5
    assert not (home / "people.zip").exists()


def test_an_encrypted_gallery_gives_an_archive_that_is_not(run, gallery, home):
    assert run("gallery", "encrypt", "--key-file", "key").code == 0
    done = run("gallery", "export", "people.zip", "Barack Obama", "--key-file", "key")
    assert done.code == 0
    assert "warning: the gallery is encrypted, and people.zip is not\n" in done.err
    assert b"Barack Obama" in (home / "people.zip").read_bytes()
