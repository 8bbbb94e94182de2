"""Error rates of groups of pairs at one threshold: whether some people are served worse than others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from facecli.evaluation.bootstrap import REPLICATES
from facecli.evaluation.verification import Rate, Trials, rates_at

# A column of this many different values names groups; with fewer there is nothing to compare. With more, or hardly a
# value twice, it is a number or an identifier.
MIN_GROUPS: Final = 2
MAX_GROUPS: Final = 50

# Chosen, not measured: one trial more or less must not move a rate by more than a point, and a rate that may as well be
# ten points off is no ground to compare groups on.
MIN_TRIALS: Final = 100
MAX_WIDTH: Final = 0.1

TOO_SMALL: Final = (
    f"A rate of fewer than {MIN_TRIALS} trials, or with an interval wider than {MAX_WIDTH:g}, says little about a group"
)


@dataclass(frozen=True, slots=True)
class GroupRates:
    """The errors in one group, at a threshold that holds for all.

    Attributes
    ----------
    value : str
        What the group has in common.
    people, mated, non_mated : int
    fmr, fnmr : Rate
        With 95 % intervals over the people of the group.
    doubts : tuple of str
        Why the rates say little; empty where they do not.
    """

    value: str
    people: int
    mated: int
    non_mated: int
    fmr: Rate
    fnmr: Rate
    doubts: tuple[str, ...]


def names_groups(values: Sequence[str]) -> bool:
    """Say whether a column holds groups: 2 to 50 different values, each twice on average."""
    return MIN_GROUPS <= len(set(values)) <= min(MAX_GROUPS, len(values) / 2)


def group_rates(
    trials: Trials, values: Sequence[str], threshold: float, *, replicates: int = REPLICATES
) -> tuple[GroupRates, ...]:
    """Measure each group at one threshold.

    Parameters
    ----------
    trials : Trials
    values : sequence of str
        The group of each trial.
    threshold : float
        The same for all groups, as a user would set it.

    Returns
    -------
    tuple of GroupRates
        The largest group first; of equal ones, in the order of their names.

    Raises
    ------
    ValueError
        If there is not one value for each trial.
    """
    if len(values) != len(trials):
        raise ValueError(f"{len(values)} groups were given for {len(trials)} trials")
    column = np.array(values, dtype=object)
    counts = Counter(values)
    results = []
    for value in sorted(counts, key=lambda value: (-counts[value], value)):
        members = trials.subset(np.asarray(column == value, np.bool_))
        fmr, fnmr = rates_at(members, threshold, replicates=replicates)
        doubts = (*_doubts("mated", fnmr), *_doubts("non-mated", fmr))
        results.append(GroupRates(value, members.people, fnmr.trials, fmr.trials, fmr, fnmr, doubts))
    return tuple(results)


def _doubts(kind: str, rate: Rate) -> tuple[str, ...]:
    if rate.trials < MIN_TRIALS:
        few = f"only {rate.trials}" if rate.trials else "no"
        return (f"{few} {kind} {'pair' if rate.trials == 1 else 'pairs'}",)
    if rate.interval is not None and rate.interval.width > MAX_WIDTH:
        name = "FNMR" if kind == "mated" else "FMR"
        return (f"{name} known to within {rate.interval.width:.2f} only",)
    return ()
