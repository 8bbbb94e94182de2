"""Which photos said to show one person do not: enrolment learns from those that agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.scores import DoubleArray, ScoreDistribution
from facecli.types import FloatArray

# Both shares, and what they do, are measured by tests/bench/bench_person_score.py; see tests/bench/RESULTS.md.
AGREEMENT_SHARE: Final = 1e-3
"""Two photos agree from the score on that this share of pairs of different people reaches."""

MISFIT_SHARE: Final = 0.02
"""A photo of somebody else passes for the person with this chance, however many photos it is compared with."""

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A photo that is unlike the others.

    Attributes
    ----------
    row : int
    others : tuple of int
        Rows of the photos that it is unlike.
    best_score : float
        Its best score with them.
    """

    row: int
    others: tuple[int, ...]
    best_score: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far photos of one person agree.

    Attributes
    ----------
    reference : tuple of int
        Rows of the photos that agree and stand for the person; empty where none do, or as many others do.
    usual_score : float
        Median of the best scores that the photos of the reference have with each other; NaN without a reference.
    misfits : tuple of Misfit
        With a reference, photos unlike it. Without one, photos unlike all that do not agree with them: some of them
        are wrong, but not which.
    """

    reference: tuple[int, ...]
    usual_score: float
    misfits: tuple[Misfit, ...]


def compare_photos(vectors: FloatArray, enrolled: int, distribution: ScoreDistribution) -> Agreement:
    """Find photos that show somebody else.

    Photos that score as two of different people hardly ever do are linked; the largest set of linked photos stands for
    the person. Photos enrolled before go first: two of them that are linked outweigh any number of new ones, as a
    whole folder may be given the wrong name. A photo is a misfit whose best score with these is what two different
    people give; the limit rises with their number, as the best of many scores does.

    Parameters
    ----------
    vectors : ndarray of shape (n, D), float32
        Unit vectors, each of another photo, those enrolled before first.
    enrolled : int
        How many these are.
    distribution : ScoreDistribution
        Of the model.
    """
    count = len(vectors)
    if count < 2:
        return Agreement((), float("nan"), ())
    doubles = vectors.astype(np.float64)
    scores = doubles @ doubles.T
    groups = _linked(scores >= distribution.score_at(AGREEMENT_SHARE))
    reference = _reference(groups, enrolled)
    misfits = []
    for row in range(count):
        others = reference if len(reference) else np.flatnonzero(groups != groups[row])
        if not len(others) or row in others:
            continue
        best = float(scores[row, others].max())
        if best < distribution.score_at(MISFIT_SHARE / len(others)):
            misfits.append(Misfit(row, tuple(others.tolist()), best))
    return Agreement(tuple(reference.tolist()), _usual(scores, reference), tuple(misfits))


def _linked(links: NDArray[np.bool_]) -> Rows:
    """Return for each row the lowest row that a chain of links leads to."""
    groups = np.arange(len(links))
    while True:
        lower = np.where(links, groups, len(links)).min(axis=1, initial=len(links))
        lower = np.minimum(groups, lower)
        if (lower == groups).all():
            return groups
        groups = lower


def _reference(groups: Rows, enrolled: int) -> Rows:
    """Return the rows of the one group that outweighs all others, nothing where there is none."""
    for members in (groups[:enrolled], groups):
        sizes = np.bincount(members, minlength=len(groups))
        largest = int(sizes.argmax())
        if sizes[largest] > 1 and (sizes == sizes[largest]).sum() == 1:
            return np.flatnonzero(groups == largest)
    return np.empty(0, np.intp)


def _usual(scores: DoubleArray, reference: Rows) -> float:
    if len(reference) < 2:
        return float("nan")
    among = scores[np.ix_(reference, reference)]
    np.fill_diagonal(among, -np.inf)
    return float(np.median(among.max(axis=1)))
