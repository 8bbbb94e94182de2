"""False matches and false non-matches at every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A count compared with target x trials: the product strays from the true one by a few units in the last place.
_ROUNDING: Final = 1 + 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """The errors at every threshold that tells any two trials apart.

    Attributes
    ----------
    thresholds : ndarray of shape (K,), float64
        The scores that occur, ascending, and +inf, at which nothing matches.
    false_matches : ndarray of shape (K,), float64
        Non-mated pairs that score at least the threshold; a sum of weights if the pairs are weighted.
    false_non_matches : ndarray of shape (K,), float64
        Mated pairs below it, those that failed to enrol always among them.
    mated, non_mated : int
        Pairs (or their weights) in all.
    """

    thresholds: NDArray[np.float64]
    false_matches: NDArray[np.float64]
    false_non_matches: NDArray[np.float64]
    mated: int
    non_mated: int

    @property
    def fmr(self) -> NDArray[np.float64]:
        """False match rate at each threshold; NaN without non-mated pairs."""
        return self.false_matches / self.non_mated if self.non_mated else np.full(self.thresholds.size, np.nan)

    @property
    def fnmr(self) -> NDArray[np.float64]:
        """False non-match rate at each threshold; NaN without mated pairs."""
        return self.false_non_matches / self.mated if self.mated else np.full(self.thresholds.size, np.nan)

    def thinned(self, count: int) -> NDArray[np.intp]:
        """Choose points to draw: even along the thresholds, and even along the logarithm of the FMR.

        Returns
        -------
        ndarray of shape (at most `count`,), intp
            Ascending, both ends among them.
        """
        size = self.thresholds.size
        if size <= count or not self.non_mated:
            return np.unique(np.linspace(0, size - 1, min(size, count)).round().astype(np.intp))
        half = count // 2
        even = np.linspace(0, size - 1, half).round().astype(np.intp)
        along = first_at_most(self, np.geomspace(1 / self.non_mated, 1, half))
        return np.unique(np.concatenate([even, along]))


class Tally:
    """Scores in order, so that error curves of any weights are quick to make.

    Parameters
    ----------
    scores : ndarray of shape (N,), float64
        -inf never matches.
    mated : ndarray of shape (N,), bool
    """

    def __init__(self, scores: NDArray[np.float64], mated: NDArray[np.bool_]) -> None:
        self._thresholds = np.append(np.unique(scores[scores > -np.inf]), np.inf)
        # Rank 0 is below every threshold; rank r matches at the first r of them.
        self._ranks = np.where(
            scores > -np.inf, np.searchsorted(self._thresholds, scores, side="left").astype(np.intp) + 1, 0
        )
        self._mated = mated

    def curve(self, weights: NDArray[np.int64] | None = None) -> ErrorCurve:
        """Count errors, each pair as often as `weights`, of shape (N,), says; once by default."""
        mated, non_mated = (self._below(kind, weights) for kind in (self._mated, ~self._mated))
        return ErrorCurve(
            self._thresholds, non_mated[-1] - non_mated[:-1], mated[:-1], int(mated[-1]), int(non_mated[-1])
        )

    def _below(self, kind: NDArray[np.bool_], weights: NDArray[np.int64] | None) -> NDArray[np.float64]:
        """Weights below each threshold, and in all; shape (K + 1,)."""
        counts = np.bincount(
            self._ranks[kind],
            weights=None if weights is None else weights[kind],
            minlength=self._thresholds.size + 1,
        )
        return np.asarray(np.cumsum(counts), np.float64)


def first_at_most(curve: ErrorCurve, targets: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return, for each target, the index of the lowest threshold at which the FMR is no higher; shape as `targets`."""
    allowed = targets * curve.non_mated * _ROUNDING
    # false_matches never rises, so its reverse is sorted.
    fitting = np.searchsorted(curve.false_matches[::-1], allowed, side="right")
    return np.asarray(curve.thresholds.size - fitting, np.intp)


def is_measurable(trials: int, rate: float) -> bool:
    """Say whether a rate this small can show in this many trials: one error would not exceed it."""
    return trials * rate * _ROUNDING >= 1


def equal_error_rate(curve: ErrorCurve) -> float | None:
    """Return the rate at which FMR and FNMR are equal, interpolated between thresholds.

    Returns
    -------
    float or None
        None where a class is empty, or where more mated pairs failed to enrol than there are false matches at any
        threshold: then the two never meet.
    """
    if not curve.mated or not curve.non_mated:
        return None
    fmr, fnmr = curve.fmr, curve.fnmr
    excess = fnmr - fmr  # never falls; 1 at the end
    after = int(np.searchsorted(excess, 0, side="left"))
    if excess[after] == 0:
        return float(fmr[after])
    if after == 0:
        return None
    share = -excess[after - 1] / (excess[after] - excess[after - 1])
    return float(fmr[after - 1] + share * (fmr[after] - fmr[after - 1]))
