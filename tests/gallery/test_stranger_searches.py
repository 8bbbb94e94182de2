from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.gallery.person_means import with_means
from facecli.gallery.records import StoredThreshold, TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.gallery.stranger_searches import NOBODY, SearchSample, sample_searches


def matrix_of(rows: list[tuple[int, int]], revision: int = 1) -> TemplateMatrix:
    """Templates (template_id, person_id) with vectors that depend on the template alone."""
    rows = sorted(rows, key=lambda row: (row[1], row[0]))
    vectors = np.array([np.random.default_rng(template).standard_normal(6) for template, _ in rows], np.float32)
    vectors = vectors.reshape(-1, 6)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = np.array(rows, np.int64).reshape(-1, 2)
    names = {person: f"person {person}" for person in ids[:, 1].tolist()}
    return with_means(TemplateMatrix("m", vectors, ids[:, 0], ids[:, 1], names, revision))


def by_hand(matrix: TemplateMatrix) -> dict[int, tuple[int, float]]:
    """The nearest other person for everybody's first template, one by one."""
    answers = {}
    for person in np.unique(matrix.person_ids):
        own = matrix.person_ids == person
        scores = matrix.vectors @ matrix.vectors[own.argmax()]
        scores[own] = NOBODY
        nearest = int(scores.argmax())
        found = scores[nearest] > NOBODY
        answers[int(person)] = (int(matrix.person_ids[nearest]) if found else 0, float(scores[nearest]))
    return answers


def answers(sample: SearchSample) -> dict[int, tuple[int, float]]:
    found = zip(sample.nearest_person_ids.tolist(), sample.scores.tolist(), strict=True)
    return dict(zip(sample.person_ids.tolist(), found, strict=True))


def assert_same(sample: SearchSample, matrix: TemplateMatrix) -> None:
    expected = by_hand(matrix)
    assert answers(sample).keys() == expected.keys()
    for person, (nearest, score) in answers(sample).items():
        assert (nearest, score) == (expected[person][0], pytest.approx(expected[person][1], abs=1e-6))


galleries = st.lists(st.integers(1, 8), max_size=25).map(lambda people: list(enumerate(people, 1)))


@given(galleries)
def test_each_person_is_searched_among_all_others(rows: list[tuple[int, int]]) -> None:
    matrix = matrix_of(rows)
    assert_same(sample_searches(matrix), matrix)


@given(galleries, st.data())
def test_what_is_known_gives_the_same_answer_after_any_change(rows: list[tuple[int, int]], data: st.DataObject) -> None:
    before = sample_searches(matrix_of(rows))
    kept = [row for row in rows if data.draw(st.booleans() if data.draw(st.booleans()) else st.just(True))]
    added = [
        (100 + number, person) for number, person in enumerate(data.draw(st.lists(st.integers(1, 12), max_size=8)))
    ]
    moved = [(template, data.draw(st.sampled_from([person, 3]))) for template, person in kept]
    after = matrix_of([*(moved if data.draw(st.booleans()) else kept), *added], revision=2)

    sample = sample_searches(after, before)

    assert_same(sample, after)
    assert sample.revision == 2


