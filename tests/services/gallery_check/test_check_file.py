from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_up_people import Enrol

from facecli.gallery import index_care
from facecli.gallery.array_file import DamagedFileError
from facecli.gallery.store import Gallery
from facecli.services.gallery_check.file import FileCheck, KnownModel, check_file, known_models


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(tmp_path / "g.db", create=True) as opened:
        yield opened


@pytest.fixture
def known(model_id: str) -> dict[str, KnownModel]:
    return {model_id: KnownModel("sface", 128, is_here=True)}


def kinds(found: FileCheck) -> list[tuple[str, str]]:
    return [(each.severity, each.kind) for each in found.findings]


def test_models_are_known_by_their_weights(tmp_path: Path, model_id: str) -> None:
    known = known_models(tmp_path)

    assert known[model_id] == KnownModel("sface", 128, is_here=True)
    fused = {each.name: each for each in known.values()}["fusion"]
    assert (fused.dimension, fused.is_here) == (320, True)
    assert any(not each.is_here for each in known.values())
    assert "centerface" not in {each.name for each in known.values()}


def test_photos_that_are_gone_or_changed_are_told(gallery: Gallery, enrol: Enrol, known, tmp_path: Path) -> None:
    same, changed = tmp_path / "same.jpg", tmp_path / "changed.jpg"
    same.write_bytes(b"a photo")
    changed.write_bytes(b"another photo")
    enrol("Ann", "ann", 0, source=same, content_hash=hashlib.sha256(b"a photo").hexdigest())
    enrol("Ann", "ann", 1, source=changed, content_hash=hashlib.sha256(b"a photo once").hexdigest())
    enrol("Ann", "ann", 2, source="gone/away.jpg")
    enrol("Ann", "ann", 3, source="-")
    told: list[tuple[int, int]] = []

    found = check_file(gallery, known, progress=lambda *at: told.append(at))
    deep = check_file(gallery, known, deep=True)

    (missing,) = found.findings
    assert (missing.kind, missing.severity, missing.sources) == ("photos_missing", "advice", ("gone/away.jpg",))
    assert missing.what == (
        "1 of 3 photos are not where they were enrolled from (1 by a relative path, looked for in this folder): "
        "gone/away.jpg"
    )
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert kinds(deep) == [("advice", "photos_missing"), ("warning", "photos_changed")]
    assert deep.findings[1].sources == (str(changed),)
    assert found.is_sound
    assert deep.is_sound


def test_damage_is_a_problem(gallery: Gallery, enrol: Enrol, known) -> None:
    enrol("Ann", "ann")
    with sqlite3.connect(gallery.path) as connection:
        connection.execute("UPDATE templates SET vector = zeroblob(length(vector))")
    connection.close()

    found = check_file(gallery, known)

    assert not found.is_sound
    assert set(kinds(found)) == {("problem", "damaged")}
    assert found.findings[0].what == "the vector of template 1 does not have its checksum"
    assert found.findings[0].fix == "facecli gallery backups"


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        (None, "model_unknown", "a model that this machine does not know"),
        (("sface@other", KnownModel("sface", 128, True)), "model_unknown", "another version of sface"),
        (("", KnownModel("sface", 128, False)), "model_absent", "are not on this machine"),
        (("", KnownModel("sface", 512, True)), "damaged", "have 128 numbers, and its own have 512"),
    ],
)
def test_models_are_compared_with_those_known(
    gallery: Gallery, enrol: Enrol, model_id: str, model, kind: str, words: str
) -> None:
    enrol("Ann", "ann", source="-")

    (finding,) = check_file(gallery, {} if model is None else {model[0] or model_id: model[1]}).findings

    assert finding.kind == kind
    assert words in finding.what
    assert finding.severity == ("problem" if kind == "damaged" else "advice")


def test_a_damaged_search_file_is_a_warning(
    gallery: Gallery, enrol: Enrol, known, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrol("Ann", "ann", source="-")

    def damaged(*_: object) -> None:
        raise DamagedFileError("g.db.index-1 is damaged")

    monkeypatch.setattr(index_care, "check", damaged)

    (finding,) = check_file(gallery, known).findings

    assert (finding.severity, finding.kind) == ("warning", "index_damaged")
    assert finding.fix == "facecli gallery index --remove"
