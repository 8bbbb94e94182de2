"""Encryption: nothing of anybody lies in the clear, the right secret gives everything back, a wrong one nothing."""

import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery import vault
from facecli.gallery.consent import Consent
from facecli.gallery.loading import load, stored_templates
from facecli.gallery.records import NewTemplate
from facecli.gallery.sealing import decrypt, encrypt, rekey
from facecli.gallery.store import Gallery

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))


@pytest.fixture(autouse=True)
def cheap_scrypt(monkeypatch):
    monkeypatch.setattr(vault, "SCRYPT_COST", 4)


def with_key(key: bytes):
    return lambda _: key


def photo(template: NewTemplate, folder: str) -> NewTemplate:
    return replace(template, source=f"{folder}/{template.source}")


def all_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def path(tmp_path, template) -> Path:
    """A gallery with people, one renamed, one removed, and a note of consent."""
    path = tmp_path / "g.sqlite"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Wilhelmina", [photo(template(number), "wedding") for number in range(6)])
        gallery.rename_person("Wilhelmina", "Mina Harker")
        gallery.add_templates("Removed Renfield", [photo(template(9), "asylum")])
        gallery.remove_person("Removed Renfield")
        gallery.add_templates("Bo", [template(7)])
        with gallery.edit("people consent") as edit:
            edit.set_consent(edit.person("Bo").person_id, Consent(note="signed in Whitby").text)
    return path


def content(gallery: Gallery):
    people = gallery.people()
    return (
        people,
        [gallery.consent(person.name) for person in people],
        [(each.source, each.embedding.vector.tobytes(), each.person_id) for each in gallery.templates()],
        gallery.matrix("sface").vectors.tobytes(),
        [event.changes for event in gallery.events()],
    )


def test_nothing_of_anybody_lies_in_the_clear(path, template):
    secrets = [b"Wilhelmina", b"Mina Harker", b"Removed Renfield", b"Whitby", b"wedding/", b"asylum/"]
    secrets += [template(number).embedding.vector.tobytes() for number in (*range(6), 7, 9)]
    with Gallery.open(path) as gallery:
        before = content(gallery)
        assert all(secret in all_bytes(path) for secret in secrets)
        assert encrypt(gallery, "key_file", KEY)
        assert content(gallery) == before
        gallery.add_templates("Bo", [photo(template(8), "wedding")])
        assert not any(secret in all_bytes(path) for secret in secrets)
    assert not any(secret in all_bytes(path) for secret in secrets)


def test_the_right_secret_opens_it_and_a_wrong_one_does_not(path):
    with Gallery.open(path) as gallery:
        before = content(gallery)
        encrypt(gallery, "passphrase", b"correct horse")
    with Gallery.open(path, ask_secret=with_key(b"correct horse")) as gallery:
        assert (content(gallery), gallery.info(check=True).problems, gallery.is_encrypted) == (before, (), True)
    untouched = path.read_bytes()
    with pytest.raises(GalleryError, match="the passphrase does not open the gallery") as caught:
        Gallery.open(path, ask_secret=with_key(b"wrong"))
    assert caught.value.code == "gallery_wrong_key"
    with pytest.raises(GalleryError, match="is encrypted") as caught:
        Gallery.open(path)
    assert caught.value.code == "gallery_encrypted"
    assert path.read_bytes() == untouched


def test_another_secret_is_given_without_writing_anything_else(path):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        before = content(gallery)
        with closing(sqlite3.connect(path)) as connection:
            sealed = connection.execute("SELECT vector, source FROM templates").fetchall()
        rekey(gallery, "passphrase", b"new")
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT vector, source FROM templates").fetchall() == sealed
    with pytest.raises(GalleryError, match="does not open"):
        Gallery.open(path, ask_secret=with_key(KEY))
    with Gallery.open(path, ask_secret=with_key(b"new")) as gallery:
        assert content(gallery) == before


def test_a_decrypted_gallery_is_as_it_was(path):
    with Gallery.open(path) as gallery:
        before = content(gallery)
        encrypt(gallery, "key_file", KEY)
        decrypt(gallery)
        assert (content(gallery), gallery.info(check=True).problems) == (before, ())
    with Gallery.open(path) as gallery:
        assert content(gallery) == before
        with pytest.raises(GalleryError, match="is not encrypted"):
            rekey(gallery, "key_file", KEY)


def test_an_encrypted_gallery_is_not_encrypted_again(path):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        with pytest.raises(GalleryError, match="encrypted already"):
            encrypt(gallery, "key_file", OTHER_KEY)
    Gallery.open(path, ask_secret=with_key(KEY)).close()


def test_a_purge_destroys_the_key_of_the_person_and_no_other(path):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        gallery.purge_person("Mina Harker")
        with closing(sqlite3.connect(path)) as connection:
            kept = [row[0] for row in connection.execute("SELECT person_id FROM person_keys ORDER BY 1")]
        assert kept == [2, 3]
        assert ([person.name for person in gallery.people()], gallery.info(check=True).problems) == (["Bo"], ())


def test_a_template_that_moved_needs_the_new_owners_key_alone(path):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        with gallery.edit("people move") as edit:
            edit.give([1, 2], edit.person("Bo").person_id)
        moved = [each.embedding.vector.tobytes() for each in gallery.templates()[:2]]
        gallery.purge_person("Mina Harker")
        assert [each.embedding.vector.tobytes() for each in gallery.templates()[:2]] == moved


