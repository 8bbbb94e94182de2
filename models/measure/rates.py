"""Error rates of a matrix of scores, with intervals over people; differences of two of them, person by person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from photosets import Indices, Mask, PhotoSet

from facecli.evaluation.bootstrap import percentile_interval, resampled_people
from facecli.evaluation.identification import threshold_at
from facecli.evaluation.proportions import Interval, joined_interval

Array = NDArray[np.float64]

SPLITS = 200
SEED = 0

# Share of the highest non-mated scores that is kept for resampling: thresholds for rates up to 1 % lie among them
# whoever is drawn.
KEPT_SHARE = 0.05


@dataclass(frozen=True)
class Estimate:
    """An error rate at the threshold that keeps another one.

    Attributes
    ----------
    value : float
    errors : float
        Pairs, or searches of one split on average.
    trials : float
    threshold : float
    replicates : ndarray of shape (REPLICATES,), float64
        Values with other people.
    people : int
        Behind the trials.
    """

    value: float
    errors: float
    trials: float
    threshold: float
    replicates: Array
    people: int

    @property
    def interval(self) -> Interval:
        """95 %, over people; with few errors it covers Wilson's too, in which a person is one trial."""
        resampled = percentile_interval(self.replicates)
        return joined_interval(resampled, self.value, self.people, self.errors)


def difference_interval(a: Estimate, b: Estimate) -> Interval | None:
    """95 % interval of the first rate less the second, of the same people drawn."""
    return percentile_interval(a.replicates - b.replicates)


