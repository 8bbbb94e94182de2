"""Which scores say what about two photos of a gallery."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.decide.calibration import Calibration
from facecli.decide.outliers import AGREEMENT_SHARE
from facecli.scores import SCORE_GRID, DoubleArray

# Measured on lfw_view1 and held against legislators by tests/bench/bench_check.py; see tests/bench/RESULTS.md.
FALSE_ALARMS: Final = 0.3
"""Pairs of strangers that are taken for one person, expected in a whole gallery."""

ALARM_SHARE: Final = 5e-4
"""And for each template of a small one, as enrolment has it for a photo (two templates are one pair)."""

COPY_MATED_SHARE: Final = 0.01
"""Photos are taken for copies from a score on that so many pairs of different photographs of one person reach."""


class Limits:
    """Scores that part people from strangers and photos from copies, in one gallery.

    Parameters
    ----------
    calibration : Calibration
        Of the gallery as it is.
    sizes : ndarray of int64
        How many templates each person has.
    """

    def __init__(self, calibration: Calibration, sizes: NDArray[np.int64]) -> None:
        self._calibration = calibration
        count = float(sizes.sum())
        self.pairs = (count**2 - float((sizes.astype(np.float64) ** 2).sum())) / 2
        self._alarms = min(FALSE_ALARMS, ALARM_SHARE * count)

    @cached_property
    def same_person(self) -> float:
        """Least score of a pair that is taken for one person."""
        reaching = self.expected_pairs(SCORE_GRID) > self._alarms
        return float(SCORE_GRID[min(int(reaching.sum()), len(SCORE_GRID) - 1)])

    @cached_property
    def agreement(self) -> float:
        """Least score at which two photos under one name agree."""
        return self._calibration.distribution.score_at(AGREEMENT_SHARE)

    @cached_property
    def copy(self) -> float:
        """Least score at which two photos are taken for copies of one."""
        shares, scores = self._calibration.distribution.mated.T
        return float(np.interp(1 - COPY_MATED_SHARE, shares, scores))

    def score_of_links(self, count: float) -> float:
        """Return the score that a template is expected to reach with so many strangers of the gallery."""
        found = self._calibration.expected_false_positives(SCORE_GRID)
        return float(SCORE_GRID[min(int((found > count).sum()), len(SCORE_GRID) - 1)])

    def fmr(self, score: float) -> float:
        """Share of pairs of different people, such as this gallery's, that reach a score."""
        found = self._calibration.expected_false_positives(np.array(score)) / self._calibration.template_count
        return float(-np.expm1(-found))

    def expected_pairs(self, scores: DoubleArray) -> DoubleArray:
        """How many pairs of strangers in this gallery are expected to reach a score; any shape."""
        found = self._calibration.expected_false_positives(scores) / self._calibration.template_count
        return np.asarray(-self.pairs * np.expm1(-found))
