from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.decide.calibration import StrangerSearches
from facecli.gallery.person_means import with_means
from facecli.gallery.records import TemplateMatrix
from facecli.services.gallery_check import pairs
from facecli.services.gallery_check.crowd import DROPPED, Crowd
from facecli.services.gallery_check.left_out import NO_SCORE, own_scores

sizes = st.lists(st.integers(1, 5), min_size=1, max_size=6)


def mean_of_searches(searches: StrangerSearches, templates: int, people: int) -> float:
    """A threshold that depends on all that it is given."""
    found = searches.scores[searches.scores > NO_SCORE]
    return float(found.mean() if len(found) else 0) + 1e-4 * templates + 1e-3 * people + 1e-5 * searches.compared.sum()


def matrix(vectors: np.ndarray, owners: np.ndarray) -> TemplateMatrix:
    order = np.argsort(owners, kind="stable")
    ids = np.arange(1, len(owners) + 1)
    return TemplateMatrix("test", vectors[order], ids, owners[order], dict.fromkeys(owners.tolist(), ""), 1)


def some(sizes: list[int], seed: int, dimension: int = 4) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.random.default_rng(seed).standard_normal((sum(sizes), dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), np.repeat(np.arange(1, len(sizes) + 1), sizes)


def crowd(vectors: np.ndarray, owners: np.ndarray, floor: float = -1.0) -> Crowd:
    return Crowd(matrix(vectors, owners), floor, np.arange(1, 100, 2), mean_of_searches)


@given(sizes, st.integers(0, 1000))
def test_own_scores_leave_each_photo_out(sizes: list[int], seed: int) -> None:
    vectors, owners = some(sizes, seed)

    found = own_scores(vectors, owners)

    for row, owner in enumerate(owners):
        others = vectors[(owners == owner) & (np.arange(len(owners)) != row)]
        if not len(others):
            assert found[row] == NO_SCORE
            continue
        enrolled = with_means(matrix(others, np.ones(len(others), np.int64))).vectors
        assert found[row] == pytest.approx((enrolled @ vectors[row]).max(), abs=1e-5)


@given(sizes, st.integers(0, 1000), st.sampled_from([-1.0, 0.0, 0.5]))
def test_links_are_the_scores_with_other_people_that_reach_the_floor(sizes: list[int], seed: int, floor: float) -> None:
    vectors, owners = some(sizes, seed)
    rows = with_means(matrix(vectors, owners))

    links = crowd(vectors, owners, floor).links

    expected = {}
    for probe, owner in enumerate(owners.tolist()):
        for person in set(owners.tolist()) - {owner}:
            best = float((rows.vectors[rows.person_ids == person] @ vectors[probe]).max())
            if best >= floor + 1e-6:
                expected[probe, person] = best
    found = dict(zip(zip(links.probes.tolist(), links.people.tolist(), strict=True), links.scores, strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
    assert [found[pair] for pair in found] == [links.scores[at] for at in range(len(found))]
    for probe in range(len(owners)):
        best = max((score for (row, _), score in expected.items() if row == probe), default=NO_SCORE)
        assert links.best[probe] == pytest.approx(best, abs=1e-5)


def test_in_blocks_or_at_once_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, owners = some([3, 1, 4, 2, 5, 1], 7)
    whole = crowd(vectors, owners, 0.1).links
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(pairs, "PROBE_ROWS", 3)
    monkeypatch.setattr(pairs, "BLOCK_ROWS", 5)

    parts = Crowd(matrix(vectors, owners), 0.1, owners, mean_of_searches, lambda *at: told.append(at)).links

    for name in ("probes", "people", "near"):
        assert getattr(parts, name).tolist() == getattr(whole, name).tolist()
    assert parts.scores == pytest.approx(whole.scores, abs=1e-6)
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]


def test_too_many_links_raise_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, owners = some([2] * 20, 3)
    whole = crowd(vectors, owners).links
    monkeypatch.setattr(pairs, "MOST_LINKS", 200)
    monkeypatch.setattr(pairs, "PROBE_ROWS", 4)

    few = crowd(vectors, owners).links

    assert -1 < few.floor < 1
    near = whole.best >= few.floor
    assert few.best[near] == pytest.approx(whole.best[near], abs=1e-6)
    assert (few.best[~near] == NO_SCORE).all()


@settings(max_examples=100, deadline=None)
@given(sizes, st.integers(0, 1000), st.data())
def test_what_a_change_would_make_is_what_it_makes(sizes: list[int], seed: int, data: st.DataObject) -> None:
    vectors, owners = some(sizes, seed)
    targets = st.sampled_from([DROPPED, *range(1, len(sizes) + 3)])
    moves = data.draw(st.dictionaries(st.integers(0, len(owners) - 1), targets, min_size=1, max_size=4))
    changed = owners.copy()
    changed[list(moves)] = list(moves.values())
    kept = changed != DROPPED

    found = crowd(vectors, owners).after(moves)

    if not kept.any():
        assert (found.searches, found.strangers) == (0, 0)
        return
    expected = crowd(vectors[kept], changed[kept]).errors()
    assert found.threshold == pytest.approx(expected.threshold, abs=1e-5)
    assert (found.searches, found.strangers) == (expected.searches, expected.strangers)
    # Scores that are equal up to rounding may fall on either side of each other.
    for count in ("missed", "misnamed", "named"):
        assert getattr(found, count) == pytest.approx(getattr(expected, count), abs=1)


def test_the_counts_of_a_gallery_by_hand() -> None:
    def at(angle: float) -> list[float]:
        return [np.cos(np.radians(angle)), np.sin(np.radians(angle))]

    vectors = np.array([at(0), at(10), at(90), at(100), at(12), at(-90)], np.float32)
    owners = np.array([1, 1, 2, 2, 2, 3])  # the fifth is a photo of the first person

    def threshold(*_: object) -> float:
        return 0.9

    asked = Crowd(matrix(vectors, owners), -1, np.array([1, 2, 3]), threshold)

    before, after = asked.errors(), asked.after({4: 1})

    # 12 degrees is nearer to 10 than to the others of person 2, and so is 0 to 10 than to 12; 10 is nearer to 12 than
    # to 0.
    assert (before.searches, before.missed, before.misnamed) == (5, 2, 2)
    assert (before.strangers, before.named) == (6, 3)
    assert (after.searches, after.missed, after.misnamed) == (5, 0, 0)
    assert (after.strangers, after.named) == (6, 0)
