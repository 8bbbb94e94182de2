"""The file of templates beside a gallery: it changes nothing but the time that searching takes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facecli.errors import ModelMismatchError
from facecli.gallery import codes, loading, search, template_file
from facecli.gallery.array_file import ArrayFile
from facecli.gallery.person_means import MEAN, with_means
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.gallery.template_file import template_path
from facecli.types import Embedding

PEOPLE = ("Ana", "Zoë Ōe", "Bo")


@pytest.fixture
def path(tmp_path: Path, template, monkeypatch) -> Path:
    """Return a gallery of three people, of a size from which a file is made."""
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 3)
    path = tmp_path / "people.db"
    with Gallery.open(path, create=True) as gallery:
        for number, name in enumerate(PEOPLE):
            gallery.add_templates(name, [template(10 * number + each) for each in range(number + 1)])
    return path


def file_of(path: Path) -> Path:
    return template_path(str(path), "sface")


def answers(gallery: Gallery, template) -> object:
    return GallerySearch(gallery).candidates([template(number).embedding for number in (0, 11, 99)], 3)


def reads(gallery: Gallery, monkeypatch) -> list[str]:
    """Return a list that grows with each reading of all templates."""
    read: list[str] = []
    matrix = gallery.matrix
    monkeypatch.setattr(gallery, "matrix", lambda model_id: read.append(model_id) or matrix(model_id))
    return read


def test_the_file_is_made_once_and_gives_the_same_answers(path: Path, template, monkeypatch) -> None:
    with Gallery.open(path) as gallery:
        read = reads(gallery, monkeypatch)
        expected = answers(gallery, template)
        assert read == ["sface"]
        assert stat.S_IMODE(file_of(path).stat().st_mode) == 0o600
        assert answers(gallery, template) == expected
        assert read == ["sface"]
        monkeypatch.undo()  # galleries of this size are read again
        assert answers(gallery, template) == expected


def test_the_matrix_is_that_of_the_gallery_with_means(path: Path) -> None:
    with Gallery.open(path) as gallery:
        expected = with_means(gallery.matrix("sface"))
        GallerySearch(gallery).matrix("sface")
        found = GallerySearch(gallery).matrix("sface")
    assert "sface" in found.model_id
    assert found.revision == expected.revision
    assert dict(found.names) == expected.names
    assert len(found.names) == 3
    with pytest.raises(KeyError):
        found.names[4]
    for name in ("vectors", "template_ids", "person_ids"):
        mine, theirs = getattr(found, name), getattr(expected, name)
        assert (mine.dtype, mine.tolist()) == (theirs.dtype, theirs.tolist())
        assert not mine.flags.writeable


@pytest.mark.parametrize("code_block", [1, 2, 5, 100])
def test_codes_in_the_file_are_those_of_its_rows(tmp_path: Path, monkeypatch, code_block: int) -> None:
    for module in (template_file, codes):
        monkeypatch.setattr(module, "CODE_BLOCK", code_block)
    vectors = np.random.default_rng(1).standard_normal((11, 8)).astype(np.float32)
    person_ids = np.array([1, 1, 1, 2, 3, 3, 4, 4, 4, 4, 5])
    matrix = TemplateMatrix("m", vectors, np.arange(1, 12), person_ids, dict.fromkeys(range(1, 6), ""), 1)
    template_file.write_templates(tmp_path / "x", matrix, {"model_id": "m", "revision": 1})
    stored = template_file.read_templates(tmp_path / "x", {"model_id": "m", "revision": 1})
    assert stored is not None
    expected = codes.encode(with_means(matrix).vectors)
    assert stored.codes.codes.slice(0, 15).tolist() == expected.codes.slice(0, 15).tolist()
    for mine, theirs in zip(stored.codes[1:], expected[1:], strict=True):
        assert mine.tolist() == theirs.tolist()


def test_every_change_is_seen(path: Path, template) -> None:
    with Gallery.open(path) as gallery:
        searching = GallerySearch(gallery)

        def names() -> list[str]:
            found = [candidate.name for candidate in searching.candidates([template(0).embedding], 9)[0]]
            with Gallery.open(path) as other:  # what another process finds
                assert [each.name for each in GallerySearch(other).candidates([template(0).embedding], 9)[0]] == found
            return sorted(found)

        assert names() == sorted(PEOPLE)
        gallery.rename_person("Ana", "Eva")
        assert names() == ["Bo", "Eva", "Zoë Ōe"]
        gallery.add_templates("Cy", [template(50)])
        assert names() == ["Bo", "Cy", "Eva", "Zoë Ōe"]
        gallery.remove_person("Eva")
        assert names() == ["Bo", "Cy", "Zoë Ōe"]


def test_only_what_is_looked_at_is_read(path: Path, template, monkeypatch) -> None:
    """A search for one face, found by a mean, does not read all vectors."""
    with Gallery.open(path) as gallery:
        matrix = GallerySearch(gallery).matrix("sface")
        mean = matrix.vectors[np.flatnonzero(matrix.template_ids == MEAN)[0]]
        whole: list[str] = []
        array = ArrayFile.array
        monkeypatch.setattr(ArrayFile, "array", lambda file, name: whole.append(name) or array(file, name))
        ((nearest,),) = GallerySearch(gallery).candidates([Embedding(mean, "sface")], 1)
    assert nearest.score == pytest.approx(1.0)
    assert nearest.template_id != MEAN
    assert "vectors" not in whole
    assert "person_ids" in whole


def test_a_restored_gallery_with_as_many_changes_is_told_apart(path: Path, template) -> None:
    backup = path.with_name("backup.db")
    with Gallery.open(path) as gallery:
        gallery._connection.execute("VACUUM INTO ?", (str(backup),))
        gallery.add_templates("Cy", [template(50)])
        answers(gallery, template)
        revision = gallery.revision
    for left in path.parent.glob("people.db-*"):
        left.unlink()
    backup.replace(path)
    with Gallery.open(path) as gallery:
        gallery.add_templates("Cy", [template(51)])
        assert gallery.revision == revision
        ((nearest,),) = GallerySearch(gallery).candidates([template(51).embedding], 1)
    assert (nearest.name, nearest.score) == ("Cy", 1.0)


@pytest.mark.parametrize("name", ["vectors", "codes", "scales", "person_ids", "name_text", "head", "cut", "empty"])
def test_a_damaged_file_is_made_again(path: Path, template, monkeypatch, name: str) -> None:
    with Gallery.open(path) as gallery:
        expected = answers(gallery, template)
        file = file_of(path)
        damaged = bytearray(file.read_bytes())
        if name in ("cut", "empty"):
            damaged = damaged[: 0 if name == "empty" else -1]
        else:
            damaged[20 if name == "head" else ArrayFile(file)._places[name]["offset"]] ^= 0x40
        file.write_bytes(damaged)
        read = reads(gallery, monkeypatch)
        assert answers(gallery, template) == expected
        assert read == ["sface"]
        ArrayFile(file).check_all()
        assert answers(gallery, template) == expected
        assert read == ["sface"]


def test_a_small_gallery_has_no_file(tmp_path: Path, template) -> None:
    with Gallery.open(tmp_path / "small.db", create=True) as gallery:
        gallery.add_templates("Ana", [template(0), template(1)])
        answers(gallery, template)
    assert [each.name for each in tmp_path.iterdir() if ".index" in each.name] == []


def test_where_no_file_can_be_written_the_gallery_is_read(path: Path, template, monkeypatch) -> None:
    with Gallery.open(path, read_only=True) as gallery:
        expected = answers(gallery, template)
        assert not file_of(path).exists()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loading, "write_templates", refuse)
    with Gallery.open(path) as gallery:
        assert answers(gallery, template) == expected
    assert not file_of(path).exists()


def test_a_reader_uses_the_file_that_is_there(path: Path, template, monkeypatch) -> None:
    with Gallery.open(path) as gallery:
        expected = answers(gallery, template)
    with Gallery.open(path, read_only=True) as gallery:
        read = reads(gallery, monkeypatch)
        assert answers(gallery, template) == expected
        assert read == []


def test_models_have_files_of_their_own(path: Path, template) -> None:
    with Gallery.open(path) as gallery:
        gallery.add_templates("Ana", [template(number, model_id="other") for number in range(4)])
        answers(gallery, template)
        found = GallerySearch(gallery).candidates([template(1, model_id="other").embedding], 1)
        assert [each.name for each in found[0]] == ["Ana"]
        assert len(list(path.parent.glob("people.db.index-*"))) == 2
        with pytest.raises(ModelMismatchError):
            GallerySearch(gallery).candidates([template(1, model_id="third").embedding], 1)


def test_another_finder_looks_through_the_same_rows(path: Path, template) -> None:
    asked = []

    class Everything:
        def __init__(self, vectors, matrix) -> None:
            self.count = vectors.shape[0]

        def find(self, probes, k, *, by_person):
            asked.append(len(probes))
            return [np.arange(self.count) for _ in probes]

    with Gallery.open(path) as gallery:
        expected = answers(gallery, template)
        probes = [template(number).embedding for number in (0, 11, 99)]
        assert GallerySearch(gallery, make_finder=Everything).candidates(probes, 3) == expected
    assert asked == [3]


def test_damage_noticed_twice_is_told(path: Path, template, monkeypatch) -> None:
    """A disk that gives back other bytes than were written is not asked for ever."""
    with Gallery.open(path) as gallery:
        answers(gallery, template)
        damaged = search.DamagedFileError("damaged")

        def top_people(*_: object) -> None:
            raise damaged

        monkeypatch.setattr("facecli.gallery.exact_index.ExactIndex.top_people", top_people)
        with pytest.raises(search.DamagedFileError):
            answers(gallery, template)


SEARCHER = """
import sys
import numpy as np
from facecli.gallery import loading
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Embedding
loading.LEAST_TEMPLATES = 3
with Gallery.open(sys.argv[1]) as gallery:
    vector = gallery.templates()[0].embedding
    for _ in range(10):
        for file in __import__("pathlib").Path(sys.argv[1]).parent.glob("*.index-*[!p]"):
            file.unlink(missing_ok=True)
        ((nearest,),) = GallerySearch(gallery).candidates([vector], 1)
        assert nearest.score == 1.0
"""


def test_several_processes_may_make_the_file_at_once(path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", SEARCHER, path], env={**os.environ}) for _ in range(3)]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    (file,) = path.parent.glob("people.db.index-*")
    ArrayFile(file).check_all()