def test_a_process_that_opened_it_before_does_not_write_in_the_clear(path, template):
    with Gallery.open(path) as early, Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        for change in (lambda: early.add_templates("Cy", [template(3)]), early.people, lambda: early.matrix("sface")):
            with pytest.raises(GalleryError, match="was encrypted meanwhile"):
                change()
        assert [person.name for person in gallery.people()] == ["Bo", "Mina Harker"]


def test_it_is_said_that_it_is_encrypted_though_it_cannot_be_written_anew(path):
    with Gallery.open(path) as gallery:
        gallery._connection.set_authorizer(  # VACUUM attaches the new file
            lambda action, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
        )
        with pytest.raises(GalleryError, match="was encrypted, but could not be written anew"):
            encrypt(gallery, "key_file", KEY)
    with Gallery.open(path, ask_secret=with_key(KEY)) as gallery:
        assert [person.name for person in gallery.people()] == ["Bo", "Mina Harker"]
    assert not any(secret in all_bytes(path) for secret in (b"Mina", b"Whitby", b"wedding"))


def test_what_was_killed_before_the_file_was_written_anew_is_finished_by_who_opens_it_next(path, monkeypatch):
    with monkeypatch.context() as killed, Gallery.open(path) as gallery:
        killed.setattr("facecli.gallery.sealing._rewritten", lambda *_: True)
        gallery._connection.execute("PRAGMA secure_delete = OFF")  # so that there is something to overwrite
        encrypt(gallery, "key_file", KEY)
        before = content(gallery)
    left = path.read_bytes()
    secrets = [secret for secret in (b"Mina", b"Wilhelmina", b"Whitby", b"wedding", b"asylum") if secret in left]
    assert secrets
    with Gallery.open(path, ask_secret=with_key(KEY), read_only=True) as gallery:
        assert content(gallery) == before
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the file cannot be written anew now, and nobody waits for that
        with Gallery.open(path, ask_secret=with_key(KEY), busy_timeout_s=60) as gallery:
            assert content(gallery) == before
    assert path.read_bytes() == left
    with Gallery.open(path, ask_secret=with_key(KEY)) as gallery:
        assert (content(gallery), gallery.info(check=True).problems) == (before, ())
    assert not any(secret in all_bytes(path) for secret in secrets)
    anew = path.read_bytes()
    Gallery.open(path, ask_secret=with_key(KEY)).close()
    assert path.read_bytes() == anew


def test_a_process_that_opened_it_before_does_not_write_for_another_key(path, template):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        with Gallery.open(path, ask_secret=with_key(KEY)) as early:
            decrypt(gallery)
            encrypt(gallery, "key_file", KEY)
            with pytest.raises(GalleryError, match="was given another secret meanwhile"):
                early.add_templates("Cy", [template(3)])
        with Gallery.open(path, ask_secret=with_key(KEY)) as early:
            rekey(gallery, "key_file", OTHER_KEY)
            with pytest.raises(GalleryError, match="was given another secret meanwhile"):
                early.people()
        gallery.add_templates("Cy", [template(3)])
        assert gallery.info(check=True).problems == ()


def test_the_key_of_somebody_who_was_never_enrolled_after_all_is_not_used(path, template):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        with Gallery.open(path, ask_secret=with_key(KEY)) as early:
            with suppress(RuntimeError), early.edit("enroll") as edit:
                edit.add_person("Cy")
                raise RuntimeError
            gallery.add_templates("Di", [template(3)])
            assert [person.name for person in early.people()] == ["Bo", "Di", "Mina Harker"]
            assert early.matrix("sface").names == gallery.matrix("sface").names


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE person_keys SET wrapped = zeroblob(60) WHERE person_id = 1",
        "DELETE FROM person_keys WHERE person_id = 1",
        "UPDATE templates SET vector = zeroblob(60) WHERE template_id = 1",
        "UPDATE people SET name = 'AAAA' WHERE person_id = 1",
    ],
)
def test_what_is_not_as_it_was_encrypted_is_named(path, damage):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(damage)
    with Gallery.open(path, ask_secret=with_key(KEY)) as gallery:
        with pytest.raises(GalleryCorruptError):
            gallery.matrix("sface")
        assert gallery.info(check=True).problems


def test_a_lock_that_asks_for_all_memory_is_refused(path):
    with Gallery.open(path) as gallery:
        encrypt(gallery, "passphrase", b"x")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE vault SET cost = 40")
    with pytest.raises(GalleryCorruptError, match="scrypt"):
        Gallery.open(path, ask_secret=with_key(b"x"))


def test_a_damaged_gallery_is_not_encrypted(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE templates SET vector = zeroblob(32) WHERE template_id = 2")
    with Gallery.open(path) as gallery:
        with pytest.raises(GalleryCorruptError, match="template 2"):
            encrypt(gallery, "key_file", KEY)
        assert not gallery.is_encrypted


def test_no_search_file_is_made_beside_it(path, monkeypatch):
    monkeypatch.setattr("facecli.gallery.loading.LEAST_TEMPLATES", 2)
    with Gallery.open(path) as gallery:
        encrypt(gallery, "key_file", KEY)
        loaded = load(gallery, "sface")
        assert np.array_equal(loaded.matrix.vectors_at(np.array([0])), gallery.matrix("sface").vectors[:1])
        with pytest.raises(GalleryError, match="in the clear"):
            stored_templates(gallery, "sface")
    assert {each.name for each in path.parent.iterdir()} == {"g.sqlite"}
