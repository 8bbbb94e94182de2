"""Purging: what is destroyed, what a plain search of all bytes finds then, and what the receipt says."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from purge_histories import checked_history

from facecli.errors import FacecliError, UnknownPersonError
from facecli.gallery import backups, loading
from facecli.gallery.checksums import template_checksums
from facecli.gallery.consent import Consent
from facecli.gallery.loading import load
from facecli.gallery.records import NewTemplate
from facecli.gallery.sealing import decrypt, encrypt
from facecli.gallery.store import Gallery
from facecli.scans.records import Asked, Entry, EntryState, FileSignature, KnownFile
from facecli.scans.store import FILE_NAME, ScanStore
from facecli.services.purging.byte_search import CHUNK_BYTES, ByteSearch, Hit, runs
from facecli.services.purging.purge import Places, plan_purge, purge
from facecli.services.purging.receipt import Receipt
from facecli.types import Crop, Detection, Embedding, Face, PhotoResult

MODEL = "sface@0123"
FINGERPRINT = "ab" * 32


def vector(number: int) -> np.ndarray:
    found = np.random.default_rng(number).standard_normal(128).astype(np.float32)
    return found / np.linalg.norm(found)


def near(number: int, other: int, share: float = 0.3) -> np.ndarray:
    """Return another photo of somebody: a vector near to theirs."""
    found = vector(number) + share * vector(other)
    return (found / np.linalg.norm(found)).astype(np.float32)


def content_hash(number: int) -> str:
    return hashlib.sha256(b"photo %d" % number).hexdigest()


def photo(number: int, *, face: np.ndarray | None = None, folder: str = "/photos", left: float = 10) -> NewTemplate:
    embedding = Embedding(vector(number) if face is None else face, MODEL)
    box = np.array((left, 20, left + 100, 140), np.float32)
    return NewTemplate(embedding, 0.5, f"{folder}/holiday {number:04d}.jpg", content_hash(number), box)


def result(*faces: np.ndarray) -> PhotoResult:
    detection = Detection(np.array([1, 2, 30, 40], np.float32), np.ones((5, 2), np.float32), 0.9)
    found = tuple(Face(detection, None, Embedding(face, MODEL)) for face in faces)
    return PhotoResult("", "ok" if found else "no_face", 100, 100, found)


class House:
    """A gallery with its scans and caches in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "people.db"
        self.state, self.cache = folder / "state", folder / "cache"
        self.cache.mkdir()
        Gallery.open(self.path, create=True).close()
        self.places = Places(self.open, self.state, self.cache)

    def open(self) -> Gallery:
        return Gallery.open(self.path)

    def enrol(self, name: str, *photos: NewTemplate) -> None:
        with self.open() as gallery:
            gallery.add_templates(name, photos)

    def merge(self, name: str, into: str) -> None:
        with self.open() as gallery, gallery.edit("people merge") as edit:
            edit.merge(edit.person(name).person_id, edit.person(into).person_id)

    def store(self) -> ScanStore:
        return ScanStore.open(self.state / FILE_NAME)

    def purge(self, name: str, **wishes) -> Receipt:
        return purge(name, self.places, lambda model_id, rate: 0.5, **wishes)  # of any model

    def plan(self, name: str):
        return plan_purge(name, self.places, lambda model_id, rate: 0.5)

    def holding(self, content: bytes) -> list[str]:
        """Return which files hold some bytes: read whole, with `in`."""
        return [path.name for path in sorted(self.folder.rglob("*")) if path.is_file() and content in path.read_bytes()]

    def everything_of(self, numbers, *names: str) -> list[str]:
        found = []
        for number in numbers:
            data = photo(number).embedding.vector.tobytes()
            for start in range(0, len(data) - 15, 4):
                found += self.holding(data[start : start + 16])
            found += self.holding(photo(number).source.encode()) + self.holding(content_hash(number).encode())
            found += self.holding(bytes.fromhex(content_hash(number)))
        for name in names:
            found += self.holding(name.encode()) + self.holding(json.dumps(name)[1:-1].encode())
        return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_search_of_many_needles_finds_what_a_plain_one_finds():
    draw = random.Random(1)
    for _ in range(200):
        letters = draw.choice([b"ab", bytes(range(256))])
        text = bytes(draw.choice(letters) for _ in range(draw.randrange(2000)))
        needles = list({
            bytes(draw.choice(letters) for _ in range(draw.randrange(1, 20))) if draw.random() < 0.5
            else text[(start := draw.randrange(len(text) + 1)) : start + draw.randrange(1, 40)] or b"x"
            for _ in range(draw.randrange(1, 30))
        })  # fmt: skip
        plain = {
            Hit(number, start)
            for number, needle in enumerate(needles)
            for start in range(len(text) - len(needle) + 1)
            if text[start : start + len(needle)] == needle
        }
        found = list(ByteSearch(needles).in_bytes(text))
        assert len(found) == len(set(found))
        assert set(found) == plain


