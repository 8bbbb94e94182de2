"""Which templates of different people are alike: all compared with all, and what is near kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.services.gallery_check.left_out import NO_SCORE
from facecli.types import FloatArray

Rows = NDArray[np.int64]

# Compared at a time: 16 MB of scores, which stay in a processor's last cache; measured fastest of 2^21 to 2^27.
PROBE_ROWS: Final = 512
BLOCK_ROWS: Final = 8192

# Scores kept, at most; more make the floor rise. 96 bytes each: 400 MB.
MOST_LINKS: Final = 2**22


class Links:
    """Scores of templates with other people that reach a floor.

    Parameters
    ----------
    template_count : int
    probes, people : ndarray of shape (n,), int64
        Which template (its row), and whose template or mean it is near to.
    scores : ndarray of shape (n,), float32
    near : ndarray of shape (n,), int64
        Row of the template it is near to; -1 for a mean.
    floor : float

    Attributes
    ----------
    probes, people, scores, near
        The nearest of each template and person, the templates in their order, the nearest person of each first.
    best : ndarray of shape (T,), float64
        Score with the nearest other person; `NO_SCORE` below the floor.
    """

    def __init__(
        self, template_count: int, probes: Rows, people: Rows, scores: NDArray[np.float32], near: Rows, floor: float
    ) -> None:
        self.floor = floor
        # A template before a mean of the same score: it has a photo to look at.
        order = np.lexsort((near < 0, -scores, people, probes))
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (np.diff(probes[order]) != 0) | (np.diff(people[order]) != 0)
        order = order[is_first]
        order = order[np.lexsort((-scores[order], probes[order]))]
        self.probes, self.people, self.near = probes[order], people[order], near[order]
        self.scores = scores[order].astype(np.float64)
        self.best = np.full(template_count, NO_SCORE)
        np.maximum.at(self.best, self.probes, self.scores)

    def best_without(self, people: Rows) -> NDArray[np.float64]:
        """Return the score of each template with the nearest other person who is none of some."""
        left = ~np.isin(self.people, people)
        best = np.full(len(self.best), NO_SCORE)
        np.maximum.at(best, self.probes[left], self.scores[left])
        return best


def link_all(
    vectors: FloatArray,
    owners: Rows,
    means: FloatArray,
    mean_owners: Rows,
    floor: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Links:
    """Compare every template with everybody else's templates and means.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
        Unit vectors.
    owners : ndarray of shape (T,), int64
    means : ndarray of shape (M, D), float32
    mean_owners : ndarray of shape (M,), int64
    floor : float
        Least score to keep; a higher one is taken where too many reach it.
    progress : callable
        Told the comparisons done and how many there are.
    """
    count = len(vectors)
    rows = np.concatenate([vectors, means])
    row_owners = np.concatenate([owners, mean_owners])
    total = sum(len(rows) - start for start in range(0, count, PROBE_ROWS)) * PROBE_ROWS
    kept = _Kept(floor)
    buffer = np.empty(PROBE_ROWS * BLOCK_ROWS, np.float32)
    done = 0
    for start in range(0, count, PROBE_ROWS):
        probes = vectors[start : start + PROBE_ROWS]
        # Two templates are compared once: from the first of them on.
        for first in range(start, len(rows), BLOCK_ROWS):
            among = rows[first : first + BLOCK_ROWS]
            scores = buffer[: len(probes) * len(among)].reshape(len(probes), len(among))
            np.matmul(probes, among.T, out=scores)
            found = np.flatnonzero(scores >= kept.floor)
            one, other = found // len(among) + start, found % len(among) + first
            different = (row_owners[one] != row_owners[other]) & (one < other)
            kept.add(one[different], other[different], scores.reshape(-1)[found[different]])
            done += PROBE_ROWS * len(among)
            progress(done, total)
    one, other, near_scores = kept.all()
    is_template = other < count
    # Both of two templates are probes; a mean is none.
    return Links(
        count,
        np.concatenate([one, other[is_template]]),
        np.concatenate([row_owners[other], row_owners[one[is_template]]]),
        np.concatenate([near_scores, near_scores[is_template]]),
        np.concatenate([np.where(is_template, other, -1), one[is_template]]),
        kept.floor,
    )


class _Kept:
    """Pairs found so far, the nearest if there are too many."""

    def __init__(self, floor: float) -> None:
        self.floor = floor
        self._parts: list[tuple[Rows, Rows, NDArray[np.float32]]] = []
        self._count = 0

    def add(self, one: Rows, other: Rows, scores: NDArray[np.float32]) -> None:
        if not len(one):
            return
        self._parts.append((one, other, scores))
        self._count += len(one)
        if self._count > MOST_LINKS:
            one, other, scores = self.all()
            self.floor = float(np.partition(scores, -MOST_LINKS // 2)[-MOST_LINKS // 2])
            near = scores >= self.floor
            self._parts = [(one[near], other[near], scores[near])]
            self._count = int(near.sum())

    def all(self) -> tuple[Rows, Rows, NDArray[np.float32]]:
        nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
        one, other, scores = zip(nothing, *self._parts, strict=True)
        return np.concatenate(one), np.concatenate(other), np.concatenate(scores)
