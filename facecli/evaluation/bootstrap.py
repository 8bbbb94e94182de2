"""How far a rate would move with other people: the bootstrap that resamples people, not comparisons.

Comparisons that share a person rise and fall together, so intervals that take them for independent are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.proportions import Interval

Weights: TypeAlias = NDArray[np.int64]

# Ends of a 95 % percentile interval are order statistics 25 and 976 of 1,000 (Efron and Tibshirani 1993, chapter 13).
REPLICATES: Final = 1000
SEED: Final = 20

# Replicates in which the statistic does not exist are left out; with more of them than this the rest are no sample.
MAX_UNDEFINED_SHARE: Final = 0.05


def resampled_people(people: int, *, replicates: int = REPLICATES, seed: int = SEED) -> Iterator[Weights]:
    """Draw as many people as there are, with replacement, again and again.

    Yields
    ------
    ndarray of shape (people,), int64
        How often each person was drawn. The same for the same `seed`.
    """
    generator = np.random.default_rng(seed)
    for _ in range(replicates):
        yield np.bincount(generator.integers(people, size=people), minlength=people) if people else np.zeros(0, int)


def pair_weights(weights: Weights, person_a: NDArray[np.intp], person_b: NDArray[np.intp]) -> Weights:
    """Weigh comparisons by the people drawn: a mated pair as often as its person, a non-mated one w_a x w_b times.

    It errs on the safe side: where nobody is in two non-mated pairs, products of weights make the interval of their
    rate up to 1.7 (the root of 3) times too wide.

    Parameters
    ----------
    weights : ndarray of shape (people,), int64
        One draw of `resampled_people`.
    person_a, person_b : ndarray of shape (N,), intp
        Whose photos are compared, as indices into `weights`.

    Returns
    -------
    ndarray of shape (N,), int64

    References
    ----------
    Bolle, Ratha and Pankanti (2004), Computer Vision and Image Understanding 93(1): the subset bootstrap; Owen (2007),
    Ann. Appl. Stat. 1(2): products of weights where a comparison depends on two people.
    """
    first, second = weights[person_a], weights[person_b]
    return np.where(person_a == person_b, first, first * second)


def percentile_interval(values: Sequence[float] | NDArray[np.float64]) -> Interval | None:
    """Return the middle 95 % of a statistic's replicates.

    Parameters
    ----------
    values : sequence of float
        One a replicate; NaN where the statistic does not exist for that draw.

    Returns
    -------
    Interval or None
        None where it does not exist for more than 5 % of the draws, or there is none.
    """
    all_values = np.asarray(values, np.float64)
    defined = np.sort(all_values[~np.isnan(all_values)])
    if not defined.size or defined.size < (1 - MAX_UNDEFINED_SHARE) * all_values.size:
        return None
    # Order statistics themselves, as values may be infinite and nothing can be interpolated then.
    low = math.ceil(0.025 * defined.size) - 1
    return Interval(float(defined[max(low, 0)]), float(defined[defined.size - 1 - max(low, 0)]))


def bootstrap_interval(
    statistic: Callable[[Weights], float], people: int, *, replicates: int = REPLICATES, seed: int = SEED
) -> Interval | None:
    """Return the 95 % bootstrap interval of a statistic over people.

    Parameters
    ----------
    statistic : callable
        Takes the weights of people, shape (people,), and returns a number, or NaN where it does not exist.
    people : int

    Returns
    -------
    Interval or None
        None where the statistic does not exist for more than 5 % of the draws, or nobody is there to be drawn.
    """
    if not people:
        return None
    draws = resampled_people(people, replicates=replicates, seed=seed)
    return percentile_interval([statistic(weights) for weights in draws])
