"""What ships of the measurements: each embedder's centre, how its scores fall, and how sure a match is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from methods import CENTRE_SHARE, Measured, Method
from numpy.typing import NDArray
from photosets import PhotoSet
from rates import SEED, PairRates, Searches, search
from vectors import Run

from facecli.decide.calibration import Calibration
from facecli.evaluation.score_fit import fit_probability, fit_scores
from facecli.scores import ScoreDistribution

Array = NDArray[np.float64]

GALLERY_SIZES = (10, 50, 200, 800)

SEARCHES = 2000
"""Of people enrolled, and of strangers, for each gallery size and set: each counts alike."""

SPLITS = {10: 1600, 50: 400, 200: 100, 800: 40}
"""Galleries drawn: enough for some thousand searches of people enrolled, of whom legislators has few."""

BINS = 10
PLACES = 6


def centre(data: Measured, run: Run) -> tuple[float, ...]:
    """Share of the mean unit vector of both sets, each of which weighs alike; D numbers."""
    mean = np.mean([data.mean(run, photos) for photos in data.sets], axis=0)
    return tuple(np.round(CENTRE_SHARE * mean, PLACES).tolist())


@dataclass(frozen=True)
class Answers:
    """Searches with what was expected of them.

    Attributes
    ----------
    expected : ndarray of shape (n,), float64
        False positives expected at the best score, by the distribution of the other set.
    is_right : ndarray of shape (n,), bool
    """

    expected: Array
    is_right: NDArray[np.bool_]


@dataclass(frozen=True)
class Reliability:
    """Whether of 100 answers with a probability of p, p were right; half of the searches are for people enrolled.

    Attributes
    ----------
    predicted, observed : ndarray of shape (BINS,), float64
        Means of each tenth of the probability scale; NaN where it is empty.
    counts : ndarray of shape (BINS,), int64
    """

    predicted: Array
    observed: Array
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of both, by answer. Guo et al. (2017), ICML."""
        filled = self.counts > 0
        distance = np.abs(self.predicted - self.observed)[filled]
        return float(distance @ self.counts[filled] / self.counts.sum())


@dataclass(frozen=True)
class Measurement:
    """What was found out about one embedder.

    Attributes
    ----------
    scores : ScoreDistribution
        What ships.
    by_other : dict of str to ScoreDistribution
        For each set, what the other one says alone.
    reliability : dict of str to Reliability
        Of each set, with the distribution and the coefficients of the other one.
    """

    scores: ScoreDistribution
    by_other: Mapping[str, ScoreDistribution]
    reliability: Mapping[str, Reliability]


def measure(data: Measured, method: Method) -> Measurement:
    """Fit one embedder's distribution and probability.

    Scores are those with the other set's centre. The centre that ships is of both sets; a third set's mean strays from
    that one less than these two from one another, and more than from a mean that they are part of themselves.
    """
    scores = {photos.name: method(data, photos) for photos in data.sets}
    pairs = {photos.name: PairRates(scores[photos.name], photos) for photos in data.sets}
    by_other = {}
    for photos in data.sets:
        other = data.other(photos)
        by_other[photos.name] = _distribution([pairs[other.name]], [other], (0.0, 1.0))
    answers = {photos.name: _answers(scores[photos.name], photos, by_other[photos.name]) for photos in data.sets}
    reliability = {}
    for photos in data.sets:
        learned = answers[data.other(photos).name]
        coefficients = fit_probability(learned.expected, learned.is_right)
        reliability[photos.name] = reliability_of(answers[photos.name], coefficients)
    expected, is_right = (
        np.concatenate([getattr(each, name) for each in answers.values()]) for name in ("expected", "is_right")
    )
    probability = fit_probability(expected, is_right)
    return Measurement(_distribution(list(pairs.values()), data.sets, probability), by_other, reliability)


def _distribution(
    pairs: Sequence[PairRates], sets: Sequence[PhotoSet], probability: tuple[float, float]
) -> ScoreDistribution:
    people = [len(np.unique(photos.people[photos.counted])) for photos in sets]
    described = [
        f"{photos.counted.sum():,} photos of {count:,} people ({photos.name})"
        for photos, count in zip(sets, people, strict=True)
    ]
    return fit_scores(
        # A photo without a face says nothing about how scores fall.
        [each.non_mated[np.isfinite(each.non_mated)] for each in pairs],
        [each.mated[np.isfinite(each.mated)] for each in pairs],
        people=sum(people),
        probability=(round(probability[0], 4), round(probability[1], 4)),
        measured_on=" and ".join(described) + ", each set counted alike",
    )


def _answers(scores: Array, photos: PhotoSet, known: ScoreDistribution) -> Answers:
    expected, is_right = [], []
    for size in GALLERY_SIZES:
        calibration = Calibration(known, size, size)
        made = search(scores, photos, size, splits=SPLITS[size])
        best, right = _sample(made)
        expected.append(calibration.expected_false_positives(best))
        is_right.append(right)
    return Answers(np.concatenate(expected), np.concatenate(is_right))


def _sample(made: Searches) -> tuple[Array, NDArray[np.bool_]]:
    """Take as many searches for people enrolled as for strangers: their best scores, and whether it is the person."""
    rng = np.random.default_rng(SEED)
    enrolled = rng.choice(len(made.found), SEARCHES)
    strangers = rng.choice(len(made.strangers), SEARCHES)
    best = np.concatenate([made.found[enrolled], made.strangers[strangers]])
    right = np.concatenate([np.isfinite(made.hits[enrolled]), np.zeros(SEARCHES, np.bool_)])
    return np.where(np.isfinite(best), best, -1.0), right


def reliability_of(answers: Answers, coefficients: tuple[float, float]) -> Reliability:
    """Compare what is predicted with what came out."""
    logits = coefficients[0] - coefficients[1] * np.log(np.maximum(answers.expected, 1e-300))
    predicted = 1 / (1 + np.exp(-np.clip(logits, -700, 700)))
    bins = np.minimum((predicted * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.bincount(bins, predicted, BINS) / counts, np.bincount(bins, answers.is_right, BINS) / counts, counts
        )
