"""Restoring: all of the backup or nothing of it, whoever has the gallery open, and whatever state that is in."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from facecli.errors import GalleryCorruptError, GalleryError, GalleryLockedError
from facecli.gallery import backups, loading, replacing, restoring
from facecli.gallery.sealing import encrypt
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery

SCHEMAS = Path(__file__).with_name("schemas")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path, template) -> Path:
    path = tmp_path / "people.db"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", [template(1), template(2)])
        gallery.add_templates("Bo", [template(3)])
    return path


@pytest.fixture
def backup(path) -> Path:
    """Return a backup with Ana and Bo; since then Cy came and Bo went."""
    with Gallery.open(path) as gallery:
        return backups.make(gallery._connection, gallery.path, backups.ASKED).path


def names(gallery: Gallery) -> list[str]:
    return [person.name for person in gallery.people()]


def change(path: Path, template) -> None:
    with Gallery.open(path) as gallery:
        gallery.add_templates("Cy", [template(4)])
        gallery.remove_person("Bo")


def test_a_restored_gallery_is_what_the_backup_holds_and_what_it_was_is_kept(path, backup, template):
    change(path, template)
    done = restoring.restore(str(path), backup)
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Bo"]
        assert gallery.info(check=True).problems == ()
        assert gallery.matrix("sface").vectors.tobytes() == b"".join(
            template(number).embedding.vector.tobytes() for number in (1, 2, 3)
        )
        assert [event.command for event in gallery.events()] == ["enroll", "enroll", "gallery restore"]
        assert gallery.revision == 5  # beyond both, so that no cache takes it for one of them
        assert gallery.add_person("Dee").person_id == 4  # nobody gets an id that Cy had
        assert gallery.add_templates("Dee", [template(5)]) == [5]
    assert (done.aside.reason, done.purged, done.contents.people) == ("gallery-restore", 0, 2)
    restoring.restore(str(path), done.aside.path)
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Cy"]
    assert sorted(each.name for each in path.parent.iterdir()) == ["people.db", "people.db.backups"]


def test_who_has_it_open_sees_the_restored_gallery_and_can_go_on(path, backup, template, monkeypatch):
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 2)  # a search file is made too
    change(path, template)
    with Gallery.open(path) as gallery:
        search = GallerySearch(gallery)

        def found():
            return [each.name for each in search.candidates([template(3).embedding], 5)[0]]

        assert "Bo" not in found()
        code = (
            "import sys; from pathlib import Path; from facecli.gallery import restoring;"
            " restoring.restore(sys.argv[1], Path(sys.argv[2]))"
        )
        subprocess.run([sys.executable, "-c", code, str(path), str(backup)], check=True, cwd=ROOT)
        assert names(gallery) == ["Ana", "Bo"]
        assert found()[0] == "Bo"
        gallery.add_person("Dee")
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Bo", "Dee"]
        assert gallery.info(check=True).problems == ()


def test_a_reader_in_the_middle_sees_the_old_gallery_to_its_end(path, backup, template, monkeypatch):
    monkeypatch.setattr(replacing, "BUSY_TIMEOUT_S", 0.1)  # the log is emptied later where somebody reads it
    change(path, template)
    with Gallery.open(path) as reader:
        reader._connection.execute("BEGIN")
        assert names(reader) == ["Ana", "Cy"]
        restoring.restore(str(path), backup)
        assert names(reader) == ["Ana", "Cy"]
        reader._connection.execute("COMMIT")
        assert names(reader) == ["Ana", "Bo"]


def test_a_writer_that_goes_on_is_not_waited_for_for_ever(path, backup, monkeypatch):
    monkeypatch.setattr(replacing, "BUSY_TIMEOUT_S", 0.1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(GalleryLockedError):
        restoring.restore(str(path), backup)
    holder.close()


DAMAGE = {
    "head": lambda data: b"\0" * 100 + data[100:],
    "magic": lambda data: b"x" + data[1:],
    "cut": lambda data: data[: len(data) // 2 - 7],
    "short": lambda data: data[:50],
    "noise": lambda data: os.urandom(len(data)),
    "middle": lambda data: data[:8192] + os.urandom(8192) + data[16384:],
    "schema": lambda data: data[:100] + os.urandom(3996) + data[4096:],
    "blank": lambda data: b"",
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_gallery_is_restored_and_kept_as_damaged_as_it_was(path, backup, kind):
    damaged = DAMAGE[kind](path.read_bytes())
    path.write_bytes(damaged)
    Path(f"{path}-wal").write_bytes(b"of the damaged one")
    done = restoring.restore(str(path), backup)
    with Gallery.open(path) as gallery:
        assert (names(gallery), gallery.info(check=True).problems) == (["Ana", "Bo"], ())
    if kind == "blank":
        assert done.aside is None
    else:
        assert done.aside.reason == "damaged"
        assert done.aside.path.read_bytes()[-1000:] == damaged[-1000:]
        assert done.aside.size_bytes == len(damaged) or kind in ("middle", "schema")
    assert sorted(each.name for each in path.parent.iterdir()) == ["people.db", "people.db.backups"]


def test_a_missing_gallery_is_restored(path, backup):
    path.unlink()
    assert restoring.restore(str(path), backup).aside is None
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Bo"]


def test_a_file_that_is_damaged_is_not_replaced_while_a_process_has_it_open(path, backup, monkeypatch):
    monkeypatch.setattr(replacing, "BUSY_TIMEOUT_S", 0.1)
    code = (
        "import sys; from facecli.gallery.store import Gallery; g = Gallery.open(sys.argv[1]); g.people();"
        " print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout.readline() == "open\n"
        with path.open("r+b") as file:
            file.write(bytes(100))
        with pytest.raises(GalleryLockedError):
            restoring.restore(str(path), backup)
        assert path.read_bytes()[:100] == bytes(100)
        process.stdin.close()
    restoring.restore(str(path), backup)
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Bo"]


def test_who_was_purged_since_stays_purged(path, backup, template):
    with Gallery.open(path) as gallery:
        gallery.purge_person("Bo")
    done = restoring.restore(str(path), backup)
    assert done.purged == 1
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana"]
        assert gallery.info(check=True).problems == ()
    for old in (template(3).embedding.vector.tobytes(), b"hash of 3.jpg"):
        assert old in backup.read_bytes()
        assert old not in path.read_bytes()


def test_a_purge_in_another_gallery_purges_nobody(path, backup, tmp_path, template):
    other = tmp_path / "other.db"
    with Gallery.open(other, create=True) as gallery:
        gallery.add_templates("Zoe", [template(8)])
        gallery.add_templates("Yan", [template(9)])
        gallery.purge_person("Zoe")
        gallery._connection.execute("DROP TRIGGER events_stay_on_UPDATE")
        gallery._connection.execute("UPDATE events SET made_at = '2001-01-01T00:00:00Z'")  # enrolled at another time
    assert restoring.restore(str(other), backup).purged == 0
    with Gallery.open(other) as gallery:
        assert names(gallery) == ["Ana", "Bo"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_backup_of_an_older_schema_is_brought_up_to_date(path, tmp_path, version):
    old = tmp_path / "old.backup"
    old.write_bytes((SCHEMAS / f"{version}.sqlite").read_bytes())
    before = old.read_bytes()
    assert restoring.restore(str(path), old).contents.people == 3
    assert old.read_bytes() == before
    with Gallery.open(path) as gallery:
        assert gallery.info(check=True).problems == ()


def test_a_damaged_or_foreign_backup_changes_nothing(path, backup, tmp_path):
    before = path.read_bytes()
    damaged = bytearray(backup.read_bytes())
    place = damaged.index(b"hash of 1.jpg")
    damaged[place] ^= 1
    backup.write_bytes(damaged)
    with pytest.raises(GalleryCorruptError, match=r"the backup .* is damaged: ") as caught:
        restoring.restore(str(path), backup)
    assert "backups --check" in caught.value.hint
    with pytest.raises(GalleryError, match="there is no backup at"):
        restoring.restore(str(path), tmp_path / "none")
    assert path.read_bytes() == before


def test_another_applications_file_is_neither_a_backup_nor_replaced_by_one(path, backup, tmp_path):
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("PRAGMA application_id = 77")
        connection.execute("CREATE TABLE photos (name)")
    connection.close()
    before = path.read_bytes(), foreign.read_bytes()
    for source, target in ((foreign, path), (backup, foreign)):
        with pytest.raises(GalleryError, match="another application's database"):
            restoring.restore(str(target), source)
    assert (path.read_bytes(), foreign.read_bytes()) == before


def test_an_encrypted_gallery_is_verified_without_its_key_and_restored_with_it(path, template):
    key = bytes(range(32))
    with Gallery.open(path) as gallery:
        gallery.rename_person("Bo", "Bob")
        encrypt(gallery, "key_file", key)
        gallery.rename_person("Bob", "Bobby")
        made = backups.make(gallery._connection, gallery.path, backups.ASKED).path
        gallery.purge_person("Bobby")
    assert b"Ana" not in made.read_bytes()
    assert restoring.verify(made).people == 2
    with pytest.raises(GalleryError, match="is encrypted"):
        restoring.restore(str(path), made)
    with pytest.raises(GalleryError, match=f"does not open the backup {made}$") as caught:
        restoring.restore(str(path), made, lambda _: bytes(32))
    assert "opened the gallery when it was made" in caught.value.hint
    assert restoring.restore(str(path), made, lambda _: key).purged == 1
    with Gallery.open(path, ask_secret=lambda _: key) as gallery:
        assert (names(gallery), gallery.info(check=True).problems) == (["Ana"], ())


def test_a_folder_is_no_backup(path, tmp_path):
    with pytest.raises(GalleryError, match="is a folder"):
        restoring.restore(str(path), tmp_path)


def test_what_others_change_while_it_is_prepared_is_not_lost(path, backup, template, monkeypatch):
    set_aside = restoring.set_aside

    def changed_afterwards(*arguments):
        made = set_aside(*arguments)
        change(path, template)
        return made

    monkeypatch.setattr(restoring, "set_aside", changed_afterwards)
    with pytest.raises(GalleryLockedError, match="was changed meanwhile"):
        restoring.restore(str(path), backup)
    with Gallery.open(path) as gallery:
        assert names(gallery) == ["Ana", "Cy"]
