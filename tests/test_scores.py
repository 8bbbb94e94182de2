from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from facecli.errors import ConfigError
from facecli.scores import MIN_TAIL_SHAPE, SCORE_GRID, ScoreDistribution, Tail


def distribution(shape: float = 0.1) -> ScoreDistribution:
    return ScoreDistribution(
        non_mated=np.array([(0.9, -0.1), (0.1, 0.1), (0.001, 0.3)]),
        tail=Tail(start=0.3, share=0.001, scale=0.05, shape=shape),
        mated=np.array([(0.01, 0.3), (0.5, 0.6), (0.99, 0.8)]),
        non_mated_pairs=1_000_000,
        mated_pairs=1_000,
        people=100,
        probability=(0.0, 1.0),
        measured_on="numbers",
    )


def test_shares_pass_through_what_was_measured_and_are_straight_in_the_logarithm_between() -> None:
    shares = np.exp(distribution().log_share_above(np.array([-0.1, 0.0, 0.1, 0.2, 0.3])))

    np.testing.assert_allclose(shares, [0.9, 0.3, 0.1, 0.01, 0.001])


@pytest.mark.parametrize("shape", [-0.04, 0.0, 0.1])
def test_the_tail_is_a_generalised_pareto_distribution(shape: float) -> None:
    scores = np.array([0.3, 0.35, 0.5, 0.9])

    shares = np.exp(distribution(shape).log_share_above(scores))

    np.testing.assert_allclose(shares, 0.001 * stats.genpareto.sf(scores - 0.3, shape, scale=0.05), rtol=1e-9)


def test_a_tail_that_was_fitted_to_end_soon_is_led_on() -> None:
    ends = distribution(-0.5)  # at 0.4

    assert ends.log_share_above(np.array(0.5)) == pytest.approx(
        math.log(0.001 * stats.genpareto.sf(0.2, MIN_TAIL_SHAPE, scale=0.05))
    )


@given(st.floats(-1.0, 0.5))
def test_a_share_never_rises_with_the_score(shape: float) -> None:
    shares = distribution(shape).log_share_above(SCORE_GRID)

    assert (np.diff(shares) <= 0).all()
    assert shares.max() <= 0


@given(st.floats(1e-9, 0.9), st.floats(-0.5, 0.3))
def test_the_score_at_a_share_is_the_least_that_keeps_it(share: float, shape: float) -> None:
    scores = distribution(shape)

    found = scores.score_at(share)

    place = int(np.flatnonzero(found == SCORE_GRID)[0])
    at, before = scores.log_share_above(SCORE_GRID[[place, place - 1]])
    assert at <= math.log(share) + 1e-12 or found == 1.0
    assert before > math.log(share) - 1e-12


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_outside_0_and_1_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="cannot be met"):
        distribution().score_at(share)


def test_shares_of_mated_pairs_are_straight_between_what_was_measured() -> None:
    scores = distribution()

    assert scores.share_below(0.3) == pytest.approx(0.01)
    assert scores.share_below(0.45) == pytest.approx((0.01 + 0.5) / 2)
    assert scores.share_below(0.1) == pytest.approx(0.01)


def test_what_was_measured_cannot_be_changed() -> None:
    given_pairs = np.array([(0.9, -0.1), (0.001, 0.3)])
    scores = ScoreDistribution(given_pairs, Tail(0.3, 0.001, 0.05, 0.0), given_pairs[::-1], 1, 1, 1, (0.0, 1.0), "x")

    with pytest.raises(ValueError, match="read-only"):
        scores.non_mated[0, 0] = 0.5
    given_pairs[0, 0] = 0.7
    assert scores.non_mated[0, 0] == 0.9
