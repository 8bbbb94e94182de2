"""From measured scores to a `ScoreDistribution`: quantiles, a fitted tail, and the probability of a match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import InputError
from facecli.scores import DoubleArray, ScoreDistribution, Tail

# Shares of non-mated pairs at which the score is kept; the last is where the tail begins. At 1 in 1,000 the tail of a
# million pairs still has a thousand of them.
NON_MATED_SHARES: Final = (0.99, 0.9, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)

# Shares of mated pairs; the least is what some hundred pairs can tell.
MATED_SHARES: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.99)

LEAST_TAIL: Final = 100
"""Scores that a tail is fitted to, at least."""


def fit_tail(scores: DoubleArray, weights: DoubleArray, start: float, share: float) -> Tail:
    """Fit a generalised Pareto distribution to the scores above `start` by probability-weighted moments.

    Parameters
    ----------
    scores, weights : ndarray of shape (n,), float64
        Those above `start`, and how much each counts.
    start : float
    share : float
        Of all pairs that reach `start`.

    Raises
    ------
    InputError
        If there are fewer than `LEAST_TAIL`.

    References
    ----------
    Hosking and Wallis (1987), Technometrics 29(3), 339-349.
    """
    if len(scores) < LEAST_TAIL:
        raise InputError(
            f"{len(scores)} scores lie above {start:.3f}, too few to fit a tail to",
            hint=f"Measure more pairs of different people: at least {round(LEAST_TAIL / share):,}.",
        )
    order = np.argsort(scores)
    excess, weight = scores[order] - start, weights[order] / weights.sum()
    above = 1.0 - (np.cumsum(weight) - weight / 2)
    first, second = float(weight @ excess), float(weight @ (above * excess))
    ratio = first / (first - 2.0 * second)
    return Tail(start=start, share=share, scale=2.0 * second * ratio, shape=2.0 - ratio)


def fit_scores(
    non_mated: Sequence[DoubleArray],
    mated: Sequence[DoubleArray],
    *,
    people: int,
    probability: tuple[float, float],
    measured_on: str,
) -> ScoreDistribution:
    """Describe the scores of several sets of pairs, each of which counts alike.

    Parameters
    ----------
    non_mated, mated : sequence of ndarray of shape (n,), float64
        Scores of the pairs of different people, and of one person, by set.
    people : int
        In all sets.
    probability : tuple of (float, float)
        See `fit_probability`.
    measured_on : str

    Raises
    ------
    InputError
        If there are too few pairs.
    """
    scores, weights = _pooled(non_mated)
    start = _quantile_above(scores, weights, NON_MATED_SHARES[-1])
    beyond = scores > start
    tail = fit_tail(scores[beyond], weights[beyond], start, NON_MATED_SHARES[-1])
    own_scores, own_weights = _pooled(mated)
    return ScoreDistribution(
        non_mated=np.array([(share, _quantile_above(scores, weights, share)) for share in NON_MATED_SHARES]),
        tail=tail,
        mated=np.array([(share, _quantile_above(own_scores, own_weights, 1 - share)) for share in MATED_SHARES]),
        non_mated_pairs=sum(map(len, non_mated)),
        mated_pairs=sum(map(len, mated)),
        people=people,
        probability=probability,
        measured_on=measured_on,
    )


def _pooled(sets: Sequence[DoubleArray]) -> tuple[DoubleArray, DoubleArray]:
    """Join sets so that each weighs alike; sorted by falling score, weights sum to 1."""
    scores = np.concatenate([np.asarray(each, np.float64) for each in sets])
    weights = np.concatenate([np.full(len(each), 1.0 / len(each) / len(sets)) for each in sets])
    order = np.argsort(-scores, kind="stable")
    return scores[order], weights[order]


def _quantile_above(falling: DoubleArray, weights: DoubleArray, share: float) -> float:
    """Return the score that this share of the weight reaches, rounded to what two engines agree on."""
    place = int(np.searchsorted(np.cumsum(weights), share))
    return round(float(falling[min(place, len(falling) - 1)]), 5)


def fit_probability(
    expected_false_positives: DoubleArray, is_right: NDArray[np.bool_], *, rounds: int = 50
) -> tuple[float, float]:
    """Fit the probability of a right answer to the false positives expected at its score, by logistic regression.

    Parameters
    ----------
    expected_false_positives : ndarray of shape (n,), float64
        At the best score of each search; see `facecli.decide.calibration.Calibration`.
    is_right : ndarray of shape (n,), bool
        Whether the search found the right person; False for strangers. Searches for people enrolled and for strangers
        are weighted so that each are half.

    Returns
    -------
    tuple of (float, float)
        Intercept and slope: the logit is intercept - slope * log(expected).
    """
    features = np.column_stack([np.ones(len(is_right)), -np.log(np.maximum(expected_false_positives, LEAST_EXPECTED))])
    weights = np.where(is_right, 0.5 / max(is_right.sum(), 1), 0.5 / max((~is_right).sum(), 1))
    coefficients = np.zeros(2)
    for _ in range(rounds):
        chance = 1.0 / (1.0 + np.exp(-np.clip(features @ coefficients, -500, 500)))
        gradient = features.T @ (weights * (is_right - chance)) - RIDGE * coefficients
        hessian = (features * (weights * chance * (1 - chance))[:, None]).T @ features + RIDGE * np.eye(2)
        coefficients = coefficients + np.linalg.solve(hessian, gradient)
    return float(coefficients[0]), float(coefficients[1])


# Keeps the fit finite where no wrong answer scores above a right one.
RIDGE: Final = 1e-9

# Below it every answer is right; how far below says nothing more.
LEAST_EXPECTED: Final = 1e-12
