from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from facecli.errors import InputError
from facecli.evaluation.score_fit import (
    LEAST_TAIL,
    MATED_SHARES,
    NON_MATED_SHARES,
    fit_probability,
    fit_scores,
    fit_tail,
)


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.2])
def test_a_tail_is_the_one_that_the_scores_were_drawn_from(shape: float) -> None:
    scores = 0.3 + stats.genpareto.rvs(shape, scale=0.03, size=20_000, random_state=1)

    tail = fit_tail(scores, np.ones(len(scores)), 0.3, 0.001)

    # Hosking and Wallis give standard deviations of about 0.01 for both at this size.
    assert tail.shape == pytest.approx(shape, abs=0.03)
    assert tail.scale == pytest.approx(0.03, rel=0.03)
    assert (tail.start, tail.share) == (0.3, 0.001)


def test_a_score_that_weighs_double_counts_as_two() -> None:
    scores = 0.3 + stats.genpareto.rvs(-0.1, scale=0.03, size=500, random_state=2)
    weights = np.tile([1.0, 2.0], 250)
    twice = np.repeat(scores, weights.astype(int))

    weighted = fit_tail(scores, weights, 0.3, 0.001)
    repeated = fit_tail(twice, np.ones(len(twice)), 0.3, 0.001)

    assert weighted.scale == pytest.approx(repeated.scale)
    assert weighted.shape == pytest.approx(repeated.shape)


def test_a_tail_of_few_scores_is_refused_with_what_it_takes() -> None:
    few = np.linspace(0.31, 0.4, LEAST_TAIL - 1)

    with pytest.raises(InputError) as caught:
        fit_tail(few, np.ones(len(few)), 0.3, 0.001)

    assert caught.value.message == "99 scores lie above 0.300, too few to fit a tail to"
    assert caught.value.hint == "Measure more pairs of different people: at least 100,000."


def test_a_distribution_gives_back_the_shares_of_its_scores() -> None:
    rng = np.random.default_rng(3)
    non_mated, mated = rng.normal(0.0, 0.1, 400_000), rng.normal(0.6, 0.1, 20_000)

    found = fit_scores([non_mated], [mated], people=7, probability=(1.0, 2.0), measured_on="numbers")

    np.testing.assert_allclose(found.non_mated[:, 0], NON_MATED_SHARES)
    np.testing.assert_allclose(found.mated[:, 0], MATED_SHARES)
    np.testing.assert_allclose([np.mean(non_mated >= s) for s in found.non_mated[:, 1]], NON_MATED_SHARES, rtol=0.01)
    np.testing.assert_allclose([np.mean(mated < s) for s in found.mated[:, 1]], MATED_SHARES, rtol=0.01)
    # Beyond the quantiles the tail speaks: a normal distribution's, one in a hundred thousand.
    assert found.score_at(1e-5) == pytest.approx(stats.norm.isf(1e-5, scale=0.1), abs=0.02)
    assert (found.people, found.non_mated_pairs, found.mated_pairs) == (7, 400_000, 20_000)
    assert (found.probability, found.measured_on) == ((1.0, 2.0), "numbers")


def test_each_set_counts_alike_however_many_pairs_it_has() -> None:
    rng = np.random.default_rng(4)
    low, high = rng.normal(0.0, 0.05, 400_000), rng.normal(0.5, 0.05, 200_000)

    found = fit_scores([low, high], [high, low], people=2, probability=(0.0, 1.0), measured_on="numbers")

    half = dict(found.non_mated.tolist())[0.5]
    assert 0.2 < half < 0.35  # between both, where one set of 400,000 would lie below 0.1
    assert dict(found.mated.tolist())[0.5] == pytest.approx(half, abs=0.02)


def test_a_probability_is_that_of_a_logistic_regression_with_both_classes_alike() -> None:
    rng = np.random.default_rng(5)
    expected = np.exp(rng.uniform(-12, 2, 5_000))
    is_right = rng.random(5_000) < 1 / (1 + np.exp(4 + 1.3 * np.log(expected)))
    reference = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-10)
    reference.fit(-np.log(expected)[:, None], is_right)

    intercept, slope = fit_probability(expected, is_right)

    assert intercept == pytest.approx(reference.intercept_[0], rel=1e-3)
    assert slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)


def test_a_probability_stays_finite_where_no_answer_is_wrong_above_a_right_one() -> None:
    intercept, slope = fit_probability(np.array([1e-8, 1e-6, 0.5, 2.0]), np.array([True, True, False, False]))

    assert np.isfinite([intercept, slope]).all()
    assert slope > 0
