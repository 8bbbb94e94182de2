"""How well an embedder tells people apart: its figures on both sets, and those of groups of people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from methods import Measured, Method
from numpy.typing import NDArray
from photosets import PhotoSet
from rates import PairRates, draws, search
from wording import DASH, marked_few, percent, rate_at

from facecli.evaluation.accuracy import assign_folds, best_accuracy, fold_accuracy
from facecli.evaluation.bootstrap import percentile_interval
from facecli.evaluation.error_curve import Tally
from facecli.evaluation.proportions import FEW, Interval, joined_interval, wilson_interval
from facecli.evaluation.verification import Trials
from facecli.scores import ScoreDistribution

Array = NDArray[np.float64]

FMRS = (1e-2, 1e-3, 1e-4)
FPIR = 0.01
GROUP_FMR = 1e-3
FOLDS = 10

ENROLLED = {"legislators": (100, 950), "lfw_view1": (100, 800)}
"""People in a gallery: few, and as many as leave enough strangers."""


def figures(data: Measured, method: Method, by_other: Mapping[str, ScoreDistribution]) -> dict[str, str]:
    """Return one embedder's figures: what was measured, and the answer.

    Parameters
    ----------
    by_other : dict of str to ScoreDistribution
        For each set, what the other one says.
    """
    result: dict[str, str] = {}
    for photos in sorted(data.sets, key=lambda each: each.mated_as_listed):
        scores = method(data, photos)
        if not photos.mated_as_listed:
            result |= _benchmark(scores, photos)
        result |= _pairs(scores, photos, by_other[photos.name])
        result |= _searches(scores, photos)
        lost = int((~np.isfinite(scores.diagonal())).sum())
        result[f"{photos.name}: photos without a face, of {len(photos.photos):,}"] = str(lost)
    return result


def _benchmark(scores: Array, photos: PhotoSet) -> dict[str, str]:
    """LFW's own pairs, with its own labels."""
    first = np.array([photos.rows[photo] for _, photo, _ in photos.listed_pairs])
    second = np.array([photos.rows[photo] for _, _, photo in photos.listed_pairs])
    mated = np.array([same for same, _, _ in photos.listed_pairs])
    trials = Trials(scores[first, second], mated, photos.people[first], photos.people[second])
    folds = fold_accuracy(trials, assign_folds(trials, FOLDS)[0])
    best = best_accuracy(Tally(trials.scores, trials.mated).curve())
    case = f"{photos.name}: its {mated.sum()} + {(~mated).sum()} pairs"
    return {
        f"{case}, accuracy over {FOLDS} folds": f"{percent(folds.mean)} ± {100 * folds.standard_error:.2f}",
        f"{case}, accuracy at the best threshold": f"{percent(best.value)} at {best.threshold:.3f}" if best else DASH,
    }


def _pairs(scores: Array, photos: PhotoSet, by_other: ScoreDistribution) -> dict[str, str]:
    pairs = PairRates(scores, photos)
    case = f"{photos.name}: {len(pairs.mated):,} mated, {len(pairs.non_mated):,} non-mated pairs"
    result = {}
    for fmr in FMRS:
        point = pairs.fnmr(fmr)
        interval = Interval(1 - point.interval.high, 1 - point.interval.low)
        result[f"{case}, TAR at FMR {100 * fmr:g} %"] = rate_at(1 - point.value, interval, point.threshold)
    threshold = by_other.score_at(GROUP_FMR)
    fmr_here, fnmr_here = float(np.mean(pairs.non_mated >= threshold)), float(np.mean(pairs.mated < threshold))
    result[f"{case}, FMR and FNMR where the other set puts FMR {100 * GROUP_FMR:g} %"] = (
        f"{percent(fmr_here, 3)}, {percent(fnmr_here)} at {threshold:.3f}"
    )
    return result


