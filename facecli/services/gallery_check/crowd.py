"""All templates of a model compared with all others, and what a change of a few would make of their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.decide.calibration import StrangerSearches
from facecli.gallery.records import TemplateMatrix
from facecli.services.gallery_check.left_out import NO_SCORE, own_scores, person_mean, person_starts
from facecli.services.gallery_check.pairs import link_all
from facecli.types import FloatArray

Rows = NDArray[np.int64]

DROPPED: Final = 0
"""Instead of a person_id: whose template is nobody's any more."""

# Scores held at a time: 16 MB of float32.
BLOCK_SCORES: Final = 2**22


@dataclass(frozen=True, slots=True)
class Errors:
    """What a gallery does to its own photos, each searched for in the gallery without it.

    Attributes
    ----------
    threshold : float
        Least score for a name.
    searches : int
        Photos of people who have others: each ought to find its person.
    missed : int
        Of these, how many do not: the person scores below the threshold, or somebody else is nearer.
    misnamed : int
        Of these, how many are given somebody else's name.
    strangers : int
        Photos searched for among everybody else: none ought to find anybody.
    named : int
        Of these, how many are given a name.
    """

    threshold: float
    searches: int
    missed: int
    misnamed: int
    strangers: int
    named: int


ThresholdRule = Callable[[StrangerSearches, int, int], float]
"""From searches of people among the others, the number of templates and that of people: the least score for a name."""


class Crowd:
    """The templates of a gallery, each with its score among its person's others and its nearest other people.

    Parameters
    ----------
    matrix : TemplateMatrix
        As a gallery gives it, without means.
    floor : float
        Scores below it are not looked at; it is below every threshold asked about.
    sampled_people : ndarray of int64
        person_ids whose first templates are searched for to place the threshold.
    threshold_rule : callable
    progress : callable
        Told the comparisons done and how many there are.

    Attributes
    ----------
    owners : ndarray of shape (T,), int64
        person_id of each template.
    own : ndarray of shape (T,), float64
        Best score with the person's other templates, or their mean; `NO_SCORE` where there are none.
    links : Links
        Which scores with other people's templates and means reach `floor`.
    """

    def __init__(
        self,
        matrix: TemplateMatrix,
        floor: float,
        sampled_people: Rows,
        threshold_rule: ThresholdRule,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self.vectors, self.owners = matrix.vectors, matrix.person_ids
        self._sampled_people = sampled_people
        self._threshold_rule = threshold_rule
        starts = person_starts(self.owners)
        sizes = np.diff(starts, append=len(self.owners))
        several = np.flatnonzero(sizes > 1)
        means = [person_mean(self.vectors[starts[at] : starts[at] + sizes[at]]) for at in several.tolist()]
        self.means: FloatArray = np.array(means, np.float32).reshape(len(means), self.vectors.shape[1])
        self.mean_owners = self.owners[starts[several]]
        self.own = own_scores(self.vectors, self.owners)
        self.links = link_all(self.vectors, self.owners, self.means, self.mean_owners, floor, progress)
        self.floor = self.links.floor

    def rows_of(self, person_id: int) -> Rows:
        """Return the templates of a person."""
        return np.arange(*np.searchsorted(self.owners, [person_id, person_id + 1]))

    def errors(self) -> Errors:
        """Return what the gallery does as it is."""
        return self._errors(self.owners, self.own, self.links.best)

    def after(self, new_owners: Mapping[int, int]) -> Errors:
        """Return what the gallery would do if some templates were somebody else's, or nobody's.

        Parameters
        ----------
        new_owners : mapping of int to int
            person_id by row; `DROPPED` for nobody.
        """
        owners = self.owners.copy()
        owners[list(new_owners)] = list(new_owners.values())
        changed = np.unique([*self.owners[list(new_owners)].tolist(), *new_owners.values()])
        changed = changed[changed != DROPPED]
        is_changed = np.isin(owners, changed)
        gone = np.union1d(changed, [DROPPED])

        members = np.flatnonzero(is_changed)
        members = members[np.argsort(owners[members], kind="stable")]
        new = _People(self.vectors[members], owners[members])
        own, other = self.own.copy(), self.links.best_without(changed)
        own[members] = own_scores(new.templates, new.owners)

        untouched = np.flatnonzero(~np.isin(owners, gone))
        other[untouched] = np.maximum(other[untouched], self._best(untouched, owners, new.rows, new.row_owners))
        rest = np.flatnonzero(~np.isin(self.mean_owners, changed))
        among = np.concatenate([self.vectors[untouched], self.means[rest], new.rows])
        among_owners = np.concatenate([owners[untouched], self.mean_owners[rest], new.row_owners])
        other[members] = self._best(members, owners, among, among_owners)
        return self._errors(owners, own, other)

    def _best(self, rows: Rows, owners: Rows, among: FloatArray, among_owners: Rows) -> NDArray[np.float64]:
        """Return the best score of each template with those of others that reach the floor."""
        best = np.full(len(rows), NO_SCORE)
        if not len(among):
            return best
        step = max(1, BLOCK_SCORES // len(among))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            scores = self.vectors[part] @ among.T
            scores[owners[part][:, None] == among_owners] = NO_SCORE
            best[start : start + step] = scores.max(axis=1)
        best[best < self.floor] = NO_SCORE
        return best

    def _errors(self, owners: Rows, own: NDArray[np.float64], other: NDArray[np.float64]) -> Errors:
        kept = np.flatnonzero(owners != DROPPED)
        kept = kept[np.argsort(owners[kept], kind="stable")]
        people, firsts, sizes = np.unique(owners[kept], return_index=True, return_counts=True)
        sampled = np.isin(people, self._sampled_people)
        searches = StrangerSearches(other[kept[firsts[sampled]]], len(kept) - sizes[sampled])
        has_others = searches.compared > 0
        searches = StrangerSearches(searches.scores[has_others], searches.compared[has_others])
        threshold = self._threshold_rule(searches, max(len(kept), 1), len(people))
        probes = kept[own[kept] > NO_SCORE]
        nearer = other[probes] > own[probes]
        return Errors(
            threshold=threshold,
            searches=len(probes),
            missed=int((nearer | (own[probes] < threshold)).sum()),
            misnamed=int((nearer & (other[probes] >= threshold)).sum()),
            strangers=len(kept) if len(people) > 1 else 0,
            named=int((other[kept] >= threshold).sum()),
        )


class _People:
    """Some people's templates, sorted by person, and these with their means."""

    def __init__(self, templates: FloatArray, owners: Rows) -> None:
        self.templates, self.owners = templates, owners
        starts = person_starts(owners)
        sizes = np.diff(starts, append=len(owners))
        several = [(int(start), int(start + size)) for start, size in zip(starts, sizes, strict=True) if size > 1]
        means = [person_mean(templates[start:stop]) for start, stop in several]
        self.rows = np.concatenate([templates, np.array(means, np.float32).reshape(len(means), templates.shape[1])])
        self.row_owners = np.concatenate([owners, owners[[start for start, _ in several]]])
