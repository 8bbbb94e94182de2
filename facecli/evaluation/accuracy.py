"""Accuracy, as LFW defines it: over folds, each judged with a threshold that was chosen on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.evaluation.error_curve import ErrorCurve, Tally
from facecli.evaluation.verification import Trials

# Folds made of people who are compared with one another only may be this much larger than an even share.
UNEVEN: Final = 1.25


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How many pairs were judged right.

    Attributes
    ----------
    correct, trials : int
    threshold : float
        The score from which on a pair counts as mated.
    """

    correct: int
    trials: int
    threshold: float

    @property
    def value(self) -> float:
        """The share that was right."""
        return self.correct / self.trials


@dataclass(frozen=True, slots=True)
class FoldAccuracy:
    """Accuracy over folds.

    Attributes
    ----------
    names : tuple of str
    folds : tuple of Accuracy
        Each with the threshold that was best on the others.
    """

    names: tuple[str, ...]
    folds: tuple[Accuracy, ...]

    @property
    def mean(self) -> float:
        """Mean over folds."""
        return float(np.mean([fold.value for fold in self.folds]))

    @property
    def standard_error(self) -> float:
        """Standard error of the mean: the folds' sample standard deviation over the root of their number."""
        return float(np.std([fold.value for fold in self.folds], ddof=1) / np.sqrt(len(self.folds)))


def best_accuracy(curve: ErrorCurve) -> Accuracy | None:
    """Return the highest accuracy at any threshold, measured on the very pairs that chose it; None without pairs.

    Of several thresholds that are equally good, the middle one is taken.
    """
    trials = curve.mated + curve.non_mated
    if not trials:
        return None
    errors = curve.false_matches + curve.false_non_matches
    best = np.flatnonzero(errors == errors.min())
    at = best[best.size // 2]
    return Accuracy(int(trials - errors[at]), trials, float(curve.thresholds[at]))


def fold_accuracy(trials: Trials, folds: Sequence[str]) -> FoldAccuracy:
    """Judge every fold with the threshold that is best on the others.

    Parameters
    ----------
    trials : Trials
    folds : sequence of str
        The fold of each trial.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or not one for each trial.

    References
    ----------
    Huang, Ramesh, Berg and Learned-Miller (2007), Labeled Faces in the Wild, UMass Amherst technical report 07-49.
    """
    if len(folds) != len(trials):
        raise ValueError(f"{len(folds)} folds were given for {len(trials)} trials")
    names = tuple(dict.fromkeys(folds))
    if len(names) < 2:
        raise ValueError(f"accuracy over folds needs two of them, not {len(names)}")
    index = {name: at for at, name in enumerate(names)}
    fold_of = np.array([index[fold] for fold in folds])
    results = []
    for fold in range(len(names)):
        inside, outside = trials.subset(fold_of == fold), trials.subset(fold_of != fold)
        chosen = best_accuracy(Tally(outside.scores, outside.mated).curve())
        if chosen is None:  # cannot be: another fold has trials
            raise ValueError("there is nothing to choose a threshold on")
        right = ((inside.scores >= chosen.threshold) == inside.mated).sum()
        results.append(Accuracy(int(right), len(inside), chosen.threshold))
    return FoldAccuracy(names, tuple(results))


def assign_folds(trials: Trials, count: int) -> tuple[tuple[str, ...], bool]:
    """Deal trials into folds of about as many mated and non-mated pairs each, the same on every call.

    People who are compared with one another stay in one fold, so that no threshold is chosen on somebody it is judged
    on. Where non-mated pairs tie nearly everybody together that would leave one huge fold; then all pairs of one first
    person stay together, and a second person may be in two folds.

    Parameters
    ----------
    trials : Trials
    count : int
        Two or more.

    Returns
    -------
    folds : tuple of str
        The fold of each trial: "1", "2" and so on, in the order in which they appear.
    disjoint : bool
        No person is in two folds.

    Raises
    ------
    ValueError
        If there are not enough people for as many folds.
    """
    people, person_a, person_b = trials.renumbered()
    tied = _tied_together(people, person_a, person_b)[person_a]
    sizes = np.bincount(tied)
    disjoint = bool(np.count_nonzero(sizes) >= count and sizes.max() <= UNEVEN * len(trials) / count)
    units, unit_of = np.unique(tied if disjoint else person_a, return_inverse=True)
    if count < 2 or units.size < count:
        raise ValueError(f"{units.size} people who can be told apart do not make {count} folds")
    # What part of all mated, of all non-mated and of all pairs each unit brings.
    parts = np.zeros((units.size, 3))
    for column, kind in enumerate((trials.mated, ~trials.mated)):
        parts[:, column] = np.bincount(unit_of[kind], minlength=units.size) / max(kind.sum(), 1)
    parts[:, 2] = np.bincount(unit_of, minlength=units.size) / len(trials)
    loads = np.zeros((count, 3))
    fold_of_unit = np.zeros(units.size, np.intp)
    for unit in np.argsort(
        -parts.sum(1), kind="stable"
    ):  # the largest first, each where it evens out most: first into empty folds
        fold = int(np.argmin(((loads + parts[unit]) ** 2 - loads**2).sum(1)))
        fold_of_unit[unit] = fold
        loads[fold] += parts[unit]
    folds = fold_of_unit[unit_of].tolist()
    names = {fold: str(at) for at, fold in enumerate(dict.fromkeys(folds), start=1)}
    return tuple(names[fold] for fold in folds), disjoint


def _tied_together(people: int, person_a: NDArray[np.intp], person_b: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each person the lowest number among those they are compared with, directly or through others."""
    leader = np.arange(people)
    while True:
        low = np.minimum(leader[person_a], leader[person_b])
        after = leader.copy()
        for person in (person_a, person_b):
            np.minimum.at(after, person, low)
            np.minimum.at(after, leader[person], low)
        after = after[after]
        if (after == leader).all():
            return leader
        leader = after