@given(data=st.binary(min_size=1, max_size=600))
def test_runs_are_pieces_of_what_they_stand_for(data):
    assert runs(data)
    assert all(piece in data for piece in runs(data))


@pytest.mark.parametrize("offset", [0, 1, CHUNK_BYTES - 40, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES - 7])
def test_a_needle_is_found_once_wherever_it_lies(tmp_path, offset):
    needle = vector(1).tobytes()[:48]
    text = bytearray(3 * CHUNK_BYTES)
    text[offset : offset + len(needle)] = needle
    path = tmp_path / "file"
    path.write_bytes(text)
    assert ByteSearch([needle, b"not there"]).in_file(path) == (len(text), [Hit(0, offset)])
    path.write_bytes(b"")
    assert ByteSearch([needle]).in_file(path) == (0, [])


def test_nothing_is_left_of_somebody_with_a_history(house):
    """Renamed, moved to and fro, merged with somebody, templates taken away, removed, and that undone."""
    house.enrol("Theodora", *map(photo, range(1, 6)))
    house.enrol("Bystander", *map(photo, range(50, 90)))
    house.enrol("Dora Second", photo(6), photo(1, face=near(1, 900)))
    with house.open() as gallery:
        gallery.rename_person("Theodora", "Theodora Müller")
        with gallery.edit("people move") as edit:
            edit.give([3], edit.person("Bystander").person_id)
        with gallery.edit("people undo") as edit:
            edit.undo(gallery.events()[-1].event_id)
        with gallery.edit("people consent") as edit:
            edit.set_consent(edit.person("Theodora Müller").person_id, Consent(note="form in drawer 7").text)
        with gallery.edit("people remove template") as edit:
            edit.give([2], None)
        gallery.remove_person("Theodora Müller")
        with gallery.edit("people undo") as edit:
            edit.undo(gallery.events()[-1].event_id)
    house.merge("Dora Second", into="Theodora Müller")
    assert house.holding(b"Dora Second")

    receipt = house.purge("Theodora Müller")

    assert house.everything_of(range(1, 7), "Theodora", "Theodora Müller", "Dora Second", "form in drawer 7") == []
    assert (receipt.found, receipt.plan.people, receipt.plan.names, receipt.plan.templates) == (0, 2, 3, 7)
    assert receipt.looked_for["vectors"] == 7
    assert not receipt.is_rewritten
    with house.open() as gallery:
        assert gallery.info(check=True).problems == ()
        assert [(person.name, person.template_count) for person in gallery.people()] == [("Bystander", 40)]


def test_somebody_removed_before_is_purged_by_any_name_of_then(house):
    house.enrol("Theodora", photo(1))
    with house.open() as gallery:
        gallery.remove_person("Theodora")
    assert house.plan("Theodora").templates == 1
    assert house.purge("Theodora").plan.templates == 1
    assert house.everything_of([1], "Theodora") == []


def test_who_was_merged_and_came_back_is_somebody_else(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(2))
    house.merge("Bystander", into="Theodora")
    with house.open() as gallery, gallery.edit("people undo") as edit:
        edit.undo(gallery.events()[-1].event_id)
    house.purge("Theodora")
    with house.open() as gallery:
        assert [(person.name, person.template_count) for person in gallery.people()] == [("Bystander", 1)]


def test_search_files_are_deleted(house, monkeypatch):
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 1)
    house.enrol("Theodora", photo(1), photo(2, face=near(1, 2)))
    house.enrol("Bystander", photo(3))
    with house.open() as gallery:
        load(gallery, MODEL)
    (file,) = house.folder.glob("people.db.index-*")
    (house.folder / f"{file.name}abc.tmp").write_bytes(file.read_bytes())
    mean = vector(1) + near(1, 2)

    receipt = house.purge("Theodora")

    assert len(receipt.plan.search_files) == 2
    assert not list(house.folder.glob("people.db.index-*"))
    assert house.holding((mean / np.linalg.norm(mean)).astype(np.float32).tobytes()[:64]) == []
    # Pieces of two vectors and their mean, and of the codes of all three.
    assert receipt.looked_for["vectors"] == 2


