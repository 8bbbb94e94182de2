"""The approximate index: what it finds, how it follows the gallery, and that it is never trusted when damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecli.errors import GalleryError, MachineError
from facecli.gallery import approximate_file, approximate_index, index_care, loading
from facecli.gallery.approximate_file import approximate_path, read_index
from facecli.gallery.approximate_index import (
    GONE,
    ApproximateFinder,
    ApproximateIndex,
    Recall,
    build,
    measure,
    nearest_rows,
    row_keys,
    updated,
)
from facecli.gallery.array_file import ArrayFile, DamagedFileError
from facecli.gallery.block_scan import block_finder
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.person_means import MEAN
from facecli.gallery.records import NewTemplate
from facecli.gallery.row_source import ArrayRows
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Embedding

DIMENSION = 30  # no multiple of four
PEOPLE = 1000


def unit_vectors(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Crowd:
    """People of two templates each, with means of nobody."""

    def __init__(self, people: int = PEOPLE) -> None:
        self.person_ids = np.repeat(np.arange(1, people + 1), 2)
        vectors = np.repeat(unit_vectors(people, 1), 2, axis=0) + unit_vectors(2 * people, 2)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.template_ids = np.arange(1, 2 * people + 1)
        self.rows = ArrayRows(self.vectors)
        self.finder = block_finder(self.rows, self.person_ids)

    def exact(self) -> ExactIndex:
        return ExactIndex(self.vectors, self.person_ids, self.template_ids)

    def approximate(self, index: ApproximateIndex) -> ExactIndex:
        finder = ApproximateFinder(index, self.finder)
        return ExactIndex(self.vectors, self.person_ids, self.template_ids, finder=finder)


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def index(crowd: Crowd) -> ApproximateIndex:
    return build(crowd.rows, crowd.template_ids, crowd.person_ids, crowd.finder)


def test_it_finds_what_it_says_and_scores_it_exactly(crowd: Crowd, index: ApproximateIndex) -> None:
    probes = unit_vectors(100, 5)
    exact, found = crowd.exact().top_people(probes, 10), crowd.approximate(index).top_people(probes, 10)
    shared = [len(set(mine) & set(theirs)) / 10 for mine, theirs in zip(found, exact, strict=True)]
    assert np.mean(shared) >= 0.98  # people with their scores, to the last bit
    assert index.recall.ten >= 0.993
    assert index.recall.nearest >= index.recall.ten - 0.01
    assert index.recall.probes == 256
    assert index.depth < len(crowd.vectors)


def test_the_recall_is_that_of_the_people_of_others(crowd: Crowd, index: ApproximateIndex) -> None:
    """By hand: the share of the ten nearest other people whose best template is among the rows found."""
    sample = np.unique(np.linspace(0, len(crowd.vectors) - 1, 256).astype(int))
    hits = []
    for row in sample:
        found = set(nearest_rows(index, crowd.vectors[[row]], 40)[0].tolist())
        scores = crowd.vectors.astype(float) @ crowd.vectors[row].astype(float)
        best = {int(crowd.person_ids[each]): int(each) for each in np.argsort(scores)}
        others = [each for person, each in sorted(best.items(), key=lambda pair: -scores[pair[1]])]
        others = [each for each in others if crowd.person_ids[each] != crowd.person_ids[row]][:10]
        hits.append([each in found for each in others])
    (recall,) = measure(index, crowd.rows, crowd.person_ids, crowd.finder, (40,))
    assert 0.2 < recall.ten < 0.98  # so that the two could differ
    assert recall.ten == pytest.approx(np.mean(hits), abs=0.005)  # equal codes may come in either order
    assert recall.nearest == pytest.approx(np.mean([each[0] for each in hits]), abs=0.01)


def test_more_people_than_it_is_measured_for_are_searched_exactly(crowd: Crowd, index: ApproximateIndex) -> None:
    probes, k = unit_vectors(3, 5), index.depth // approximate_index.DEPTH_PER_PERSON + 1
    assert crowd.approximate(index).top_people(probes, k) == crowd.exact().top_people(probes, k)


def test_an_index_that_misses_too_many_is_not_made(crowd: Crowd, monkeypatch) -> None:
    monkeypatch.setattr(approximate_index, "DEPTHS", (3, 10))
    with pytest.raises(GalleryError, match=r"finds only \d\d\.\d% of the ten nearest") as caught:
        build(crowd.rows, crowd.template_ids, crowd.person_ids, crowd.finder)
    assert caught.value.code == "index_recall"


def test_without_faiss_it_is_told_what_to_install(crowd: Crowd, monkeypatch) -> None:
    monkeypatch.setattr(approximate_index, "is_installed", lambda: False)
    with pytest.raises(MachineError) as caught:
        build(crowd.rows, crowd.template_ids, crowd.person_ids, crowd.finder)
    assert "facecli[index]" in caught.value.hint


def test_it_follows_a_change_without_being_made_anew(crowd: Crowd, index: ApproximateIndex) -> None:
    newer = Crowd()
    keep = np.ones(len(newer.vectors), bool)
    keep[100:140] = False
    new = unit_vectors(30, 8)
    newer.vectors = np.concatenate([newer.vectors[keep], new])
    newer.person_ids = np.concatenate([newer.person_ids[keep], np.repeat(np.arange(9001, 9016), 2)])
    newer.template_ids = np.concatenate([newer.template_ids[keep], np.arange(9001, 9031)])
    newer.rows = ArrayRows(newer.vectors)
    newer.finder = block_finder(newer.rows, newer.person_ids)
    keys, prints = row_keys(newer.rows, newer.template_ids, newer.person_ids)

    followed = updated(index, newer.rows, keys, prints)

    assert followed is not None
    assert followed.changed == 70
    assert (followed.keys == GONE).sum() == 40
    assert sorted(followed.rows[followed.rows >= 0].tolist()) == list(range(len(newer.vectors)))
    alive = followed.rows >= 0
    assert followed.keys[alive].tolist() == keys[followed.rows[alive]].tolist()
    probes = np.concatenate([new, newer.vectors[:50]])
    found = newer.approximate(followed).top_people(probes, 1)
    assert found == newer.exact().top_people(probes, 1)
    again = updated(followed, newer.rows, keys, prints)
    assert again is not None
    assert (again.changed, len(again.keys)) == (70, len(followed.keys))


def test_a_mean_that_moved_is_another_row(crowd: Crowd, index: ApproximateIndex) -> None:
    vectors = crowd.vectors.copy()
    vectors[5] = unit_vectors(1, 77)[0]
    rows = ArrayRows(vectors)
    followed = updated(index, rows, *row_keys(rows, crowd.template_ids, crowd.person_ids))
    assert followed is not None
    assert (followed.rows == -1).tolist() == [number == 5 for number in range(len(followed.rows))]
    assert followed.rows[-1] == 5
    assert nearest_rows(followed, vectors[[5]], 20)[0][0] == 5


def test_too_many_changes_are_left_to_a_new_one(crowd: Crowd, index: ApproximateIndex) -> None:
    other = Crowd()
    other.vectors[:500] = unit_vectors(500, 9)
    rows = ArrayRows(other.vectors)
    assert updated(index, rows, *row_keys(rows, crowd.template_ids, crowd.person_ids)) is None


def test_keys_tell_templates_and_means_apart() -> None:
    vectors = ArrayRows(np.array([[1, 0], [0, 1], [0, 1]], np.float32))
    keys, prints = row_keys(vectors, np.array([7, MEAN, 8]), np.array([7, 7, 9]))
    assert keys.tolist() == [7, -7, 8]
    assert prints[0] != prints[1] == prints[2]


# From here on with a gallery.


@pytest.fixture
def path(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setattr(loading, "LEAST_TEMPLATES", 1000)
    path = tmp_path / "people.db"
    vectors = unit_vectors(1200, 3)
    with Gallery.open(path, create=True) as gallery:
        for number in range(300):
            enrol(gallery, number, vectors[4 * number : 4 * number + 4])
    return path


def enrol(gallery: Gallery, number: int, vectors: np.ndarray) -> None:
    box = np.array([0, 0, 9, 9])
    photos = [f"{number}-{each}" for each in range(len(vectors))]
    gallery.add_templates(
        f"person {number}",
        [
            NewTemplate(Embedding(vector, "m"), 1.0, photo, photo, box)
            for vector, photo in zip(vectors, photos, strict=True)
        ],
    )


def nearest(gallery: Gallery, vector: np.ndarray) -> str:
    return GallerySearch(gallery).candidates([Embedding(vector, "m")], 1)[0][0].name


def used(gallery: Gallery) -> ApproximateIndex | None:
    return loading.load(gallery, "m").approximate


def test_it_is_used_from_when_it_is_made_until_it_is_removed(path: Path) -> None:
    with Gallery.open(path) as gallery:
        assert index_care.state(gallery, "m").approximate.state == index_care.NO_FILE
        assert used(gallery) is None
        made = index_care.build(gallery, "m")
        assert (made.is_used, made.approximate.state, made.templates.state) == (True, "up to date", "up to date")
        assert made.recall is not None
        assert made.recall.ten >= 0.993
        assert made.approximate.path.stat().st_mode & 0o777 == 0o600
        assert index_care.check(gallery, "m").recall == made.recall
        loaded = used(gallery)
        assert loaded is not None
        assert (loaded.depth, loaded.recall) == (made.depth, made.recall)
        assert GallerySearch(gallery).recall("m") == made.recall
        assert nearest(gallery, unit_vectors(1200, 3)[400]) == "person 100"
        removed = index_care.remove(gallery.path)
        assert removed == [made.approximate.path, made.templates.path]
        assert used(gallery) is None
        assert GallerySearch(gallery).recall("m") is None
    assert index_care.remove(":memory:") == []


def test_it_follows_the_gallery_by_itself(path: Path) -> None:
    with Gallery.open(path) as gallery:
        index_care.build(gallery, "m")
        new = unit_vectors(2, 50)
        enrol(gallery, 300, new)
        gallery.remove_person("person 7")
        assert index_care.state(gallery, "m").approximate.state == index_care.STALE
        assert nearest(gallery, new[1]) == "person 300"
        assert nearest(gallery, unit_vectors(1200, 3)[29]) != "person 7"
        state = index_care.state(gallery, "m")
        assert state.approximate.state == index_care.FRESH
        loaded = used(gallery)
        assert loaded is not None
        assert loaded.changed == 8  # two templates and a mean came, four and a mean went
        for number in range(301, 340):
            enrol(gallery, number, unit_vectors(4, number))
        again = used(gallery)
        assert again is not None
        assert again.changed == 0  # made anew
        assert nearest(gallery, unit_vectors(4, 339)[2]) == "person 339"


@pytest.mark.parametrize("name", ["codes", "keys", "rows", "cut"])
def test_a_damaged_index_is_made_again(path: Path, name: str) -> None:
    with Gallery.open(path) as gallery:
        file = index_care.build(gallery, "m").approximate.path
        damaged = bytearray(file.read_bytes())
        if name == "cut":
            damaged = damaged[:-100]
        else:
            damaged[ArrayFile(file)._places[name]["offset"] + 5] ^= 1
        file.write_bytes(damaged)
        with pytest.raises(DamagedFileError):
            read_index(file)
        if name == "cut":
            assert index_care.state(gallery, "m").approximate.state == index_care.DAMAGED
        else:
            with pytest.raises(DamagedFileError):
                index_care.check(gallery, "m")
        assert used(gallery) is not None
        assert read_index(file) is not None


def test_without_faiss_the_search_is_exact(path: Path, monkeypatch) -> None:
    with Gallery.open(path) as gallery:
        index_care.build(gallery, "m")
        for module in (approximate_file, index_care):
            monkeypatch.setattr(module, "is_installed", lambda: False)
        assert used(gallery) is None
        assert not index_care.state(gallery, "m").is_used
        assert nearest(gallery, unit_vectors(1200, 3)[400]) == "person 100"


def test_damaged_templates_are_read_from_the_gallery_again(path: Path) -> None:
    """The index has to look at all vectors to follow the gallery, and comes upon damage that no search did."""
    with Gallery.open(path) as gallery:
        made = index_care.build(gallery, "m")
        index, stamp = read_index(made.approximate.path) or (None, None)
        assert index is not None
        approximate_file.write_index(made.approximate.path, index, {"another": "state"})
        damaged = bytearray(made.templates.path.read_bytes())
        damaged[ArrayFile(made.templates.path)._places["vectors"]["offset"] + 9000] ^= 1
        made.templates.path.write_bytes(damaged)
        assert used(gallery) is not None
        assert index_care.check(gallery, "m").is_used
        assert read_index(made.approximate.path)[1] == stamp


def test_what_cannot_be_made_is_refused(path: Path, monkeypatch) -> None:
    with Gallery.open(path, read_only=True) as gallery, pytest.raises(GalleryError) as caught:
        index_care.build(gallery, "m")
    assert caught.value.code == "gallery_read_only"

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Gallery.open(path) as gallery:
        monkeypatch.setattr(index_care, "write_index", refuse)
        with pytest.raises(GalleryError, match="No space left on device") as caught:
            index_care.build(gallery, "m")
        assert caught.value.code == "index_unwritable"
        monkeypatch.setattr(loading, "LEAST_TEMPLATES", 1201)
        with pytest.raises(GalleryError, match="1,200 templates, too few") as caught:
            index_care.build(gallery, "m")
        assert caught.value.code == "index_small"
    assert not approximate_path(str(path), "m").exists()


def test_another_version_is_made_again(path: Path, monkeypatch) -> None:
    with Gallery.open(path) as gallery:
        index_care.build(gallery, "m")
        monkeypatch.setattr(approximate_file, "FORMAT", 2)
        assert used(gallery) is not None
        assert read_index(approximate_path(gallery.path, "m")) is not None


def test_nobody_else_is_everybody_found() -> None:
    one = Crowd(people=1)
    index = ApproximateIndex(
        None, *row_keys(one.rows, one.template_ids, one.person_ids), np.arange(2), 9, Recall(0, 0, 0)
    )

    class Nothing:
        def search(self, probes, k):
            return None, np.full((len(probes), k), -1)

    object.__setattr__(index, "codes", Nothing())
    assert measure(index, one.rows, one.person_ids, one.finder, (9,)) == [Recall(1.0, 1.0, 0)]
