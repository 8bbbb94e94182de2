"""False matches and false non-matches at every threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# A count compared with target x trials: the product strays from the true one by a few units in the last place.
_ROUNDING: Final = 1 + 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Below:
    """How many pairs of one kind score below each threshold, looked up where it is needed.

    Attributes
    ----------
    sums : ndarray of shape (N + 1,)
        How many (or what weight) the lowest 0, 1, 2 and so on pairs are.
    at : ndarray of shape (K,), intp
        How many of the pairs are below each threshold.
    """

    sums: NDArray[np.float64]
    at: NDArray[np.intp]

    @property
    def total(self) -> int:
        """All of them."""
        return int(self.sums[-1])

    def counts(self, indices: NDArray[np.intp] | slice = slice(None)) -> NDArray[np.float64]:
        """Return how many are below the thresholds at `indices`, by default at each; shape as `indices`."""
        return self.sums[self.at[indices]]


@dataclass(frozen=True, slots=True, eq=False)
class ErrorCurve:
    """The errors at every threshold that tells any two trials apart.

    Attributes
    ----------
    thresholds : ndarray of shape (K,), float64
        The scores that occur, ascending, and +inf, at which nothing matches.
    mated_below, non_mated_below : Below
        Pairs that do not match; those that failed to enrol always among them.
    """

    thresholds: NDArray[np.float64]
    mated_below: Below
    non_mated_below: Below

    @property
    def mated(self) -> int:
        """Mated pairs (or their weight) in all."""
        return self.mated_below.total

    @property
    def non_mated(self) -> int:
        """Non-mated pairs (or their weight) in all."""
        return self.non_mated_below.total

    @property
    def false_matches(self) -> NDArray[np.float64]:
        """Non-mated pairs that score at least the threshold, at each; shape (K,)."""
        return self.non_mated - self.non_mated_below.counts()

    @property
    def false_non_matches(self) -> NDArray[np.float64]:
        """Mated pairs below the threshold, at each; shape (K,)."""
        return self.mated_below.counts()

    @property
    def fmr(self) -> NDArray[np.float64]:
        """False match rate at each threshold; NaN without non-mated pairs."""
        return self.false_matches / self.non_mated if self.non_mated else np.full(self.thresholds.size, np.nan)

    @property
    def fnmr(self) -> NDArray[np.float64]:
        """False non-match rate at each threshold; NaN without mated pairs."""
        return self.false_non_matches / self.mated if self.mated else np.full(self.thresholds.size, np.nan)

    def thinned(self, count: int) -> NDArray[np.intp]:
        """Choose points to draw: even along the thresholds and the logarithm of the FMR, and where the FMR gets 0.

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
        along = first_at_most(self, np.append(0, np.geomspace(1 / self.non_mated, 1, half - 1)))
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
        self._order: list[NDArray[np.intp]] = []
        self._at: list[NDArray[np.intp]] = []
        for kind in (mated, ~mated):
            of_kind = np.flatnonzero(kind)
            order = of_kind[np.argsort(scores[of_kind], kind="stable")]
            self._order.append(order)
            self._at.append(np.searchsorted(scores[order], self._thresholds, side="left"))

    def curve(self, weights: NDArray[np.int64] | None = None) -> ErrorCurve:
        """Count errors, each pair as often as `weights`, of shape (N,), says; once by default."""
        mated, non_mated = (
            Below(_sums(order.size if weights is None else weights[order]), at)
            for order, at in zip(self._order, self._at, strict=True)
        )
        return ErrorCurve(self._thresholds, mated, non_mated)


def _sums(weights: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Sum weights up, or that many ones, from zero on."""
    if isinstance(weights, int):
        return np.arange(weights + 1, dtype=np.float64)
    return np.concatenate([[0.0], np.cumsum(weights)])


def first_at_most(curve: ErrorCurve, targets: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return, for each target, the index of the lowest threshold at which the FMR is no higher; shape as `targets`."""
    refused = curve.non_mated - targets * curve.non_mated * _ROUNDING  # at least as many must not match
    return _first(curve, lambda indices: curve.non_mated_below.counts(indices) >= refused, targets.size)


def _first(curve: ErrorCurve, holds: Callable[[NDArray[np.intp]], NDArray[np.bool_]], count: int) -> NDArray[np.intp]:
    """Bisect for the first threshold where something holds, for `count` questions at once; at the last it must."""
    low, high = np.zeros(count, np.intp), np.full(count, curve.thresholds.size - 1, np.intp)
    while (low < high).any():
        middle = (low + high) // 2
        true = holds(middle)
        low, high = np.where(true, low, middle + 1), np.where(true, middle, high)
    return high


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

    def excess(indices: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return FNMR - FMR, which never falls and is 1 at the end."""
        return curve.mated_below.counts(indices) / curve.mated - _fmr(curve, indices)

    after = _first(curve, lambda indices: excess(indices) >= 0, 1)
    beyond = float(excess(after)[0])
    if beyond == 0:
        return float(_fmr(curve, after)[0])
    if after[0] == 0:
        return None
    share = -excess(after - 1)[0] / (beyond - excess(after - 1)[0])
    start, end = _fmr(curve, after - 1)[0], _fmr(curve, after)[0]
    return float(start + share * (end - start))


def _fmr(curve: ErrorCurve, indices: NDArray[np.intp]) -> NDArray[np.float64]:
    return (curve.non_mated - curve.non_mated_below.counts(indices)) / curve.non_mated