def scanned(house: House) -> int:
    """Two scans: one is finished, of Theodora, strangers, and a group; one was interrupted."""
    with house.store() as store:
        asked = Asked("/photos", ("/photos",))
        photos = {
            "/photos/holiday 0001.jpg": (content_hash(1), result(vector(1))),  # enrolled
            "/photos/other.jpg": (content_hash(100), result(vector(70), near(1, 71))),  # a group
            "/photos/stranger.jpg": (content_hash(101), result(vector(72))),
            "/photos/Theodora/profile.jpg": (content_hash(102), result()),
            "/photos/Theodorakis.jpg": (content_hash(103), result(vector(73))),
        }
        for number in range(2):
            scan = store.begin(
                asked if number else Asked("/else", ("/else",)), {}, (Entry(i, path) for i, path in enumerate(photos))
            )
            for position, (path, (digest, found)) in enumerate(photos.items()):
                store.keep(
                    FINGERPRINT,
                    digest,
                    found,
                    scan_id=scan.scan_id,
                    entry=Entry(position, path, EntryState.DONE, digest),
                    file=KnownFile(path, FileSignature(1, 2), digest),
                )
            if not number:
                store.finish(scan.scan_id)
            else:
                # Of a process that is no more.
                store._connection.execute("UPDATE scans SET owner = '' WHERE scan_id = ?", (scan.scan_id,))
        return scan.scan_id


def test_what_scans_keep_of_the_person_is_forgotten(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(3))
    interrupted = scanned(house)

    plan = house.plan("Theodora")
    receipt = house.purge("Theodora")

    with house.store() as store:
        known = [store.find(FINGERPRINT, content_hash(number)) is not None for number in (1, 100, 101, 102, 103)]
        assert known == [False, False, True, True, True]
        finished, waiting = store.scans()
        assert (finished.photos, finished.done) == (2, 2)
        assert [entry.path for entry in store.entries(finished.scan_id)] == [
            "/photos/stranger.jpg",
            "/photos/Theodorakis.jpg",
        ]
        # Those that are to be gone on with keep their list, or photos would be left out of the results.
        assert (waiting.scan_id, waiting.photos, waiting.done) == (interrupted, 5, 2)
    assert house.holding(near(1, 71).tobytes()[:32]) == []
    assert house.holding(content_hash(1).encode()) == []
    assert plan.scans == receipt.plan.scans
    assert (receipt.plan.scans.analyses, receipt.plan.scans.file_names, receipt.plan.scans.waiting) == (2, 6, 3)
    assert receipt.found == 0
    (scans,) = (file for file in receipt.files if file.path.name == FILE_NAME)
    assert {(each.kind, each.where) for each in scans.remainders} == {
        ("names", "entries.path"),  # of the scan that was interrupted
        ("names", "entries.path, files.path"),  # Theodorakis
        ("paths of photos", "entries.path"),
    }


def test_without_a_measured_threshold_all_that_the_model_found_is_forgotten(house):
    house.enrol("Theodora", photo(1))
    scanned(house)
    receipt = purge("Theodora", house.places, lambda model_id, rate: None)
    assert receipt.plan.unmeasured == (MODEL,)
    with house.store() as store:
        known = [store.find(FINGERPRINT, content_hash(number)) is not None for number in (100, 101, 102, 103)]
    assert known == [False, False, True, False]


def test_a_plan_changes_nothing(house):
    house.enrol("Theodora", photo(1))
    scanned(house)
    before = house.path.read_bytes(), (house.state / FILE_NAME).read_bytes()
    assert house.plan("Theodora").scans.analyses == 2
    assert (house.path.read_bytes(), (house.state / FILE_NAME).read_bytes()) == before


def test_a_running_scan_would_find_the_person_again(house):
    house.enrol("Theodora", photo(1))
    with house.store() as store:
        store.begin(Asked("/photos", ("/photos",)), {}, [Entry(0, "/photos/1.jpg")])
        with pytest.raises(FacecliError) as caught:
            house.purge("Theodora")
    assert caught.value.code == "scan_running"
    with house.open() as gallery:
        assert gallery.find_person("Theodora") is not None


