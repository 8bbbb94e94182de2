from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.gallery.person_means import MEAN, blocks_with_means, most_rows, with_means
from facecli.gallery.records import NewTemplate, TemplateMatrix
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.types import Embedding

HALF = 0.5**0.5


def matrix_of(*people: list[list[float]]) -> TemplateMatrix:
    vectors = np.array([vector for vectors in people for vector in vectors], np.float32).reshape(-1, 2)
    person_ids = np.array([person for person, vectors in enumerate(people, 1) for _ in vectors], np.int64)
    ids = np.arange(1, len(vectors) + 1, dtype=np.int64)
    return TemplateMatrix("m", vectors, ids, person_ids, {}, 1)


def test_the_mean_stands_behind_the_templates_of_those_who_have_several() -> None:
    found = with_means(matrix_of([[1, 0]], [[1, 0], [0, 1]], [[0, 1]]))
    assert found.person_ids.tolist() == [1, 2, 2, 2, 3]
    assert found.template_ids.tolist() == [1, 2, 3, MEAN, 4]
    assert found.vectors[3] == pytest.approx([HALF, HALF])


def test_nothing_is_copied_where_everybody_has_one_template() -> None:
    for matrix in (matrix_of([[1, 0]], [[0, 1]]), matrix_of()):
        assert with_means(matrix) is matrix


def test_templates_that_cancel_each_other_have_no_mean() -> None:
    assert with_means(matrix_of([[1, 0], [-1, 0]], [[0, 1]])).template_ids.tolist() == [1, 2, 3]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_every_mean_is_the_unit_mean_of_its_persons_rows(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = [[(vector / np.linalg.norm(vector)).tolist() for vector in rng.standard_normal((n, 2))] for n in counts]
    matrix = matrix_of(*people)
    found = with_means(matrix)
    assert (np.diff(found.person_ids) >= 0).all()
    assert found.vectors[found.template_ids != MEAN].tolist() == matrix.vectors.tolist()
    for row in np.flatnonzero(found.template_ids == MEAN):
        total = np.sum(people[found.person_ids[row] - 1], 0)
        assert found.vectors[row] == pytest.approx(total / np.linalg.norm(total), abs=1e-5)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=20), st.integers(1, 40), st.integers(0, 99))
def test_parts_change_nothing(counts: list[int], size: int, seed: int) -> None:
    """Neither the rows nor a single bit of a mean depend on who else is worked on at the same time."""
    rng = np.random.default_rng(seed)
    matrix = matrix_of(*[rng.standard_normal((count, 2)).tolist() for count in counts])
    whole = with_means(matrix)
    parts = list(blocks_with_means(matrix, size))
    assert b"".join(part.vectors.tobytes() for part in parts) == whole.vectors.tobytes()
    for name in ("template_ids", "person_ids"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()
    assert all(len(part.vectors) <= 2 * (size + max(counts)) for part in parts)
    assert len(whole.vectors) <= most_rows(matrix.person_ids) == len(matrix.vectors) + sum(n > 1 for n in counts)


def test_a_person_counts_with_the_mean_where_it_is_nearer_and_the_nearest_photo_is_named(gallery: Gallery) -> None:
    def template(number: int, *vector: float) -> NewTemplate:
        embedding = Embedding(np.array(vector, np.float32), "m")
        return NewTemplate(embedding, 1.0, f"{number}.jpg", str(number), np.array([0, 0, 9, 9]))

    first, second = gallery.add_templates("Ana", [template(1, 1, 0, 0), template(2, 0, 1, 0)])
    (other,) = gallery.add_templates("Bo", [template(3, 0, 0, 1)])
    between, near = (np.array(each, np.float32) for each in ([0.6, 0.8, 0], [0, 1, 0]))

    found = GallerySearch(gallery).candidates([Embedding(between, "m"), Embedding(near, "m")], 2)

    assert [[each.name for each in candidates] for candidates in found] == [["Ana", "Bo"], ["Ana", "Bo"]]
    assert [candidates[0].score for candidates in found] == [pytest.approx(1.4 * HALF), pytest.approx(1.0)]
    assert [candidates[0].template_id for candidates in found] == [second, second]
    assert first != second
    assert found[0][1].template_id == other
