"""Error rates of identification (1:N, open-set) as NIST FRTE 1:N defines them: searches in, FPIR and FNIR out.

Every search counts. A probe or a person without a template is a miss where the search is mated; where it is not, it is
no false positive but one of the searches all the same.

References
----------
Grother, Ngan, Hanaoka: Face Recognition Technology Evaluation part 2: Identification, NISTIR 8271, section 3;
ISO/IEC 19795-1:2021.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.bootstrap import Weights, bootstrap_interval
from facecli.evaluation.proportions import Interval, Proportion, joined_interval

Scores: TypeAlias = NDArray[np.float64]

NO_CANDIDATE: Final = -math.inf
"""The score where there is no candidate; it reaches no threshold, not even that of a search without one."""

NO_THRESHOLD: Final = -math.inf
"""Of an investigational search, whose candidates a person looks through whatever their scores."""

# Products such as 0.03 x 100 must not fall below the whole number they are.
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Searches:
    """What came of every search.

    Attributes
    ----------
    mated_scores : ndarray of shape (M,), float64
        Of the right person, for probes of somebody in the gallery; `NO_CANDIDATE` where that person is none of the
        candidates, for whatever reason.
    mated_ranks : ndarray of shape (M,), int64
        Of the right person, from 1; 0 where that person is none of the candidates.
    mated_top_scores : ndarray of shape (M,), float64
        Of the candidate at rank 1, whoever it is.
    mated_people : ndarray of shape (M,), intp
        Whom each probe shows, as numbers below `people`.
    nonmated_scores : ndarray of shape (S,), float64
        Of the candidate at rank 1, for probes of strangers.
    nonmated_people : ndarray of shape (S,), intp
    people : int
        How many people the probes show, in the gallery or not.

    Raises
    ------
    ValueError
        If the arrays contradict each other.
    """

    mated_scores: Scores
    mated_ranks: NDArray[np.int64]
    mated_top_scores: Scores
    mated_people: NDArray[np.intp]
    nonmated_scores: Scores
    nonmated_people: NDArray[np.intp]
    people: int

    def __post_init__(self) -> None:
        mated = (self.mated_scores, self.mated_ranks, self.mated_top_scores, self.mated_people)
        if len({each.shape for each in mated}) > 1 or self.nonmated_scores.shape != self.nonmated_people.shape:
            raise ValueError("not as many scores as ranks and people")
        scores = np.concatenate([self.mated_scores, self.mated_top_scores, self.nonmated_scores])
        if np.isnan(scores).any() or np.isposinf(scores).any():
            raise ValueError("a score is not a number, or infinite")
        if ((self.mated_ranks == 0) != (self.mated_scores == NO_CANDIDATE)).any() or (self.mated_ranks < 0).any():
            raise ValueError("a rank without a score, or a score without a rank")
        if (self.mated_scores > self.mated_top_scores).any():
            raise ValueError("a right person's score is above that of rank 1")
        people = np.concatenate([self.mated_people, self.nonmated_people])
        if people.size and not 0 <= people.min() <= people.max() < self.people:
            raise ValueError(f"the people of the probes are not numbers below {self.people}")

    def hit_scores(self, rank: int) -> Scores:
        """Return scores of the right people within the first `rank` candidates, `NO_CANDIDATE` elsewhere."""
        if rank < 1:
            raise ValueError(f"there is no rank {rank}")
        return np.where(self.mated_ranks <= rank, self.mated_scores, NO_CANDIDATE)


def reached(scores: Scores, threshold: float) -> NDArray[np.bool_]:
    """Say which scores reach a threshold; where there is no candidate nothing is reached."""
    return (scores >= threshold) & (scores > NO_CANDIDATE)


def fnir(searches: Searches, rank: int, threshold: float) -> Proportion:
    """Return FNIR(N, R, T): mated searches without the right person at a score >= T within the first R candidates."""
    hits = int(reached(searches.hit_scores(rank), threshold).sum())
    return Proportion(searches.mated_scores.size - hits, searches.mated_scores.size)


def fpir(searches: Searches, threshold: float) -> Proportion:
    """Return FPIR(N, T): non-mated searches with any candidate at a score >= T."""
    return Proportion(int(reached(searches.nonmated_scores, threshold).sum()), searches.nonmated_scores.size)


def misnamed(searches: Searches, threshold: float) -> Proportion:
    """Return the mated searches with somebody else at rank 1 at a score >= T; they are part of FNIR(N, 1, T)."""
    wrong = reached(searches.mated_top_scores, threshold) & (searches.mated_ranks != 1)
    return Proportion(int(wrong.sum()), searches.mated_scores.size)


def threshold_at(rate: float, scores: Scores, weights: Weights | None = None) -> float:
    """Return the lowest threshold at which no more than `rate` of non-mated searches are false positives.

    Parameters
    ----------
    rate : float
        FPIR, 0 to 1.
    scores : ndarray of shape (S,), float64
        Of the candidates at rank 1.
    weights : ndarray of shape (S,), int64, optional
        How often each search counts; once by default.

    Returns
    -------
    float
        The number that follows the highest score to be refused, as scores equal to a threshold reach it.
        `NO_THRESHOLD` where nothing needs to be refused; NaN without searches.
    """
    counts = np.ones(scores.shape, np.int64) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    return _threshold(rate, scores[order], counts[order])


def _threshold(rate: float, falling_scores: Scores, weights: Weights) -> float:
    reaching = weights.cumsum()
    if not reaching.size or not reaching[-1]:
        return math.nan
    first = int(np.searchsorted(reaching, rate * int(reaching[-1]) + _ROUNDING, side="right"))
    if first == reaching.size or falling_scores[first] == NO_CANDIDATE:
        return NO_THRESHOLD
    return float(np.nextafter(falling_scores[first], math.inf))


def searches_needed(rate: float) -> int:
    """Return how many non-mated searches can show an FPIR at all: one false positive in so many."""
    return math.ceil(1 / rate - _ROUNDING)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold, and the rates there.

    Attributes
    ----------
    threshold : float
    threshold_interval : Interval or None
        Where it would lie with other strangers; None if it was given rather than measured.
    fpir, fnir : Proportion
    fpir_interval, fnir_interval : Interval or None
        95 %, over people; None without searches.
    misnamed : Proportion
        See the function of this name.
    """

    threshold: float
    threshold_interval: Interval | None
    fpir: Proportion
    fpir_interval: Interval | None
    fnir: Proportion
    fnir_interval: Interval | None
    misnamed: Proportion