def test_files_of_scans_that_were_set_aside_as_damaged_go_too(house):
    house.enrol("Theodora", photo(1))
    scanned(house)
    aside = house.state / f"{FILE_NAME}.damaged-20260101T000000.0"
    shutil.copy(house.state / FILE_NAME, aside)
    house.purge("Theodora")
    assert not aside.exists()


def test_what_others_share_with_the_person_stays_and_is_said(house):
    """A name within others' names and paths; a photo that shows both; one face under two names."""
    house.enrol("Ana", photo(1), photo(2))
    house.enrol("Anabel", photo(2, face=vector(20), left=500), photo(3, folder="/photos/Banana Ana Ana"))
    house.enrol("Twin", photo(1))

    receipt = house.purge("Ana")

    (gallery,) = (file for file in receipt.files if file.path == house.path)
    assert receipt.found == 0
    assert {(each.kind, each.where) for each in gallery.remainders} == {
        ("names", "changes.after, people.name"),
        ("names", "templates.source"),
        ("vectors", "templates.vector"),
        ("paths of photos", "templates.source"),
        ("hashes of photos", "templates.content_hash"),
    }
    assert house.holding(vector(2).tobytes()[:16]) == []


@pytest.mark.parametrize(
    "left", [vector(1).tobytes()[200:232], b"Theodora", content_hash(1).encode(), b"holiday 0001.jpg"]
)
def test_the_receipt_tells_what_is_left_in_files_of_ours(house, left):
    """Bytes are put where nobody deletes them: the receipt finds each."""
    house.enrol("Theodora", photo(1))
    source = photo(1).source.encode()
    left = source if source.endswith(left) else left
    (house.cache / "compiled").mkdir()
    (house.cache / "compiled" / "something").write_bytes(b"\0" * 10_001 + left + b"\0" * 50)
    receipt = house.purge("Theodora")
    assert receipt.found == 1
    assert [file.path.name for file in receipt.files if file.found] == ["something"]


def test_networks_are_not_looked_through(house):
    (house.cache / "models").mkdir()
    (house.cache / "models" / "weights").write_bytes(b"Theodora")
    house.enrol("Theodora", photo(1))
    assert house.purge("Theodora").found == 0


def test_remnants_in_free_space_are_found_and_written_over(house):
    """A gallery of which an earlier version left something in its pages: purging somebody finds it, and rewrites."""
    house.enrol("Theodora", *map(photo, range(1, 40)))
    house.enrol("Bystander", *map(photo, range(50, 90)))
    connection = sqlite3.connect(house.path, isolation_level=None)
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("CREATE TABLE leaky (content BLOB)")
    connection.executemany("INSERT INTO leaky VALUES (?)", [(vector(number).tobytes() * 20,) for number in (1, 2, 3)])
    connection.execute("DROP TABLE leaky")
    connection.close()
    assert house.path.read_bytes().count(vector(1).tobytes()) > 10

    receipt = house.purge("Theodora")

    assert receipt.is_rewritten
    assert receipt.found == 0
    assert house.everything_of(range(1, 40), "Theodora") == []
    with house.open() as gallery:
        assert gallery.info(check=True).problems == ()
        assert len(gallery.matrix(MODEL).template_ids) == 40


