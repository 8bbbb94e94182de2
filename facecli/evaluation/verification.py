"""Verification (1:1): from scores of pairs to error rates, the thresholds they hold at, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.bootstrap import REPLICATES, pair_weights, percentile_interval, resampled_people
from facecli.evaluation.error_curve import ErrorCurve, Tally, equal_error_rate, first_at_most, is_measurable
from facecli.evaluation.proportions import Interval, joined_interval

TARGET_FMRS: Final = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Comparisons whose answers are known.

    Attributes
    ----------
    scores : ndarray of shape (N,), float64
        Higher is closer. -inf where a photo failed to enrol: then the pair is never a match, at any threshold.
    mated : ndarray of shape (N,), bool
        Both photos show one person.
    person_a, person_b : ndarray of shape (N,), intp
        Who they show, as any numbers of zero or more.
    """

    scores: NDArray[np.float64]
    mated: NDArray[np.bool_]
    person_a: NDArray[np.intp]
    person_b: NDArray[np.intp]

    def __post_init__(self) -> None:
        shapes = {each.shape for each in (self.scores, self.mated, self.person_a, self.person_b)}
        if shapes != {(self.scores.size,)}:
            raise ValueError(f"scores, answers and people do not go together: shapes {sorted(shapes)}")
        if np.isnan(self.scores).any() or np.isposinf(self.scores).any():
            raise ValueError("a score is not a number, or infinitely high")

    def __len__(self) -> int:
        return int(self.scores.size)

    @property
    def people(self) -> int:
        """How many people appear."""
        return int(np.unique(np.concatenate([self.person_a, self.person_b])).size)

    def subset(self, chosen: NDArray[np.bool_]) -> Trials:
        """Return the trials where `chosen`, of shape (N,), is true."""
        return Trials(self.scores[chosen], self.mated[chosen], self.person_a[chosen], self.person_b[chosen])

    def renumbered(self) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
        """Return the number of people, and `person_a` and `person_b` as indices below it."""
        everybody, indices = np.unique(np.concatenate([self.person_a, self.person_b]), return_inverse=True)
        return everybody.size, indices[: len(self)], indices[len(self) :]


