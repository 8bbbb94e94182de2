"""Does the promise hold? Galleries drawn at random, calibrated with the other set's scores, searched for strangers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from photosets import Indices, Mask, PhotoSet

from facecli.decide.calibration import CONFIDENCE, Calibration, StrangerSearches
from facecli.scores import ScoreDistribution

FPIR = 0.01
SIZES = (5, 10, 20, 50, 100, 200, 500, 1000)
GALLERIES = 200
SEED = 0

# People left as strangers, at least: fewer say nothing about a rate of 1 %.
LEAST_STRANGERS = 100

# Groups of people of whom galleries are made, where everybody searched for is of the same group. The people in them
# must suffice for strangers.
GROUP_SIZES = (5, 20, 50)
GROUP_STRANGERS = 25
LEAST_GROUP = 55

# Draws of the gallery's rate, for what a finite number of strangers may show of it.
DRAWS = 4000


@dataclass(frozen=True)
class Trial:
    """One gallery: what was promised, and what came of it."""

    size: int
    threshold: float
    low: float
    high: float
    fpir: float
    strangers: int
    is_inside: bool  # the rate observed lies between low and high
    is_expected: bool  # it lies where a rate between them may show among so many strangers
    fnir: float  # NaN where nobody enrolled has a different photograph
    fixed_fpir: float
    fixed_fnir: float


def trials(
    photos: PhotoSet,
    scores: NDArray[np.floating],
    distribution: ScoreDistribution,
    sizes: Sequence[int] = SIZES,
    *,
    among: Mask | None = None,
    least_strangers: int = LEAST_STRANGERS,
) -> Iterator[Trial]:
    """Enrol people of a set with one photo each, and search for all others' photos, `GALLERIES` times a size.

    Parameters
    ----------
    photos : PhotoSet
    scores : ndarray of shape (photos, photos)
    distribution : ScoreDistribution
        Of the other set: nothing of `photos` is in it.
    sizes : sequence of int
        Those too large for the set are made as large as it allows.
    among : ndarray of shape (photos,), bool, optional
        Photos to draw galleries and strangers from; all by default.
    least_strangers : int
        People left as strangers, at least.
    """
    rng = np.random.default_rng(SEED)
    rows = np.flatnonzero(photos.counted if among is None else photos.counted & among)
    people = np.unique(photos.people[rows])
    by_person = {person: rows[photos.people[rows] == person] for person in people.tolist()}
    fixed = Calibration(distribution, 100, 100).choose(FPIR).threshold
    for size in sorted({min(size, len(people) - least_strangers) for size in sizes}):
        for _ in range(GALLERIES):
            chosen = rng.choice(people, size, replace=False)
            gallery = np.array([rng.choice(by_person[person]) for person in chosen.tolist()])
            yield _trial(photos, scores, distribution, rows, gallery, fixed, rng)


def _trial(
    photos: PhotoSet,
    scores: NDArray[np.floating],
    distribution: ScoreDistribution,
    rows: Indices,
    gallery: Indices,
    fixed: float,
    rng: np.random.Generator,
) -> Trial:
    size = len(gallery)
    own = scores[np.ix_(gallery, gallery)].astype(np.float64)
    np.fill_diagonal(own, -2.0)
    searches = StrangerSearches(own.max(1), np.full(size, size - 1))
    calibration = Calibration(distribution, size, size, searches)
    choice = calibration.choose(FPIR)
    is_known = np.isin(photos.people[rows], photos.people[gallery])
    strangers = scores[np.ix_(rows[~is_known], gallery)].max(1)
    mated = np.setdiff1d(rows[is_known], gallery)
    enrolled = (photos.people[mated][:, None] == photos.people[gallery]).argmax(1)
    mated = mated[photos.is_mated[mated, gallery[enrolled]]]
    found = scores[np.ix_(mated, gallery)]
    right = photos.people[gallery][found.argmax(1)] == photos.people[mated] if len(mated) else np.zeros(0, np.bool_)
    best = np.where(right, found.max(1), -2.0) if len(mated) else np.zeros(0)
    count = int((strangers >= choice.threshold).sum())
    shifts = rng.normal(calibration.shift, calibration.shift_spread, DRAWS)
    expected = np.array(
        [calibration.expected_false_positives(np.array(choice.threshold), float(shift)) for shift in shifts]
    )
    shown = rng.binomial(len(strangers), -np.expm1(-expected))
    low, high = np.quantile(shown, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Trial(
        size=size,
        threshold=choice.threshold,
        low=choice.low,
        high=choice.high,
        fpir=count / len(strangers),
        strangers=len(strangers),
        is_inside=choice.low <= count / len(strangers) <= choice.high,
        is_expected=bool(low <= count <= high),
        fnir=float(np.mean(best < choice.threshold)) if len(mated) else float("nan"),
        fixed_fpir=float(np.mean(strangers >= fixed)),
        fixed_fnir=float(np.mean(best < fixed)) if len(mated) else float("nan"),
    )


def table(found: Sequence[Trial]) -> list[tuple[str, ...]]:
    """Sum up, a row a size: means over the galleries."""
    lines: list[tuple[str, ...]] = []
    for size in sorted({each.size for each in found}):
        group = [each for each in found if each.size == size]

        def mean(name: str, group: Sequence[Trial] = group) -> float:
            return float(np.nanmean([getattr(each, name) for each in group]))

        lines.append(
            (
                f"{size:,}",
                f"{mean('strangers'):,.0f}",
                f"{mean('threshold'):.3f}",
                f"{mean('low'):.1%} to {mean('high'):.1%}",
                f"{mean('fpir'):.2%}",
                f"{mean('is_inside'):.0%}",
                f"{mean('is_expected'):.1%}",
                f"{mean('fnir'):.1%}",
                f"{mean('fixed_fpir'):.2%}",
                f"{mean('fixed_fnir'):.1%}",
            )
        )
    return lines


COLUMNS = (
    "people enrolled",
    "strangers' photos",
    "threshold",
    "promised, 95 %",
    "FPIR observed",
    "inside the interval",
    "inside, as far as so many strangers can show",
    "FNIR",
    "FPIR, fixed threshold",
    "FNIR, fixed threshold",
)