def test_a_reader_that_keeps_the_log_is_told_of(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(2))
    reader = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN');"
            "c.execute('SELECT count(*) FROM people').fetchone(); print('reading', flush=True); sys.stdin.read()",
            str(house.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert reader.stdout is not None
    assert reader.stdout.readline() == b"reading\n"
    places = Places(lambda: Gallery.open(house.path, busy_timeout_s=0.1), house.state, house.cache)
    receipt = purge("Theodora", places, lambda model_id, rate: 0.5)
    assert receipt.is_in_use
    assert receipt.found
    reader.kill()
    reader.communicate()
    assert house.holding(b"Theodora")

    with pytest.raises(UnknownPersonError):  # which is said only when no file holds the name
        house.purge("Theodora")

    assert house.everything_of([1], "Theodora") == []


def test_nobody_of_a_name_is_an_error(house):
    house.enrol("Theodora", photo(1))
    for name in ("Theodor", "dora", "Nobody"):
        with pytest.raises(UnknownPersonError):
            house.purge(name)
        with pytest.raises(UnknownPersonError):
            house.plan(name)


def test_backups_that_hold_the_person_are_named_and_deleted_if_asked_for(house):
    house.enrol("Bystander", photo(2))
    with house.open() as gallery:
        before = backups.make(gallery._connection, gallery.path, "asked").path
    house.enrol("Theodora", photo(1))
    with house.open() as gallery:
        held = backups.make(gallery._connection, gallery.path, "asked").path
    copy = house.folder / "people.db.bak"
    shutil.copy(house.path, copy)
    house.enrol("Zoe", photo(7))

    receipt = house.purge("Theodora")

    assert [(each.path, each.is_backup, each.is_deleted) for each in receipt.copies] == [
        (held, True, False),
        (copy, False, False),
    ]
    assert receipt.found == 0
    house.enrol("Theodora", photo(1))
    receipt = house.purge("Theodora", delete_backups=True)
    assert [(each.path, each.is_deleted) for each in receipt.copies] == [(held, True), (copy, False)]
    assert receipt.new_backup is not None
    assert (before.exists(), held.exists(), copy.exists(), receipt.new_backup.exists()) == (True, False, True, True)
    copy.unlink()
    assert house.everything_of([1], "Theodora") == []


def test_others_who_said_that_this_face_is_not_theirs(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(2))
    with house.open() as gallery:
        gallery.add_templates("Bystander", [photo(9, face=near(1, 5)), photo(10)], is_negative=True)

    receipt = house.purge("Theodora")

    assert (receipt.plan.negatives, receipt.plan.templates, receipt.found) == (1, 2, 0)
    assert house.holding(near(1, 5).tobytes()[:32]) == []
    with house.open() as gallery:
        assert [each.content_hash for each in gallery.templates(is_negative=True)] == [content_hash(10)]
        assert gallery.info(check=True).problems == ()


def test_whom_somebody_is_not_is_no_face_of_theirs(house):
    house.enrol("Theodora", photo(1))
    with house.open() as gallery:
        gallery.add_templates("Theodora", [photo(9, face=near(72, 5))], is_negative=True)
    scanned(house)
    house.purge("Theodora")
    with house.store() as store:
        assert store.find(FINGERPRINT, content_hash(101)) is not None
    assert house.holding(near(72, 5).tobytes()[:32]) == []


def test_a_gallery_that_can_only_be_read(house):
    house.enrol("Theodora", photo(1))
    places = Places(lambda: Gallery.open(house.path, read_only=True), house.state, house.cache)
    with pytest.raises(FacecliError) as caught:
        purge("Theodora", places, lambda model_id, rate: 0.5)
    assert caught.value.code == "gallery_read_only"


def test_somebody_without_templates(house):
    with house.open() as gallery:
        gallery.add_person("Theodora")
    receipt = house.purge("Theodora")
    assert (receipt.found, receipt.looked_for) == (0, {"names": 1})
    assert house.holding(b"Theodora") == []


def jpeg(seed: int) -> bytes:
    return b"\xff\xd8" + b"\0tables" * 100 + np.random.default_rng(seed).bytes(9000)


def test_crops_go_and_those_of_others_stay(house):
    landmarks = np.arange(10, dtype=np.float32).reshape(5, 2)
    for name, number in (("Theodora", 1), ("Bystander", 2)):
        house.enrol(name, replace(photo(number), crop=Crop(jpeg(number), landmarks)))
    receipt = house.purge("Theodora")
    assert (receipt.plan.crops, receipt.looked_for["crops"], receipt.found) == (1, 1, 0)
    assert [house.holding(jpeg(1)[start : start + 16]) for start in range(704, 9000, 160)] == [[]] * 52
    assert house.holding(jpeg(2)[2000:2100])
    with house.open() as gallery:
        assert gallery.info(check=True).problems == ()


def test_what_another_model_makes_of_templates_goes_with_them(house):
    house.enrol("Theodora", photo(1))
    with house.open() as gallery:
        row = (1, "other", vector(88).tobytes(), template_checksums([vector(88).tobytes()], 1, 0)[0])
        gallery._connection.execute("INSERT INTO reembedded VALUES (?, ?, ?, ?)", row)
    assert house.holding(vector(88).tobytes())
    receipt = house.purge("Theodora")
    assert (receipt.looked_for["vectors"], receipt.found) == (2, 0)
    assert house.holding(vector(88).tobytes()[:16]) == []


def test_of_an_encrypted_gallery_the_ciphers_and_the_key_go_too(house):
    key = bytes(range(32))
    house.enrol("Theodora", photo(1), photo(2))
    house.enrol("Bystander", photo(3))
    with house.open() as gallery:
        encrypt(gallery, "key_file", key)
    places = Places(lambda: Gallery.open(house.path, ask_secret=lambda _: key), house.state, house.cache)
    with sqlite3.connect(house.path) as connection:
        ciphers = [
            row[0] for row in connection.execute(
                "SELECT vector FROM templates WHERE person_id = 1"
                " UNION ALL SELECT wrapped FROM person_keys WHERE person_id = 1"
                " UNION ALL SELECT lookup FROM people WHERE person_id = 1"
            )
        ]  # fmt: skip
    connection.close()
    assert len(ciphers) == 4
    assert all(house.holding(cipher) for cipher in ciphers)

    receipt = purge("Theodora", places, lambda model_id, rate: 0.5)

    assert (receipt.plan.templates, receipt.found) == (2, 0)
    assert receipt.looked_for["keys"] >= 7
    assert [house.holding(cipher) for cipher in ciphers] == [[]] * 4
    with places.open_gallery() as gallery:
        assert [person.name for person in gallery.people()] == ["Bystander"]
        assert gallery.info(check=True).problems == ()


def test_backups_of_other_keys_may_hold_the_person(house):
    key = bytes(range(32))
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(2))
    places = Places(lambda: Gallery.open(house.path, ask_secret=lambda _: key), house.state, house.cache)
    with house.open() as gallery:
        encrypt(gallery, "key_file", key)
        old = backups.make(gallery._connection, gallery.path, "asked").path
        decrypt(gallery)
        encrypt(gallery, "key_file", key)
        held = backups.make(gallery._connection, gallery.path, "asked").path
        gallery.remove_person("Theodora")
        later = backups.make(gallery._connection, gallery.path, "asked").path

    receipt = purge("Theodora", places, lambda model_id, rate: 0.5)

    assert [(each.path, each.is_unread) for each in receipt.copies] == [(old, True), (held, False), (later, False)]
    with places.open_gallery() as gallery:
        after = backups.make(gallery._connection, gallery.path, "asked").path
        decrypt(gallery)
    receipt = house.purge("Bystander", delete_backups=True)
    assert [(each.path, each.is_unread) for each in receipt.copies] == [
        (path, True) for path in (old, held, later, after)
    ]
    assert [path.exists() for path in (old, held, later, after)] == [False] * 4


