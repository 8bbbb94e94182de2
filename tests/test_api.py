from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pytest

import facecli
from facecli import Recognizer, settings
from facecli.errors import ConfigError, GalleryError, InputError, UnknownPersonError
from facecli.media.images import load_photo


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _no_settings_of_mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "user_file", lambda: tmp_path / "absent.toml")
    for each in fields(settings.Settings):
        monkeypatch.delenv(f"FACECLI_{each.name.upper()}", raising=False)


@pytest.fixture
def recognizer(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recognizer]:
    monkeypatch.chdir(tmp_path)
    with Recognizer("people.db", cache=cache, device="cpu") as opened:
        yield opened


@pytest.fixture(scope="session")
def macron(sample_images: Path) -> Path:
    return sample_images / "known" / "Emmanuel Macron" / "macron_2014.jpg"


def test_enroll_and_identify(recognizer: Recognizer, macron: Path, sample_images: Path, tmp_path: Path) -> None:
    (enrolment,) = recognizer.enroll("Emmanuel Macron", [macron])
    known, stranger, absent = recognizer.identify([macron, sample_images / "stranger.jpg", "absent.jpg"])

    assert (enrolment.status, enrolment.path) == ("enrolled", str(macron))
    assert [person.name for person in recognizer.people()] == ["Emmanuel Macron"]
    assert known.faces[0].identification is not None
    assert known.faces[0].identification.person is not None
    assert known.faces[0].identification.person.name == "Emmanuel Macron"
    assert stranger.faces[0].identification is not None
    assert stranger.faces[0].identification.person is None
    assert (absent.status, absent.error.code if absent.error else None) == ("error", "not_found")
    assert (tmp_path / "people.db").is_file()


def test_a_photo_is_a_path_bytes_a_photo_or_pixels(recognizer: Recognizer, macron: Path) -> None:
    photo = load_photo(macron)

    results = list(recognizer.embed([macron, str(macron), macron.read_bytes(), photo, photo.pixels]))

    assert [each.path for each in results] == [str(macron), str(macron), "", str(macron), ""]
    vectors = [each.faces[0].embedding.vector for each in results if each.faces[0].embedding]
    for vector in vectors[1:]:
        np.testing.assert_allclose(vector, vectors[0], atol=1e-5)  # float32 sums, batched or not


def test_detect_stops_after_detection(recognizer: Recognizer, macron: Path) -> None:
    (result,) = recognizer.detect([macron])

    assert (len(result.faces), result.faces[0].embedding) == (1, None)
    assert "embedder" not in result.model


def test_verify(recognizer: Recognizer, macron: Path, sample_images: Path) -> None:
    same = recognizer.verify(macron, macron.read_bytes())
    other = recognizer.verify(macron, sample_images / "stranger.jpg")

    assert (same.is_same_person, other.is_same_person) == (True, False)
    assert same.score == pytest.approx(1, abs=1e-4)
    with pytest.raises(InputError, match=r"4 faces of a like size are in"):
        recognizer.verify(macron, sample_images / "group.jpg")
    assert recognizer.verify(macron, sample_images / "group.jpg", on_multi="largest").score < 1


def test_settings_come_from_keywords_and_the_environment(
    macron: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACECLI_CANDIDATES", "7")

    with Recognizer(tmp_path / "a.db", cache=cache, device="cpu", threshold=-1.0) as recognizer:
        assert (recognizer.settings.threshold, recognizer.settings.candidates) == (-1.0, 7)
        assert recognizer.settings.gallery_path == tmp_path / "a.db"


@pytest.mark.parametrize(("keywords", "message"), [({"colour": 1}, "no setting 'colour'"), ({"jobs": 0}, "jobs must")])
def test_settings_that_cannot_be(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recognizer(**keywords)


def test_without_a_gallery_nobody_is_asked(recognizer: Recognizer, macron: Path) -> None:
    with pytest.raises(GalleryError) as caught:
        next(recognizer.identify([macron]))
    assert caught.value.code == "gallery_missing"


def test_closing_twice_is_harmless_and_it_opens_again(recognizer: Recognizer, macron: Path) -> None:
    recognizer.enroll("Emmanuel", [macron])
    recognizer.close()
    recognizer.close()

    assert [person.name for person in recognizer.people()] == ["Emmanuel"]


def test_all_that_is_promised_is_there() -> None:
    assert sorted(facecli.__all__) == sorted(set(facecli.__all__))
    assert [name for name in facecli.__all__ if not hasattr(facecli, name)] == []


def test_a_face_is_denied_and_confirmed(recognizer: Recognizer, macron: Path, sample_images: Path) -> None:
    def names() -> list[str | None]:
        (result,) = recognizer.identify([group])
        people = [face.identification.person if face.identification else None for face in result.faces]
        return [person.name if person else None for person in people]

    group = sample_images / "group.jpg"
    recognizer.enroll("Macron", [macron])
    assert names() == ["Macron", None, None, None]
    denied = recognizer.deny("Macron", group)
    assert (denied.status, denied.face, names()) == ("noted", 1, [None] * 4)
    confirmed = recognizer.confirm("Macron", str(group), 1)
    assert (confirmed.status, names()) == ("noted", ["Macron", None, None, None])
    new = recognizer.confirm("Zoe", group, 4, new=True)
    assert (new.status, names()) == ("noted", ["Macron", None, None, "Zoe"])
    assert recognizer.deny("Zoe", "absent.jpg").error.code == "not_found"
    with pytest.raises(UnknownPersonError):
        recognizer.confirm("Bo", group, 4)


def test_consent_is_noted_and_ends(recognizer: Recognizer, macron: Path) -> None:
    recognizer.enroll("Emmanuel", [macron])
    (before,) = recognizer.identify([macron])
    assert recognizer.consent("Emmanuel") is None

    recognizer.set_consent("Emmanuel", facecli.Consent("signed form", expires=date(2020, 1, 1)))
    (after,) = recognizer.identify([macron])

    assert recognizer.consent("Emmanuel") == facecli.Consent("signed form", expires=date(2020, 1, 1))
    assert [each.faces[0].identification.person is None for each in (before, after)] == [False, True]
    recognizer.set_consent("Emmanuel", None)
    assert recognizer.consent("Emmanuel") is None
    with pytest.raises(UnknownPersonError):
        recognizer.consent("Brigitte")


def test_purging_leaves_nothing(recognizer: Recognizer, macron: Path, tmp_path: Path) -> None:
    recognizer.enroll("Emmanuel", [macron])
    assert b"Emmanuel" in (tmp_path / "people.db").read_bytes() + (tmp_path / "people.db-wal").read_bytes()

    receipt = recognizer.purge("Emmanuel")

    assert (receipt.found, receipt.plan.templates) == (0, 1)
    assert b"Emmanuel" not in (tmp_path / "people.db").read_bytes()
    assert recognizer.people() == []