@cache
def draws(people: int) -> NDArray[np.float64]:
    """How often each person is drawn; shape (REPLICATES, people)."""
    return np.stack(list(resampled_people(people))).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Errors of one kind against refusals of another, for any weights of people.

    Attributes
    ----------
    false_scores : ndarray of shape (F,), float64
        The highest scores of different people, falling.
    false_people : tuple of ndarray of shape (F,), intp
        Whose they are: one array for searches, two for pairs.
    false_total : ndarray of shape (REPLICATES,), float64
        Weight of all of them, those not kept included, for each draw.
    true_scores : ndarray of shape (T,), float64
    true_people : ndarray of shape (T,), intp
    draws : ndarray of shape (REPLICATES, people), float64
    """

    false_scores: Array
    false_people: tuple[Indices, ...]
    false_total: Array
    true_scores: Array
    true_people: Indices
    draws: Array

    def replicates(self, rate: float) -> Array:
        """Share of true scores below the threshold that keeps a rate of false ones; shape (REPLICATES,)."""
        result = np.full(len(self.draws), math.nan)
        order = np.argsort(self.true_scores)
        scores, people = self.true_scores[order], self.true_people[order]
        for index, weights in enumerate(self.draws):
            reaching = np.cumsum(np.prod([weights[each] for each in self.false_people], axis=0))
            first = int(np.searchsorted(reaching, rate * self.false_total[index] * (1 + 1e-12), side="right"))
            refused = self.false_scores[min(first, len(self.false_scores) - 1)]
            weight = weights[people]
            if total := weight.sum():
                result[index] = weight[: np.searchsorted(scores, refused, side="right")].sum() / total
        return result


class PairRates:
    """Verification: all mated and non-mated pairs of a set.

    Parameters
    ----------
    scores : ndarray of shape (photos, photos), float64
    photos : PhotoSet
    """

    def __init__(self, scores: Array, photos: PhotoSet) -> None:
        self._photos = photos
        self.mated = scores[photos.mated]
        self.non_mated = scores[photos.non_mated]

    @cached_property
    def _ranking(self) -> Ranking:
        photos = self._photos
        weights = draws(photos.person_count)
        first, second = photos.non_mated
        kept = np.argpartition(-self.non_mated, int(KEPT_SHARE * len(first)))[: int(KEPT_SHARE * len(first))]
        kept = kept[np.argsort(-self.non_mated[kept], kind="stable")]
        # All pairs of photos of two people, weighed w_a w_b: half of what is left of the square of the sum.
        per_person = weights * np.bincount(photos.people[photos.counted], minlength=photos.person_count)
        return Ranking(
            self.non_mated[kept],
            (photos.people[first[kept]], photos.people[second[kept]]),
            (per_person.sum(1) ** 2 - (per_person**2).sum(1)) / 2,
            self.mated,
            photos.people[photos.mated[0]],
            weights,
        )

    def fnmr(self, fmr: float) -> Estimate:
        """Return the FNMR at the least threshold that keeps an FMR."""
        threshold = threshold_at(fmr, self.non_mated)
        missed = int((self.mated < threshold).sum())
        people = len(np.unique(self._ranking.true_people))
        return Estimate(
            missed / len(self.mated), missed, len(self.mated), threshold, self._ranking.replicates(fmr), people
        )


@dataclass(frozen=True, eq=False)
class Searches:
    """Searches of all photos in galleries of one photo a person, drawn at random again and again.

    Attributes
    ----------
    hits : ndarray of shape (M,), float64
        Score of the right person, -inf where another one was nearer; searches for people enrolled.
    hit_people : ndarray of shape (M,), intp
    found : ndarray of shape (M,), float64
        Score of the nearest person, right or not.
    strangers : ndarray of shape (S,), float64
        Score of the nearest person; searches for people not enrolled.
    stranger_people : ndarray of shape (S,), intp
    people : int
        In the set.
    splits : int
    """

    hits: Array
    hit_people: Indices
    found: Array
    strangers: Array
    stranger_people: Indices
    people: int
    splits: int

    def fnir(self, fpir: float) -> Estimate:
        """Return the FNIR at the least threshold that keeps an FPIR, over all splits together."""
        threshold = threshold_at(fpir, self.strangers)
        missed = self.hits < threshold
        order = np.argsort(-self.strangers, kind="stable")
        weights = draws(self.people)
        kept = order[: int(KEPT_SHARE * len(order))]
        ranking = Ranking(
            self.strangers[kept],
            (self.stranger_people[kept],),
            weights @ np.bincount(self.stranger_people, minlength=self.people),
            self.hits,
            self.hit_people,
            weights,
        )
        return Estimate(
            float(missed.mean()),
            float(missed.sum()) / self.splits,
            len(self.hits) / self.splits,
            threshold,
            ranking.replicates(fpir),
            len(np.unique(self.hit_people)),
        )


def search(scores: Array, photos: PhotoSet, size: int, *, splits: int = SPLITS, margin: float = 0.0) -> Searches:
    """Enrol one photo each of `size` people drawn at random, and search for all other photos, `splits` times.

    A search for somebody enrolled counts where the two photos are a mated pair; copies of one photograph are left out.
    The splits draw from the same photos: they are no independent trials, and intervals are over people.

    Parameters
    ----------
    margin : float
        This much of the second person's score is taken away from the first one's.
    """
    parts = [_split(scores, photos, size, rng, margin) for rng in _generators(splits)]
    hits, hit_people, found, strangers, stranger_people = (np.concatenate(each) for each in zip(*parts, strict=True))
    return Searches(hits, hit_people, found, strangers, stranger_people, photos.person_count, splits)


def _generators(splits: int) -> Sequence[np.random.Generator]:
    return [np.random.default_rng((SEED, split)) for split in range(splits)]


def _split(
    scores: Array, photos: PhotoSet, size: int, rng: np.random.Generator, margin: float
) -> tuple[Array, Indices, Array, Array, Indices]:
    people, rows = photos.people, np.flatnonzero(photos.counted)
    # One photo of each person: the first one in a random order.
    mixed = rng.permutation(rows)
    everybody, first = np.unique(people[mixed], return_index=True)
    chosen = np.sort(rng.choice(len(everybody), size, replace=False))
    enrolled, gallery = everybody[chosen], mixed[first[chosen]]
    probes = np.setdiff1d(rows, gallery)
    place = np.minimum(np.searchsorted(enrolled, people[probes]), size - 1)
    known: Mask = enrolled[place] == people[probes]
    comparable = known & photos.is_mated[probes, gallery[place]]
    found = scores[np.ix_(probes, gallery)]
    nearest = found.argmax(1)
    best = found[np.arange(len(probes)), nearest]
    if margin:
        best = best - margin * np.partition(found, size - 2, axis=1)[:, size - 2]
    right = np.where(nearest == place, best, -np.inf)
    return (
        right[comparable],
        people[probes[comparable]],
        best[comparable],
        best[~known],
        people[probes[~known]],
    )
