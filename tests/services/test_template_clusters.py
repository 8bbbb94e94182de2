"""Groups of alike templates, compared with scipy's average linkage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from facecli.errors import ConfigError, GalleryError
from facecli.services import template_clusters
from facecli.services.template_clusters import alike_groups, alike_score


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.floats(-0.5, 0.9), st.integers(1, 5))
def test_the_groups_are_those_of_average_linkage(seed, count, threshold, people):
    random = np.random.default_rng(seed)
    vectors = unit(random.standard_normal((people, 6))[random.integers(people, size=count)] + random.random((count, 6)))
    scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)

    found = alike_groups(vectors, threshold)

    distances = 1 - scores
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform((distances + distances.T) / 2, checks=False), "average")
    if np.abs(tree[:, 2] - (1 - threshold)).min() > 1e-6:  # else rounding decides
        labels = fcluster(tree, 1 - threshold, "distance")
        assert {group.rows for group in found} == {
            tuple(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)
        }
    assert [len(group.rows) for group in found] == sorted((len(group.rows) for group in found), reverse=True)


def test_a_group_says_how_alike_it_is_within_and_to_the_nearest_other():
    vectors = unit(np.array([[1, 0, 0], [0, 0, 1], [0.8, 0.6, 0], [0.1, 0, 1]], float))

    one, other = alike_groups(vectors, 0.5)

    assert (one.rows, other.rows) == ((0, 2), (1, 3))
    assert one.within == pytest.approx(0.8, abs=1e-6)
    assert other.within == pytest.approx(vectors[1] @ vectors[3], abs=1e-6)
    between = (vectors[[0, 2]] @ vectors[[1, 3]].T).mean()
    assert (one.between, other.between) == pytest.approx((between, between), abs=1e-6)
    assert (one.nearest, other.nearest) == (1, 0)


def test_a_single_template_is_a_group_with_nothing_to_compare():
    (only,) = alike_groups(unit(np.ones((1, 3))), 0.5)
    assert (only.rows, only.within, only.between, only.nearest) == ((0,), None, None, None)


def test_more_templates_than_can_be_compared_are_refused(monkeypatch):
    monkeypatch.setattr(template_clusters, "MOST_TEMPLATES", 3)
    with pytest.raises(GalleryError, match="4 templates of one person are too many") as caught:
        alike_groups(unit(np.ones((4, 3))), 0.5)
    assert caught.value.code == "too_many_templates"


def test_a_model_that_was_not_measured_needs_a_threshold():
    assert alike_score(None, "mine@1", 0.3) == 0.3
    with pytest.raises(ConfigError, match="no rate can be promised for mine") as caught:
        alike_score(None, "mine@1", None)
    assert "--threshold" in caught.value.hint
