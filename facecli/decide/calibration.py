"""From a false positive rate to a threshold, for one gallery: the error-rate contract.

A search among T templates names a stranger if any template reaches the threshold. If one template does with
probability S(t), T of them do with 1 - (1 - S(t))^T. S is known twice: from the model's own pairs of different people
(`ScoreDistribution`, hundreds of thousands of pairs, but of other people), and from the gallery itself, where each
person searched among all others is a stranger's search (`StrangerSearches`, the right faces, but few).

Sets of people differ by a shift: the quantiles of two sets lie the same distance apart from the middle to one pair in
100,000. So one number is estimated, how far this gallery's scores lie above the model's. Before the gallery is asked
it is normal around 0; the highest scores of its own searches, each censored below a level, make it sharper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import ConfigError
from facecli.scores import SCORE_GRID, DoubleArray, ScoreDistribution

# How far the shift strays, as standard deviations in units of the tail's scale (a step of 1 multiplies the rate by e).
# `models/measure` holds what follows from them against galleries drawn at random.
SET_SPREAD: Final = 1.0
"""Between sets of people and photos. lfw_view1 and legislators lie 0.65 apart; among legislators women lie 0.95 above
everybody, and African Americans 1.75: a gallery may be of one family or group."""

PERSON_SPREAD: Final = 1.25
"""Between people, for a gallery of one; it falls with the square root of their number."""

STRANGER_SPREAD: Final = 0.25
"""Strangers are not photographed as the people enrolled were, so their searches stray from the gallery's own."""

# Searches of a gallery's own people come in pairs (each is the other's nearest) and share templates: 100 of them tell
# about as much as 60 of strangers.
INDEPENDENT_SHARE: Final = 0.6

# Searches whose best score is this high count in full, the others only as "below". In expected false positives a
# search: the top 1 - 1/e of the searches of a small gallery, the top 10 % of a large one, whose tail speaks for itself.
MAX_LEVEL: Final = 1.0
MIN_LEVEL: Final = 0.1
SEARCHES_WANTED: Final = 50

# Fewer pairs or searches than this beyond the threshold support no rate: a count of 10 is known to +-60 %.
LEAST_SUPPORT: Final = 10

# A score that the whole sample of searches would give with less than this probability is no stranger's: more likely the
# same person is enrolled under two names.
SAME_PERSON_CHANCE: Final = 0.01

CONFIDENCE: Final = 0.95
_NORMAL: Final = NormalDist()
# The middles of 41 equally likely parts of a normal distribution.
_NODES: Final = np.array([_NORMAL.inv_cdf((i + 0.5) / 41) for i in range(41)])


@dataclass(frozen=True, slots=True, eq=False)
class StrangerSearches:
    """Searches of enrolled people among everybody else: what a stranger's search in this gallery gives.

    Attributes
    ----------
    scores : ndarray of shape (n,), float64
        The best score of each search.
    compared : ndarray of shape (n,), int64
        With how many templates.
    """

    scores: DoubleArray
    compared: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """A threshold and what it promises.

    Attributes
    ----------
    threshold : float
        Least cosine similarity for a name.
    fpir : float
        Target: share of strangers' searches that give a name.
    low, high : float
        95 % interval of that share at `threshold`, for this gallery.
    supported : bool
        Whether the evidence reaches so far. If not, `threshold` is the conservative one, at which `high` is the target.
    """

    threshold: float
    fpir: float
    low: float
    high: float
    supported: bool


