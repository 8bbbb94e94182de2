"""Consent as data: what it may say, when it ends, and that nobody is compared with somebody whose consent has."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.errors import GalleryCorruptError, InputError
from facecli.gallery import loading, person_rows
from facecli.gallery.consent import MAX_BASIS_LENGTH, MAX_NOTE_LENGTH, Consent, read_expiry, today
from facecli.gallery.loading import load
from facecli.gallery.sealing import encrypt
from facecli.gallery.search import GallerySearch
from facecli.gallery.stamp import stamp_of
from facecli.gallery.store import Gallery
from facecli.services.calibration import calibrate
from facecli.services.pinned_gallery import PinnedGallery
from facecli.types import Embedding

NOW = date(2026, 11, 23)
DAY = timedelta(days=1)


def is_said(text: str) -> bool:
    try:
        Consent(note=text)
    except InputError:
        return False
    return True


texts = st.text(max_size=30).filter(is_said)


@given(basis=texts, note=texts, expires=st.none() | st.dates())
def test_what_is_said_comes_back(basis, note, expires):
    if basis or note or expires:
        consent = Consent(basis, note, expires)
        assert Consent.of_text(consent.text) == consent


def test_as_it_is_kept():
    consent = Consent("signed form", 'in "folder" 3, Zoë', date(2028, 5, 31))
    assert json.loads(consent.text) == {
        "basis": "signed form",
        "note": 'in "folder" 3, Zoë',
        "expires": "2028-05-31",
    }


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"basis": "a\nb"},
        {"note": "\u202eb"},
        {"basis": "x" * (MAX_BASIS_LENGTH + 1)},
        {"note": "x" * (MAX_NOTE_LENGTH + 1)},
    ],
)
def test_what_cannot_be_said(said):
    with pytest.raises(InputError):
        Consent(**said)


@pytest.mark.parametrize(
    "text",
    [
        *("asked", "", "[]", "{}", "null", '{"expires": 3}', '{"expires": "20280531"}', '{"expires": "2028-13-31"}'),
        *(
            '{"until": "2028-05-31"}',
            '{"expires": "2028-W01-1"}',
            '{"note": "a\\u0000"}',
            '{"basis": ["a"]}',
            "[" * 100_000,
        ),
    ],
)
def test_what_is_no_consent(text):
    with pytest.raises(ValueError, match=r".+"):
        Consent.of_text(text)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2028-05-31", date(2028, 5, 31)),
        (" 2028-02-29 ", date(2028, 2, 29)),
        ("1d", date(2026, 11, 24)),
        ("6w", date(2027, 1, 4)),
        ("1m", date(2026, 12, 23)),
        ("2m", date(2027, 1, 23)),
        ("25m", date(2028, 12, 23)),
        ("2y", date(2028, 11, 23)),
        ("0d", NOW),
        ("never", None),
    ],
)
def test_when_it_expires(said, meant):
    assert read_expiry(said, NOW) == meant


def test_a_month_later_is_its_last_day_where_it_is_shorter():
    assert read_expiry("1m", date(2027, 1, 31)) == date(2027, 2, 28)
    assert read_expiry("4y", date(2024, 2, 29)) == date(2028, 2, 29)
    assert read_expiry("1y", date(2024, 2, 29)) == date(2025, 2, 28)


@pytest.mark.parametrize("said", ["", "soon", "2028-2-1", "2027-02-29", "99999y", "99999m", "-1d", "2 y", "٣d", "1h"])
def test_when_it_cannot_expire(said):
    with pytest.raises(InputError, match="consent cannot expire on"):
        read_expiry(said, NOW)


def test_it_ends_when_the_day_begins():
    consent = Consent(expires=NOW)
    assert [consent.is_expired(day) for day in (NOW - DAY, NOW, NOW + DAY)] == [False, True, True]
    assert not Consent("contract").is_expired(date.max)


def say(gallery: Gallery, name: str, consent: Consent | str | None) -> None:
    with gallery.edit("people consent") as edit:
        text = consent.text if isinstance(consent, Consent) else consent
        edit.set_consent(edit.person(name).person_id, text)


def enrol(gallery: Gallery, template) -> None:
    for number, name in enumerate(("Ana", "Bo", "Cy"), 1):
        gallery.add_templates(name, [template(2 * number), template(2 * number + 1)])
    gallery.today = lambda: NOW


def test_who_has_expired_is_not_compared_with(gallery, template):
    enrol(gallery, template)
    whole = gallery.matrix("sface")
    say(gallery, "Bo", Consent("signed form", expires=NOW + DAY))
    assert gallery.matrix("sface").names == whole.names
    assert gallery.expired_people() == []

    gallery.today = lambda: NOW + DAY
    left = gallery.matrix("sface")

    assert left.names == {1: "Ana", 3: "Cy"}
    assert left.person_ids.tolist() == [1, 1, 3, 3]
    assert left.template_ids.tolist() == [1, 2, 5, 6]
    assert np.array_equal(left.vectors, whole.vectors[[0, 1, 4, 5]])
    assert not left.vectors.flags.writeable
    assert [person.name for person in gallery.expired_people()] == ["Bo"]
    assert gallery.info(check=True).problems == ()
    assert [person.name for person in gallery.people()] == ["Ana", "Bo", "Cy"]  # still enrolled


def test_everybody_may_have_expired(gallery, template):
    enrol(gallery, template)
    for name in ("Ana", "Bo", "Cy"):
        say(gallery, name, Consent(expires=NOW))
    matrix = gallery.matrix("sface")
    assert (matrix.names, matrix.vectors.shape) == ({}, (0, 8))
    assert GallerySearch(gallery).candidates([template(2).embedding], 3) == [()]


def test_taking_a_consent_back_by_undo_brings_its_person_back(gallery, template):
    enrol(gallery, template)
    say(gallery, "Bo", Consent(expires=NOW))
    assert len(gallery.matrix("sface").names) == 2
    with gallery.edit("people undo") as edit:
        edit.undo(gallery.events()[-1].event_id)
    assert len(gallery.matrix("sface").names) == 3
    assert gallery.consents() == {}


def test_a_vector_of_somebody_expired_is_checked_all_the_same(gallery, template):
    enrol(gallery, template)
    say(gallery, "Bo", Consent(expires=NOW))
    gallery._connection.execute("UPDATE templates SET checksum = checksum + 1 WHERE person_id = 2")
    with pytest.raises(GalleryCorruptError):
        gallery.matrix("sface")


def test_a_search_that_goes_on_past_midnight_leaves_them_out(gallery, template):
    enrol(gallery, template)
    say(gallery, "Bo", Consent(expires=NOW + DAY))
    search = GallerySearch(gallery)
    probe = template(4).embedding
    assert search.candidates([probe], 1)[0][0].name == "Bo"
    gallery.today = lambda: NOW + DAY
    assert search.candidates([probe], 1)[0][0].name != "Bo"
    assert "Bo" not in search.matrix("sface").names.values()


def test_while_a_scan_lasts_nobody_expires(tmp_path, template):
    Gallery.open(tmp_path / "g.db", create=True).close()
    with PinnedGallery.open(tmp_path / "g.db") as gallery:
        enrol(gallery, template)
        say(gallery, "Bo", Consent(expires=NOW + DAY))
        days = [NOW]
        gallery.today = lambda: days[-1]
        search = GallerySearch(gallery)
        gallery.pin(search.matrix("sface").revision)
        days.append(NOW + DAY)
        assert "Bo" in search.matrix("sface").names.values()
        gallery.unpin()
        assert "Bo" not in search.matrix("sface").names.values()


def test_the_file_beside_a_large_gallery_is_made_anew_without_them(tmp_path, template, monkeypatch):
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 1)
    with Gallery.open(tmp_path / "g.db", create=True) as gallery:
        enrol(gallery, template)
        say(gallery, "Bo", Consent(expires=NOW + DAY))
        before = stamp_of(gallery, "sface")
        assert set(load(gallery, "sface").matrix.names) == {1, 2, 3}
        (file,) = tmp_path.glob("g.db.index-*")
        vector = template(4).embedding.vector.tobytes()
        assert vector in file.read_bytes()

        gallery.today = lambda: NOW + DAY

        assert stamp_of(gallery, "sface") != before
        assert set(load(gallery, "sface").matrix.names) == {1, 3}
        assert vector not in file.read_bytes()


def test_the_threshold_follows_from_who_is_left(gallery, template, monkeypatch):
    from facecli.scores import ScoreDistribution, Tail

    scores = ScoreDistribution(
        non_mated=np.array([[0.9, -0.5], [0.1, 0.0], [0.01, 0.3]]),
        tail=Tail(0.3, 0.01, 0.05, 0.0),
        mated=np.array([[0.0, 0.2], [1.0, 0.9]]),
        non_mated_pairs=10_000,
        mated_pairs=1000,
        people=100,
        probability=(0.0, 1.0),
        measured_on="a test",
    )
    enrol(gallery, template)
    say(gallery, "Bo", Consent(expires=NOW + DAY))
    search = GallerySearch(gallery)
    assert calibrate(gallery, search, "sface", scores).calibration.person_count == 3

    gallery.today = lambda: NOW + DAY
    found = calibrate(gallery, search, "sface", scores)

    assert found.calibration.person_count == 2
    assert 2 not in found.sample.person_ids
    assert 2 not in found.sample.nearest_person_ids


def test_consent_that_cannot_be_read_is_not_taken_for_none(gallery, template):
    enrol(gallery, template)
    say(gallery, "Bo", '{"expires": "some day"}')
    for read in (gallery.consents, gallery.expired_people, lambda: gallery.matrix("sface")):
        with pytest.raises(GalleryCorruptError, match="about the consent of Bo cannot be read") as caught:
            read()
        assert caught.value.hint.endswith("facecli people consent Bo --clear")
    say(gallery, "Bo", None)
    assert len(gallery.matrix("sface").names) == 3


def test_it_ends_in_an_encrypted_gallery_too(tmp_path, template):
    key = bytes(range(32))
    with Gallery.open(tmp_path / "g.db", create=True) as gallery:
        enrol(gallery, template)
        say(gallery, "Bo", Consent("signed form", expires=NOW))
        encrypt(gallery, "key_file", key)
        say(gallery, "Cy", Consent("signed form", expires=NOW + DAY))
    assert b"signed form" not in (tmp_path / "g.db").read_bytes()
    with Gallery.open(tmp_path / "g.db", ask_secret=lambda _: key) as gallery:
        gallery.today = lambda: NOW
        assert [person.name for person in gallery.expired_people()] == ["Bo"]
        assert set(gallery.matrix("sface").names.values()) == {"Ana", "Cy"}


def test_all_of_a_group_with_one_consent_expire(gallery, template):
    enrol(gallery, template)
    for name in ("Ana", "Cy"):
        say(gallery, name, Consent("class of 2026", expires=NOW))
    say(gallery, "Bo", Consent("class of 2027", expires=NOW + DAY))
    assert [person.name for person in gallery.expired_people()] == ["Ana", "Cy"]
    assert {each: consent.basis for each, consent in gallery.consents().items()} == {
        1: "class of 2026",
        2: "class of 2027",
        3: "class of 2026",
    }


def test_the_day_is_that_of_the_clock():
    with Gallery.open(":memory:") as gallery:
        assert gallery.today is today
        assert abs(gallery.today() - date.today()) <= DAY  # whatever the time zone


def test_an_index_finds_who_has_a_consent(gallery):
    plan = gallery._connection.execute(f"EXPLAIN QUERY PLAN {person_rows._SEALED} WHERE consent = ?", ("x",)).fetchall()
    assert "people_by_consent" in str(plan)


def test_an_embedding_of_nobody(gallery):
    """An empty gallery has nobody who could expire."""
    gallery.today = lambda: NOW
    assert gallery.expired_people() == []
    assert GallerySearch(gallery).candidates([Embedding(np.eye(8, dtype=np.float32)[0], "sface")], 1) == [()]