def test_a_negative_of_a_face_whose_nearness_nobody_measured_goes_if_it_is_the_same(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Bystander", photo(2))
    with house.open() as gallery:
        gallery.add_templates("Bystander", [photo(1), photo(9, face=near(1, 5))], is_negative=True)
    assert plan_purge("Theodora", house.places, lambda model_id, rate: None).negatives == 1


def test_what_only_another_model_has_analysed_is_named(house):
    house.enrol("Theodora", photo(1))
    scanned(house)
    with house.store() as store:
        other = replace(result(vector(5)).faces[0], embedding=Embedding(vector(5), "other@1"))
        store.keep(FINGERPRINT, content_hash(200), replace(result(vector(5)), faces=(other,)))
    assert house.purge("Theodora").plan.uncompared == ("other@1",)


def test_who_may_be_the_same_person_is_named(house):
    house.enrol("Theodora", photo(1))
    house.enrol("Dora", photo(2), photo(3, face=near(1, 5)))
    house.enrol("Bystander", photo(4))
    assert [each.name for each in house.plan("Theodora").lookalikes] == ["Dora"]
    (alike,) = house.purge("Theodora").plan.lookalikes
    assert alike.score == pytest.approx(float(vector(1) @ near(1, 5)))
    assert house.holding(near(1, 5).tobytes())


def test_a_file_that_cannot_be_read_is_told_of(house, monkeypatch):
    house.enrol("Theodora", photo(1))
    odd = [house.cache / "odd", house.folder / "people.db.odd"]
    for path in odd:
        path.write_bytes(b"x")
    open_path = Path.open

    def opened(path, *words, **named):
        if path in odd:
            raise PermissionError(13, "Permission denied")
        return open_path(path, *words, **named)

    monkeypatch.setattr(Path, "open", opened)
    receipt = house.purge("Theodora")
    assert receipt.unread == (odd[0],)
    assert [(each.path, each.is_unread) for each in receipt.copies] == [(odd[1], True)]


@pytest.mark.parametrize(("seed", "encrypted"), [(0, False), (1, False), (2, True)])
def test_whatever_happened_before(tmp_path, seed, encrypted):
    assert checked_history(tmp_path, seed, encrypted=encrypted) > 0
