import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.errors import InputError, ModelMismatchError
from facecli.gallery.exact_index import ExactIndex, PersonScore


def unit_vectors(count: int, seed: int, dimension: int = 6) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def brute_force(probe: np.ndarray, vectors: np.ndarray) -> list[tuple[float, int]]:
    """Return (score, row) of every row, the best first, in plain float64."""
    scores = [float(np.float32(np.clip((row.astype(float) * probe).sum(), -1, 1))) for row in vectors]
    return sorted(((score, row) for row, score in enumerate(scores)), key=lambda pair: (-pair[0], pair[1]))


@st.composite
def galleries(draw):
    """Draw unit vectors with many exact copies among them, and sorted owners."""
    count = draw(st.integers(0, 300))
    distinct = unit_vectors(draw(st.integers(1, 40)), draw(st.integers(0, 99)))
    copies = np.random.default_rng(draw(st.integers(0, 99))).integers(0, len(distinct), count)
    owners = np.random.default_rng(draw(st.integers(0, 99))).integers(5, 5 + draw(st.integers(1, 60)), count)
    probes = unit_vectors(draw(st.integers(0, 5)), draw(st.integers(100, 199)))
    if draw(st.booleans()):
        probes[: len(distinct)] = distinct[: len(probes)]
    return distinct[copies], np.sort(owners), probes


@settings(deadline=None)
@given(galleries(), st.integers(1, 310), st.integers(1, 2000))
def test_search_is_brute_force_with_ties_to_the_lower_row(gallery, k, block_scores):
    vectors, _, probes = gallery
    scores, rows = ExactIndex(vectors, block_scores=block_scores).search(probes, k)
    assert scores.shape == rows.shape == (len(probes), min(k, len(vectors)))
    assert (scores.dtype, rows.dtype) == (np.float32, np.int64)
    for probe, line, found in zip(probes, scores, rows, strict=True):
        assert list(zip(line.tolist(), found.tolist(), strict=True)) == brute_force(probe, vectors)[:k]


@settings(deadline=None)
@given(galleries(), st.integers(1, 70), st.integers(1, 2000))
def test_top_people_is_brute_force_over_the_best_template_of_each(gallery, k, block_scores):
    vectors, owners, probes = gallery
    template_ids = np.arange(len(vectors)) * 3 + 1
    found = ExactIndex(vectors, owners, template_ids, block_scores=block_scores).top_people(probes, k)
    assert len(found) == len(probes)
    for probe, people in zip(probes, found, strict=True):
        best: dict[int, PersonScore] = {}
        for score, row in brute_force(probe, vectors):
            best.setdefault(int(owners[row]), PersonScore(int(owners[row]), int(template_ids[row]), score))
        assert people == list(best.values())[:k]


def test_grouped_bounds_miss_nobody_in_a_larger_gallery():
    vectors, probes = unit_vectors(20_000, 1, 32), unit_vectors(8, 2, 32)
    owners = np.sort(np.random.default_rng(3).integers(0, 3000, len(vectors)))
    vectors[100:140] = probes[0]  # the nearest templates of one probe: forty copies of it
    index = ExactIndex(vectors, owners, block_scores=30_000)
    _, rows = index.search(probes, 50)
    people = index.top_people(probes, 10)
    for number, probe in enumerate(probes):
        expected = brute_force(probe, vectors)
        assert rows[number].tolist() == [row for _, row in expected[:50]]
        assert [person.person_id for person in people[number]] == list(
            dict.fromkeys(int(owners[row]) for _, row in expected)
        )[:10]


def test_one_person_with_nearly_all_templates_does_not_hide_the_others():
    vectors = unit_vectors(5000, 1, 32)
    vectors[:4990] = vectors[0]
    owners = np.array([1] * 4990 + list(range(2, 12)))
    people = ExactIndex(vectors, owners).top_people(vectors[:1], 3)[0]
    others = sorted(((float(vectors[row] @ vectors[0]), int(owners[row])) for row in range(4990, 5000)), reverse=True)
    assert [person.person_id for person in people] == [1, others[0][1], others[1][1]]
    assert people[0].template_id == 0


def test_rounding_of_the_matrix_product_decides_nothing():
    """Thousands of templates that differ by less than float32 sums are sure of, found in their exact order."""
    near = unit_vectors(1, 1, 128) + unit_vectors(4000, 2, 128) * np.float32(3e-7)
    probe = unit_vectors(1, 3, 128)
    scores, rows = ExactIndex(near).search(probe, 7)
    assert list(zip(scores[0].tolist(), rows[0].tolist(), strict=True)) == brute_force(probe[0], near)[:7]
    people = ExactIndex(near).top_people(probe, 7)[0]
    assert [person.template_id for person in people] == rows[0].tolist()


def test_a_score_does_not_depend_on_the_company():
    vectors, probes = unit_vectors(3000, 1, 128), unit_vectors(50, 2, 128)
    together = ExactIndex(vectors).search(probes, 5)
    for number in range(50):
        alone = ExactIndex(vectors, block_scores=777).search(probes[number : number + 1], 5)
        assert alone[0].tobytes() == together[0][number].tobytes()
        assert alone[1].tobytes() == together[1][number].tobytes()


def test_scores_stay_within_minus_one_and_one():
    vectors = unit_vectors(500, 1, 128) * np.float32(1.0001)  # as far off as rounding and stored files may be
    scores, rows = ExactIndex(vectors).search(np.concatenate([vectors, -vectors]), 500)
    assert (scores.max(), scores.min()) == (1.0, -1.0)
    assert rows[:500, 0].tolist() == list(range(500))


def test_an_empty_gallery_has_nobody_near():
    index = ExactIndex(np.empty((0, 0), np.float32))
    scores, rows = index.search(unit_vectors(2, 0), 3)
    assert (scores.shape, rows.shape) == ((2, 0), (2, 0))
    assert index.top_people(unit_vectors(2, 0), 3) == [[], []]
    assert len(index) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_probes_that_are_not_finite_are_refused(bad):
    probes = unit_vectors(3, 0)
    probes[1, 2] = bad
    index = ExactIndex(unit_vectors(4, 1))
    for search in (index.search, index.top_people):
        with pytest.raises(InputError, match="not finite"):
            search(probes, 1)


def test_what_does_not_fit_is_refused():
    index = ExactIndex(unit_vectors(4, 1))
    with pytest.raises(InputError, match="0 neighbours"):
        index.search(unit_vectors(1, 0), 0)
    with pytest.raises(InputError, match=r"shape \(6,\)"):
        index.search(unit_vectors(1, 0)[0], 1)
    with pytest.raises(ModelMismatchError, match="7 numbers and the templates 6"):
        index.top_people(unit_vectors(1, 0, 7), 1)
    with pytest.raises(InputError, match="sorted by person"):
        ExactIndex(unit_vectors(3, 1), np.array([1, 3, 2]))
    with pytest.raises(InputError, match="one person_id"):
        ExactIndex(unit_vectors(3, 1), np.array([1, 2]))
    with pytest.raises(InputError, match=r"expected \(T, D\)"):
        ExactIndex(unit_vectors(3, 1)[0])