def test_templates_added_are_the_only_ones_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from facecli.gallery import stranger_searches

    before = matrix_of([(number, number) for number in range(1, 51)])
    known = sample_searches(before)
    compared = []
    real = stranger_searches._nearest_others

    def counted(matrix: TemplateMatrix, rows: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        compared.append((len(rows), len(among)))
        return real(matrix, rows, among)

    monkeypatch.setattr(stranger_searches, "_nearest_others", counted)
    after = matrix_of([*((number, number) for number in range(1, 51)), (51, 51)], revision=2)

    assert_same(sample_searches(after, known), after)
    assert compared == [(50, 1), (1, 51)]


def test_a_large_gallery_is_sampled_and_the_sample_stays_when_people_are_added() -> None:
    small = sample_searches(matrix_of([(number, number) for number in range(1, 201)]), size=20)
    large = sample_searches(matrix_of([(number, number) for number in range(1, 401)]), size=20)

    assert len(small.person_ids) == len(large.person_ids) == 20
    newcomers = set(large.person_ids.tolist()) - set(small.person_ids.tolist())
    assert all(person > 200 for person in newcomers)
    assert 3 < len(newcomers) < 17  # half of everybody is new; more than four deviations off would be no chance


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = matrix_of([(number, number % 7) for number in range(1, 60)])
    monkeypatch.setattr("facecli.gallery.stranger_searches.BLOCK_SCORES", 100)
    assert_same(sample_searches(matrix), matrix)


def test_a_gallery_keeps_searches_and_threshold(gallery: Gallery, template) -> None:
    for number in range(5):
        gallery.add_templates(f"person {number}", [template(number)])
    sample = sample_searches(gallery.matrix("sface"))
    threshold = StoredThreshold("sface", sample.revision, 0.01, 0.4, 0.005, 0.02)

    assert gallery.searches("sface") is None
    assert gallery.keep_searches(sample, threshold)

    kept = gallery.searches("sface")
    assert kept is not None
    assert answers(kept) == answers(sample)
    assert (kept.revision, kept.fingerprint) == (sample.revision, sample.fingerprint)
    (stored,) = gallery.info().thresholds
    assert (stored.threshold, stored.fpir, stored.low, stored.high) == (0.4, 0.01, 0.005, 0.02)
    assert gallery.info(check=True).problems == ()


def test_searches_of_an_earlier_state_are_not_kept(gallery: Gallery, template) -> None:
    gallery.add_templates("Ana", [template(1)])
    sample = sample_searches(gallery.matrix("sface"))
    gallery.add_templates("Bo", [template(2)])
    assert not gallery.keep_searches(sample)
    assert gallery.searches("sface") is None


def test_a_gallery_that_can_only_be_read_keeps_nothing_and_says_so(tmp_path, template) -> None:
    with Gallery.open(tmp_path / "g.db", create=True) as gallery:
        gallery.add_templates("Ana", [template(1)])
    with Gallery.open(tmp_path / "g.db", read_only=True) as gallery:
        assert not gallery.keep_searches(sample_searches(gallery.matrix("sface")))


@pytest.mark.parametrize(
    "damage",
    [
        *("searches = x'0011'", "searches = 7", "checksum = checksum + 1", "revision = revision + 1"),
        *("last_template_id = 0", "fingerprint = 7", "threshold = threshold - 0.1", "fpir = NULL"),
    ],
)
def test_damaged_searches_are_made_again_and_no_damaged_threshold_is_shown(
    gallery: Gallery, template, damage: str
) -> None:
    gallery.add_templates("Ana", [template(1)])
    gallery.keep_searches(sample_searches(gallery.matrix("sface")), StoredThreshold("sface", 1, 0.01, 0.4, 0.005, 0.02))
    assert gallery.searches("sface") is not None
    assert [each.threshold for each in gallery.info().thresholds] == [0.4]
    gallery._connection.execute(f"UPDATE calibrations SET {damage}")
    assert gallery.searches("sface") is None
    assert gallery.info().thresholds == ()


def test_whoever_is_removed_leaves_no_search_behind(gallery: Gallery, template) -> None:
    for number in range(3):
        gallery.add_templates(f"person {number}", [template(number)])
    gallery.keep_searches(sample_searches(gallery.matrix("sface")))
    gallery.remove_person("person 1")
    assert gallery.searches("sface") is None


def test_a_gallery_that_somebody_writes_to_is_not_waited_for(tmp_path, template) -> None:
    path = tmp_path / "g.db"
    with Gallery.open(path, create=True) as gallery, Gallery.open(path) as other:
        gallery.add_templates("Ana", [template(1)])
        sample = sample_searches(gallery.matrix("sface"))
        other._connection.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        assert not gallery.keep_searches(sample)
        assert time.monotonic() - started < 5  # the limit is ten seconds
        other._connection.execute("ROLLBACK")
        assert gallery.keep_searches(sample)