@dataclass(frozen=True, slots=True)
class Rate:
    """An error rate with the trials behind it.

    Attributes
    ----------
    count, trials : int
    interval : Interval or None
        95 %, over people; None without trials, and for the rate that a threshold was chosen to keep.
    """

    count: int
    trials: int
    interval: Interval | None = None

    @property
    def value(self) -> float | None:
        """The rate, None without trials."""
        return self.count / self.trials if self.trials else None


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The errors at one threshold.

    Attributes
    ----------
    target_fmr : float
        The FMR that the threshold was chosen to keep.
    threshold : float or None
        The lowest score that keeps it: a pair matches at this score and above. None where that cannot be measured.
    fmr, fnmr : Rate or None
    reason : str
        Why there is nothing.
    """

    target_fmr: float
    threshold: float | None
    fmr: Rate | None
    fnmr: Rate | None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationRates:
    """What `measure` finds.

    Attributes
    ----------
    curve : ErrorCurve
        At every score that occurs.
    points : tuple of OperatingPoint
        One for each target FMR.
    eer : float or None
        Equal error rate, interpolated; None where the two rates never meet.
    eer_interval : Interval or None
        95 %, over people.
    det_index : ndarray of shape (K,), intp
        Points of `curve` to draw.
    det_low, det_high : ndarray of shape (K,), float64
        95 % band of the FNMR at the FMR of each.
    """

    curve: ErrorCurve
    points: tuple[OperatingPoint, ...]
    eer: float | None
    eer_interval: Interval | None
    det_index: NDArray[np.intp]
    det_low: NDArray[np.float64]
    det_high: NDArray[np.float64]


def measure(
    trials: Trials, *, targets: tuple[float, ...] = TARGET_FMRS, replicates: int = REPLICATES, det_points: int = 200
) -> VerificationRates:
    """Measure error rates over all thresholds.

    Parameters
    ----------
    trials : Trials
    targets : tuple of float
        False match rates to state the FNMR at. One that is too small for the number of non-mated trials
        (fewer than 1 / target) gets a reason instead.
    replicates : int
        Draws of the bootstrap over people.
    det_points : int
        At most about as many points are chosen for drawing.
    """
    tally = Tally(trials.scores, trials.mated)
    curve = tally.curve()
    measurable = [target for target in targets if _missing(curve, target) == ""]
    det_index = curve.thinned(det_points)
    det_fmr = curve.fmr[det_index]
    wanted = np.array([*measurable, *det_fmr])
    people, person_a, person_b = trials.renumbered()
    eers: list[float] = []
    fnmrs: list[NDArray[np.float64]] = []  # at the targets, then at the points to draw
    for weights in resampled_people(people, replicates=replicates if curve.mated and curve.non_mated else 0):
        drawn = tally.curve(pair_weights(weights, person_a, person_b))
        eer = equal_error_rate(drawn)
        eers.append(np.nan if eer is None else eer)
        missed = drawn.mated_below.counts(first_at_most(drawn, wanted))
        fnmrs.append(missed / drawn.mated if drawn.mated and drawn.non_mated else np.full(wanted.size, np.nan))
    columns = np.array(fnmrs).reshape(-1, len(measurable) + det_index.size)
    intervals = [percentile_interval(column) for column in columns.T]
    band = intervals[len(measurable) :]
    return VerificationRates(
        curve,
        tuple(_point(trials, curve, target, dict(zip(measurable, intervals, strict=False))) for target in targets),
        equal_error_rate(curve),
        percentile_interval(eers),
        det_index,
        np.array([np.nan if each is None else each.low for each in band]),
        np.array([np.nan if each is None else each.high for each in band]),
    )


def rates_at(trials: Trials, threshold: float, *, replicates: int = REPLICATES) -> tuple[Rate, Rate]:
    """Return FMR and FNMR at a threshold that was chosen elsewhere."""
    matched = (trials.scores >= threshold) & (trials.scores > -np.inf)
    people, person_a, person_b = trials.renumbered()
    kinds, wrong = (~trials.mated, trials.mated), (matched, ~matched)
    drawn_rates: tuple[list[float], list[float]] = ([], [])
    sides = [(person_a[kind], person_b[kind], error[kind]) for kind, error in zip(kinds, wrong, strict=True)]
    for weights in resampled_people(people, replicates=replicates):
        for (first, second, error), rates in zip(sides, drawn_rates, strict=True):
            weight = pair_weights(weights, first, second)
            total = weight.sum()
            rates.append(float(weight @ error / total) if total else np.nan)
    fmr, fnmr = (
        _rate(trials, kind, int(error.sum()), percentile_interval(rates))
        for kind, (_, _, error), rates in zip(kinds, sides, drawn_rates, strict=True)
    )
    return fmr, fnmr


def _missing(curve: ErrorCurve, target: float) -> str:
    """Say why the FNMR at a target FMR cannot be measured; empty if it can."""
    if not curve.mated:
        return "there are no mated pairs"
    if not is_measurable(curve.non_mated, target):
        return f"{curve.non_mated} non-mated pairs; it takes {round(1 / target)}"
    return ""


def _point(trials: Trials, curve: ErrorCurve, target: float, intervals: dict[float, Interval | None]) -> OperatingPoint:
    reason = _missing(curve, target)
    if reason:
        return OperatingPoint(target, None, None, None, reason)
    at = int(first_at_most(curve, np.array([target]))[0])
    threshold = float(curve.thresholds[at])
    return OperatingPoint(
        target,
        threshold,
        Rate(int(curve.false_matches[at]), curve.non_mated),
        _rate(trials, trials.mated, int(curve.false_non_matches[at]), intervals[target]),
    )


def _rate(trials: Trials, kind: NDArray[np.bool_], count: int, bootstrap: Interval | None) -> Rate:
    """Join the bootstrap interval with Wilson's, over people, where few errors or few successes were seen."""
    total = int(kind.sum())
    if not total:
        return Rate(0, 0)
    effective = min(total, trials.subset(kind).people)
    return Rate(count, total, joined_interval(bootstrap, count / total, effective, min(count, total - count)))
