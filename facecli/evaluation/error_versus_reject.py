"""Is a quality worth its name: how the errors fall as the comparisons of the worst quality are rejected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.error_curve import Tally, first_at_most, is_measurable

# Who rejects more than this wants other photos, not a quality measure.
MAX_SHARE: Final = 0.2

DEFAULT_FMR: Final = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class RejectCurve:
    """The false non-matches left when the mated comparisons of the lowest quality are rejected.

    Comparisons of one quality leave together, in an order that quality does not give: within them the errors fall in
    proportion, as they do on average over all orders.

    Attributes
    ----------
    shares : ndarray of shape (K,), float64
        Share of the comparisons rejected once all of the lowest 0, 1, 2 and so on qualities are; from 0 to 1.
    errors : ndarray of shape (K,), float64
        False non-matches left then, as a share of all comparisons before any was rejected; from the FNMR to 0.

    References
    ----------
    Grother and Tabassi (2007), IEEE TPAMI 29(4), 531-543; ISO/IEC 29794-1:2024, error versus discard characteristic.
    """

    shares: NDArray[np.float64]
    errors: NDArray[np.float64]

    @property
    def fnmr(self) -> float:
        """False non-match rate before anything is rejected: a rejection at random leaves it as it is."""
        return float(self.errors[0])

    def fnmr_at(self, share: float) -> float:
        """Return the FNMR of the comparisons left when this share, in [0, 1), is rejected."""
        if not 0 <= share < 1:
            raise ValueError(f"a share of {share} leaves nothing to compare")
        return float(np.interp(share, self.shares, self.errors)) / (1 - share)

    def ideal_fnmr_at(self, share: float) -> float:
        """Return the FNMR if every comparison rejected were a false non-match: FNMR - share, of those left."""
        return max(self.fnmr - share, 0.0) / (1 - share)

    def area(self, up_to: float = MAX_SHARE) -> float:
        """Return the area below the curve from 0 to a share less than 1; lower is better."""
        return _area(self.shares, self.errors, up_to)

    def ideal_area(self, up_to: float = MAX_SHARE) -> float:
        """Return the least area that any order of these comparisons has."""
        return _area(np.array([0.0, self.fnmr, 1.0]), np.array([self.fnmr, 0.0, 0.0]), up_to)

    def random_area(self, up_to: float = MAX_SHARE) -> float:
        """Return the area that rejecting at random has on average."""
        return self.fnmr * up_to

    def gain(self, up_to: float = MAX_SHARE) -> float:
        """Return how far the area has come from the random to the ideal one.

        Returns
        -------
        float
            1 where only errors are rejected, 0 where as many as at random, negative where fewer; NaN without errors.
        """
        random, ideal = self.random_area(up_to), self.ideal_area(up_to)
        return (random - self.area(up_to)) / (random - ideal) if random > ideal else float("nan")


def reject_curve(
    missed: NDArray[np.bool_], quality: NDArray[np.float64], weights: NDArray[np.int64] | None = None
) -> RejectCurve:
    """Reject mated comparisons from the lowest quality on.

    Parameters
    ----------
    missed : ndarray of shape (N,), bool
        False non-matches, failures to enrol among them.
    quality : ndarray of shape (N,), float64
        Of each comparison: the lower of its two photos'. Higher is better; any scale.
    weights : ndarray of shape (N,), int64, optional
        How often each counts, as in a bootstrap; once by default.

    Raises
    ------
    ValueError
        If there is nothing to compare, the shapes differ, or a quality is not a number.
    """
    if missed.shape != quality.shape or missed.ndim != 1:
        raise ValueError(f"answers of shape {missed.shape} and qualities of shape {quality.shape} do not go together")
    if np.isnan(quality).any():
        raise ValueError("a quality is not a number")
    each = np.ones(missed.size) if weights is None else weights.astype(np.float64)
    total = float(each.sum())
    if total <= 0:
        raise ValueError("there are no mated comparisons")
    levels, level = np.unique(quality, return_inverse=True)
    rejected = np.bincount(level, each, levels.size).cumsum() / total
    errors = np.bincount(level, each * missed, levels.size).cumsum() / total
    rejected[-1] = 1.0  # what rounding may have left open
    return RejectCurve(np.concatenate([[0.0], rejected]), errors[-1] - np.concatenate([[0.0], errors]))


def error_versus_reject(
    scores: NDArray[np.float64], mated: NDArray[np.bool_], quality: NDArray[np.float64], *, fmr: float = DEFAULT_FMR
) -> tuple[RejectCurve, float]:
    """Set a threshold once, on all comparisons, and reject mated ones from the lowest quality on.

    Parameters
    ----------
    scores : ndarray of shape (N,), float64
        Higher is closer; -inf where a photo failed to enrol.
    mated : ndarray of shape (N,), bool
    quality : ndarray of shape (N,), float64
        See `reject_curve`; that of non-mated comparisons does not count.
    fmr : float
        The threshold is the lowest at which the false match rate is no higher.

    Returns
    -------
    tuple of RejectCurve and float
        And the threshold.

    Raises
    ------
    ValueError
        If there are too few non-mated comparisons to show such a rate, or no mated ones.
    """
    if not is_measurable(int(np.sum(~mated)), fmr):
        raise ValueError(f"{int(np.sum(~mated))} non-mated comparisons cannot show a false match rate of {fmr:g}")
    curve = Tally(scores, mated).curve()
    threshold = float(curve.thresholds[first_at_most(curve, np.array([fmr]))[0]])
    return reject_curve(scores[mated] < threshold, quality[mated]), threshold


def _area(shares: NDArray[np.float64], errors: NDArray[np.float64], up_to: float) -> float:
    """Integrate errors / (1 - share), the errors being straight between the points, from 0 to `up_to`."""
    if not 0 < up_to < 1:
        raise ValueError(f"an area up to a share of {up_to} cannot be measured")
    inside = shares < up_to
    x = np.append(shares[inside], up_to)
    y = np.append(errors[inside], np.interp(up_to, shares, errors))
    steps = np.diff(x)
    slope = np.divide(np.diff(y), steps, out=np.zeros(steps.size), where=steps > 0)
    # (a + b x) / (1 - x) has the integral -b x - (a + b) log(1 - x).
    height = y[:-1] - slope * x[:-1] + slope
    return float((-slope * steps - height * np.diff(np.log1p(-x))).sum())
