from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.gallery import block_scan
from facecli.gallery.block_scan import FloatScores, block_finder
from facecli.gallery.codes import CODE_BLOCK, CodeScores, encode
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.row_source import ArrayRows


def unit_vectors(count: int, seed: int, dimension: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def with_codes(vectors: np.ndarray, owners: np.ndarray, block_scores: int = 2**22) -> ExactIndex:
    rows = ArrayRows(vectors)
    finder = block_finder(rows, owners, encode(vectors), block_scores=block_scores)
    return ExactIndex(rows, owners, np.arange(len(vectors)) * 3 + 1, finder=finder)


def without_codes(vectors: np.ndarray, owners: np.ndarray) -> ExactIndex:
    return ExactIndex(vectors, owners, np.arange(len(vectors)) * 3 + 1)


def assert_same(one: ExactIndex, other: ExactIndex, probes: np.ndarray, k: int) -> None:
    for mine, theirs in zip(one.search(probes, k), other.search(probes, k), strict=True):
        assert mine.tobytes() == theirs.tobytes()
    assert one.top_people(probes, k) == other.top_people(probes, k)


@st.composite
def crowds(draw):
    """Draw a gallery with copies, near copies, opposites and axes, and probes that are some of them."""
    dimension = draw(st.sampled_from([1, 2, 7, 16, 130]))
    distinct = unit_vectors(draw(st.integers(1, 30)), draw(st.integers(0, 99)), dimension)
    distinct = np.concatenate([distinct, -distinct[:3], np.eye(dimension, dtype=np.float32)[:3]])
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    vectors = distinct[rng.integers(0, len(distinct), draw(st.integers(1, 400)))]
    spread = np.float32(draw(st.sampled_from([0, 1e-7, 1e-5, 1e-3, 1e-1])))
    vectors = vectors + spread * unit_vectors(len(vectors), draw(st.integers(0, 99)), dimension)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.sort(rng.integers(5, 5 + draw(st.integers(1, 80)), len(vectors)))
    probes = np.concatenate([unit_vectors(2, draw(st.integers(100, 199)), dimension), vectors[:2]])
    return vectors, owners, probes[draw(st.integers(0, 2)) :]


@settings(deadline=None)
@given(crowds(), st.integers(1, 90), st.integers(1, 3000))
def test_codes_change_nothing(crowd, k, block_scores):
    vectors, owners, probes = crowd
    assert_same(with_codes(vectors, owners, block_scores), without_codes(vectors, owners), probes, k)


@settings(deadline=None)
@given(crowds())
def test_a_score_by_codes_is_within_its_bound(crowd):
    vectors, _, probes = crowd
    block = CodeScores(encode(vectors), probes)(0, len(vectors))
    scores, error = block.scores(), block.error
    exact = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    assert (np.abs(scores - exact) <= error[:, None]).all()
    assert (error < 0.02 * np.sqrt(vectors.shape[1])).all()  # a bound that is worth something


@given(crowds(), st.floats(-1, 1))
@settings(deadline=None)
def test_hits_are_all_scores_that_may_reach_their_limits(crowd, limit):
    vectors, _, probes = crowd
    limits = np.linspace(limit, 0.9, len(probes), dtype=np.float32)
    exact = probes.astype(np.float64) @ vectors.T.astype(np.float64)
    for score in (CodeScores(encode(vectors), probes), FloatScores(ArrayRows(vectors), probes)):
        block = score(0, len(vectors))
        number, row, hits = block.hits(limits)
        assert hits == pytest.approx(block.scores()[number, row], rel=1e-6)
        found = set(zip(number.tolist(), row.tolist(), strict=True))
        assert set(zip(*map(np.ndarray.tolist, np.nonzero(exact >= limits[:, None])), strict=True)) <= found
        assert (hits >= (limits - block.error)[number] - 1e-6).all()


def test_codes_and_threads_change_nothing_in_a_larger_crowd(monkeypatch):
    monkeypatch.setattr(block_scan, "_cores", lambda: 3)
    vectors = unit_vectors(3 * CODE_BLOCK + 100, 1, 32)
    vectors[CODE_BLOCK - 70 : CODE_BLOCK + 30] = vectors[7]
    vectors[9000:9500] = vectors[7] + unit_vectors(500, 5, 32) * np.float32(1e-4)
    vectors[9000:9500] /= np.linalg.norm(vectors[9000:9500], axis=1, keepdims=True)
    owners = np.sort(np.random.default_rng(3).integers(0, 900, len(vectors)))
    probes = np.concatenate([vectors[7:8], unit_vectors(3, 2, 32)])
    for k in (1, 10, 300):
        assert_same(with_codes(vectors, owners, 2**12), without_codes(vectors, owners), probes, k)


def test_few_rows_are_left_to_be_scored_exactly():
    vectors, owners = unit_vectors(20_000, 1, 128), np.arange(20_000) // 5
    finder = block_finder(ArrayRows(vectors), owners, encode(vectors))
    found = finder.find(unit_vectors(4, 2, 128), 10, by_person=True)
    assert all(10 <= len(rows) < 400 for rows in found)


def test_many_probes_are_compared_in_float32_and_few_by_their_codes(monkeypatch):
    used = []
    for name in ("CodeScores", "FloatScores"):
        original = getattr(block_scan, name)
        monkeypatch.setattr(
            block_scan, name, lambda *given, made=original, name=name: used.append(name) or made(*given)
        )
    index = with_codes(unit_vectors(50, 1), np.arange(50))
    index.search(unit_vectors(block_scan.MANY_PROBES - 1, 2), 1)
    index.search(unit_vectors(block_scan.MANY_PROBES, 2), 1)
    assert used == ["CodeScores", "FloatScores"]


def test_without_the_kernel_codes_are_left_alone(monkeypatch):
    monkeypatch.setattr(block_scan, "has_kernel", lambda: False)
    monkeypatch.setattr(block_scan, "CodeScores", None)
    vectors, owners = unit_vectors(50, 1), np.arange(50)
    assert_same(with_codes(vectors, owners), without_codes(vectors, owners), vectors[:1], 3)


def test_a_score_beyond_one_ties_with_one():
    """Lengths stray from 1 by rounding; the final scores of the first two rows are both 1, so the first one counts."""
    vector = np.array([[0.6, 0.8]], np.float32)
    vectors = np.concatenate([vector * np.float32(1.0001), vector * np.float32(1.0005), -vector])
    for index in (with_codes(vectors, np.arange(3)), without_codes(vectors, np.arange(3))):
        scores, rows = index.search(vector, 1)
        assert (scores.tolist(), rows.tolist()) == ([[1.0]], [[0]])
        scores, rows = index.search(-vector * np.float32(1.001), 2)
        assert rows.tolist() == [[2, 0]]


@pytest.mark.parametrize("by_person", [True, False])
def test_nobody_to_be_found(by_person):
    vectors = np.empty((0, 4), np.float32)
    for codes in (None, encode(vectors)):
        finder = block_finder(ArrayRows(vectors), np.empty(0, np.int64), codes)
        assert [len(each) for each in finder.find(unit_vectors(2, 1, 4), 3, by_person=by_person)] == [0, 0]