def point_at_threshold(searches: Searches, threshold: float, *, rank: int = 1) -> OperatingPoint:
    """Return the rates at a threshold that was given; the right person has to be within the first `rank`."""
    false_positive = reached(searches.nonmated_scores, threshold)
    missed = ~reached(searches.hit_scores(rank), threshold)
    return OperatingPoint(
        threshold=threshold,
        threshold_interval=None,
        fpir=fpir(searches, threshold),
        fpir_interval=rate_interval(false_positive, searches.nonmated_people, searches.people),
        fnir=fnir(searches, rank, threshold),
        fnir_interval=rate_interval(missed, searches.mated_people, searches.people),
        misnamed=misnamed(searches, threshold),
    )


def point_at_fpir(searches: Searches, rate: float) -> OperatingPoint | None:
    """Return the threshold for an FPIR, and FNIR(N, 1, T) there; None where the non-mated searches are too few.

    The intervals are over people of both kinds: with other strangers the threshold would be another, and FNIR with it.
    """
    if searches.nonmated_scores.size < searches_needed(rate):
        return None
    order = np.argsort(-searches.nonmated_scores, kind="stable")
    falling, falling_people = searches.nonmated_scores[order], searches.nonmated_people[order]
    threshold = _threshold(rate, falling, np.ones(falling.shape, np.int64))
    hits = searches.hit_scores(1)

    def threshold_of(weights: Weights) -> float:
        return _threshold(rate, falling, weights[falling_people])

    def fnir_of(weights: Weights) -> float:
        return _weighted_rate(~reached(hits, threshold_of(weights)), weights[searches.mated_people])

    fixed = point_at_threshold(searches, threshold)
    resampled = bootstrap_interval(fnir_of, searches.people)
    return replace(
        fixed,
        threshold_interval=bootstrap_interval(threshold_of, searches.people),
        fnir_interval=_joined(resampled, fixed.fnir, np.unique(searches.mated_people).size),
    )


def rate_interval(errors: NDArray[np.bool_], people_of: NDArray[np.intp], people: int) -> Interval | None:
    """Return the 95 % interval of a rate of errors, resampling people.

    Parameters
    ----------
    errors : ndarray of shape (N,), bool
    people_of : ndarray of shape (N,), intp
        Whose search each is.
    people : int

    Returns
    -------
    Interval or None
        None without searches. With few errors, or few successes, it covers Wilson's interval too, in which a person is
        one trial, as the searches of a person are not independent.
    """
    count = Proportion(int(errors.sum()), errors.size)
    resampled = bootstrap_interval(lambda weights: _weighted_rate(errors, weights[people_of]), people)
    return _joined(resampled, count, np.unique(people_of).size)


def _joined(resampled: Interval | None, errors: Proportion, people: int) -> Interval | None:
    """Return an interval of a rate of searches; nothing where there were none."""
    if errors.rate is None:
        return resampled
    return joined_interval(resampled, errors.rate, people, min(errors.count, errors.trials - errors.count))


def _weighted_rate(errors: NDArray[np.bool_], weights: Weights) -> float:
    trials = int(weights.sum())
    return float(weights[errors].sum()) / trials if trials else math.nan


def cmc(searches: Searches, max_rank: int) -> Scores:
    """Return the cumulative match characteristic: 1 - FNIR(N, R, no threshold) for R = 1 to `max_rank`.

    Returns
    -------
    ndarray of shape (max_rank,), float64
        NaN without mated searches.
    """
    ranks = searches.mated_ranks
    counts = np.bincount(np.clip(ranks, 0, max_rank + 1), minlength=max_rank + 2)[1 : max_rank + 1]
    return counts.cumsum() / ranks.size if ranks.size else np.full(max_rank, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """FPIR against FNIR(N, 1, T); arrays of shape (P,), float64, `thresholds` falling."""

    thresholds: Scores
    fpir: Scores
    fnir: Scores


def det_curve(searches: Searches) -> DetCurve:
    """Return both rates at every score at which one of them changes; empty unless there are searches of both kinds."""
    hits, false = searches.hit_scores(1), searches.nonmated_scores
    if not hits.size or not false.size:
        return DetCurve(np.empty(0), np.empty(0), np.empty(0))
    scores = np.unique(np.concatenate([hits, false]))
    thresholds = np.append(scores[scores > NO_CANDIDATE], math.inf)[::-1]
    return DetCurve(
        thresholds,
        fpir=_share_reaching(false, thresholds),
        fnir=1 - _share_reaching(hits, thresholds),
    )


def _share_reaching(scores: Scores, thresholds: Scores) -> Scores:
    return (scores.size - np.searchsorted(np.sort(scores), thresholds, side="left")) / scores.size