class Calibration:
    """What is known about a gallery's false positives.

    Parameters
    ----------
    distribution : ScoreDistribution
        Of the model.
    template_count : int
        Templates that a search is compared with.
    person_count : int
    searches : StrangerSearches, optional
        The gallery's own; None for what the model alone says.
    """

    def __init__(
        self,
        distribution: ScoreDistribution,
        template_count: int,
        person_count: int,
        searches: StrangerSearches | None = None,
    ) -> None:
        self.distribution = distribution
        self.template_count = template_count
        self.person_count = person_count
        share = np.minimum(np.exp(distribution.log_share_above(SCORE_GRID)), 1 - 1e-12)
        # Expected false positives of one comparison: rates of independent comparisons add up on this scale.
        self._expected = -np.log1p(-share)
        self.suspects = self._suspects(searches)
        self.search_count = 0
        unit = distribution.tail.scale
        self.shift, spread = 0.0, unit * math.hypot(SET_SPREAD, PERSON_SPREAD / math.sqrt(max(person_count, 1)))
        if searches is not None and len(searches.scores):
            kept = ~np.isin(np.arange(len(searches.scores)), self.suspects)
            self.search_count = int(kept.sum())
            if self.search_count:
                self.shift, spread = self._posterior(searches.scores[kept], searches.compared[kept], spread)
        self.shift_spread = math.hypot(spread, unit * STRANGER_SPREAD)

    def _suspects(self, searches: StrangerSearches | None) -> NDArray[np.intp]:
        """Find searches that gave what no stranger's search gives: indices, the most suspicious first."""
        if searches is None or not len(searches.scores):
            return np.empty(0, np.intp)
        expected = searches.compared * np.interp(searches.scores, SCORE_GRID, self._expected)
        limit = SAME_PERSON_CHANCE / len(searches.scores)
        return np.argsort(expected)[: int((expected < limit).sum())]

    def _posterior(self, scores: DoubleArray, compared: NDArray[np.int64], prior_spread: float) -> tuple[float, float]:
        """Mean and standard deviation of the shift, given the gallery's own searches.

        The best of n comparisons is below s with probability exp(-n * expected(s - shift)).
        """
        level = min(max(SEARCHES_WANTED / max(len(scores), 1), MIN_LEVEL), MAX_LEVEL)
        # The score that so many of the gallery's searches reach of which `level` is expected: below it a search only
        # counts as being below.
        starts = np.full(len(scores), np.quantile(scores, math.exp(-level)))
        seen = scores >= starts
        # Searches below their level differ only in how many templates they were compared with.
        below, times = np.unique(np.column_stack([starts, compared])[~seen], axis=0, return_counts=True)
        bounds = np.concatenate([scores[seen], below[:, 0]])
        exposed = np.concatenate([compared[seen], below[:, 1] * times])
        log_expected = np.log(self._expected)
        log_density = log_expected + np.log(np.maximum(-np.gradient(log_expected, SCORE_GRID), 1e-9))
        mean, spread = 0.0, prior_spread
        # The second round looks where the first one pointed, ten times closer if that is where it is sharp.
        for _ in range(2):
            shifts = mean + spread * np.linspace(-5, 5, 101)
            fit = np.array(
                [
                    np.interp(scores[seen] - shift, SCORE_GRID, log_density).sum()
                    - exposed @ np.exp(np.interp(bounds - shift, SCORE_GRID, log_expected))
                    for shift in shifts
                ]
            )
            log_weight = INDEPENDENT_SHARE * fit - 0.5 * (shifts / prior_spread) ** 2
            weight = np.exp(log_weight - log_weight.max())
            weight /= weight.sum()
            mean = float(weight @ shifts)
            spread = max(math.sqrt(float(weight @ (shifts - mean) ** 2)), 1e-6)
        return mean, spread

    def expected_false_positives(self, scores: DoubleArray, shift: float | None = None) -> DoubleArray:
        """How many templates a stranger's search is expected to reach a score with; any shape.

        Parameters
        ----------
        scores : ndarray, float64
        shift : float, optional
            By default the most likely one.
        """
        moved = np.asarray(scores, np.float64) - (self.shift if shift is None else shift)
        return np.asarray(self.template_count * np.interp(moved, SCORE_GRID, self._expected))

    def fpir(self, threshold: float) -> float:
        """Share of strangers' searches expected to give a name at a threshold."""
        return float(np.interp(threshold, SCORE_GRID, self._mean_fpir))

    def interval(self, threshold: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Interval of that share for this gallery; both ends."""
        reach = _NORMAL.inv_cdf(0.5 + confidence / 2) * self.shift_spread
        low, high = (
            -math.expm1(-float(self.expected_false_positives(np.array(threshold), self.shift + side)))
            for side in (-reach, reach)
        )
        return low, high

    def choose(self, fpir: float) -> ThresholdChoice:
        """Pick the least threshold at which the share of strangers named is the one asked for.

        Where the evidence does not reach so far, the threshold is the one at which even the upper end of the interval
        is what was asked for.

        Raises
        ------
        ConfigError
            If the rate is not between 0 and 1.
        """
        if not 0 < fpir < 1:
            raise ConfigError(f"a false positive rate of {fpir} cannot be met", hint="Give one between 0 and 1.")
        threshold = _first_at_most(self._mean_fpir, fpir)
        supported = float(self._support(np.array(threshold))) >= LEAST_SUPPORT
        if not supported:
            reach = _NORMAL.inv_cdf(0.5 + CONFIDENCE / 2) * self.shift_spread
            highest = -np.expm1(-self.expected_false_positives(SCORE_GRID, self.shift + reach))
            threshold = _first_at_most(highest, fpir)
        low, high = self.interval(threshold)
        return ThresholdChoice(threshold, fpir, low, high, supported)

    @cached_property
    def supported_fpir(self) -> float:
        """The least rate that the evidence supports."""
        reaching = np.flatnonzero(self._support(SCORE_GRID) >= LEAST_SUPPORT)
        return float(self._mean_fpir[reaching[-1]]) if len(reaching) else 1.0

    def _support(self, thresholds: DoubleArray) -> DoubleArray:
        """How many pairs of the model's set, and searches of the gallery, are expected beyond thresholds."""
        shares = np.exp(self.distribution.log_share_above(thresholds - self.shift))
        fpir = np.interp(thresholds, SCORE_GRID, self._mean_fpir)
        return np.asarray(self.distribution.non_mated_pairs * shares + self.search_count * fpir)

    @cached_property
    def _mean_fpir(self) -> DoubleArray:
        """Expected FPIR at each score of `SCORE_GRID`, the shift's uncertainty included."""
        shifts = self.shift + self.shift_spread * _NODES
        rates = [-np.expm1(-self.expected_false_positives(SCORE_GRID, float(shift))) for shift in shifts]
        return np.asarray(np.mean(rates, axis=0))

    def probability(self, score: float) -> float:
        """Probability that the nearest person is the right one, if half of all faces searched are of people enrolled.

        Of 100 such answers with this probability so many are right. Where fewer of the faces are of people enrolled,
        fewer are; where more, more.
        """
        intercept, slope = self.distribution.probability
        expected = max(float(self.expected_false_positives(np.array(score))), 1e-300)
        return 1.0 / (1.0 + math.exp(-min(max(intercept - slope * math.log(expected), -700.0), 700.0)))


def _first_at_most(falling: DoubleArray, rate: float) -> float:
    """Return the least score of `SCORE_GRID` at which a falling curve is at most `rate`."""
    place = int(np.searchsorted(-falling, -rate))
    # Above 1 nobody is named: the cosine of two unit vectors may exceed 1 by rounding.
    return float(SCORE_GRID[place]) if place < len(SCORE_GRID) else 1.01