def _searches(scores: Array, photos: PhotoSet) -> dict[str, str]:
    result = {}
    for size in ENROLLED[photos.name]:
        made = search(scores, photos, size)
        point = made.fnir(FPIR)
        strangers = len(made.strangers) / made.splits
        case = f"{size} enrolled, {point.trials:.0f} mated + {strangers:,.0f} non-mated searches a gallery"
        result[f"{photos.name}: {case}, FNIR at FPIR {100 * FPIR:g} %"] = rate_at(
            point.value, point.interval, point.threshold
        )
    return result


@dataclass(frozen=True)
class Group:
    """Errors within one group of people, at a threshold that holds for all.

    Attributes
    ----------
    name : str
    people, photos : int
    missed, mated : int
    false_matches, non_mated : int
    fmr_interval : Interval or None
        95 %, over the people of the group.
    """

    name: str
    people: int
    photos: int
    missed: int
    mated: int
    false_matches: int
    non_mated: int
    fmr_interval: Interval | None

    @property
    def fnmr_interval(self) -> Interval:
        """95 %, Wilson's: hardly anybody is in two mated pairs."""
        return wilson_interval(self.missed, self.mated)


def group_rates(scores: Array, photos: PhotoSet, key: str) -> tuple[float, list[Group]]:
    """Return the threshold for FMR 0.1 % over the whole set, and the errors of each group there.

    False matches are counted among all pairs of photos of different people of one group: harder than pairs drawn from
    everybody, as people of a group look more alike.
    """
    threshold = PairRates(scores, photos).fnmr(GROUP_FMR).threshold
    group_of = photos.groups[key]
    labels = np.array([group_of.get(name, "") for name in photos.names])
    groups = [_group(scores, photos, threshold, name, labels == name) for name in sorted(set(group_of.values()))]
    groups.append(_group(scores, photos, threshold, "not stated", labels == ""))
    return threshold, sorted(groups, key=lambda group: (group.name == "not stated", -group.people))


def _group(scores: Array, photos: PhotoSet, threshold: float, name: str, members: NDArray[np.bool_]) -> Group:
    first, second = photos.mated
    mated = scores[first, second][members[first]]
    one, two = photos.non_mated
    inside = members[one] & members[two]
    one, two = one[inside], two[inside]
    matched = scores[one, two] >= threshold
    people, counts = np.unique(photos.people[members & photos.counted], return_counts=True)
    return Group(
        name,
        people.size,
        int(counts.sum()),
        int((mated < threshold).sum()),
        mated.size,
        int(matched.sum()),
        matched.size,
        _fmr_interval(photos.people[one[matched]], photos.people[two[matched]], people, counts, matched.size),
    )


def _fmr_interval(
    first: NDArray[np.intp], second: NDArray[np.intp], people: NDArray[np.intp], counts: NDArray[np.intp], pairs: int
) -> Interval | None:
    """Resample the people of a group; with few false matches Wilson's interval over people joins."""
    if not pairs:
        return None
    weights = draws(people.size)
    photos = weights * counts
    trials = (photos.sum(1) ** 2 - (photos**2).sum(1)) / 2
    place_a, place_b = np.searchsorted(people, first), np.searchsorted(people, second)
    errors = (weights[:, place_a] * weights[:, place_b]).sum(1)
    resampled = percentile_interval(errors / np.where(trials > 0, trials, np.nan))
    return joined_interval(resampled, len(first) / pairs, min(pairs, people.size), len(first))


def group_table(groups: Sequence[Group]) -> list[list[str]]:
    """Return the rows of a table of groups, without its head."""
    return [
        [
            group.name.replace("-", " "),
            f"{group.people:,} ({group.photos:,})",
            f"{group.missed} of {group.mated}",
            marked_few(group.missed, group.mated, group.fnmr_interval, 1),
            f"{group.false_matches:,} of {group.non_mated:,}",
            # Pairs are plenty and false matches rare: what tells is how many of these there are.
            "too few to say"
            if group.false_matches < FEW
            else marked_few(group.false_matches, group.non_mated, group.fmr_interval, 3),
        ]
        for group in groups
    ]
