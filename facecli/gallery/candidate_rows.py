"""Which templates can be among the nearest: all scores looked through once, a few rows left to be scored exactly."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.codes import FLOAT32_ROUNDOFF, Codes, CodeScores, has_kernel, parts
from facecli.gallery.row_source import RowSource
from facecli.types import UNIT_NORM_TOLERANCE, FloatArray

Rows = NDArray[np.int64]

BLOCK_SCORES: Final = 2**22
"""Scores held at a time: 16 MB of float32, half of a processor's last cache."""

CODE_ROWS: Final = 2**16
"""Codes at a time: their scores stay in a core's own cache (256 kB a probe), and calls cost little."""

# Probes at a time; each holds its k best so far (16 MB) and what it found (some 400 MB where nothing can be left out).
PROBE_ROWS: Final = 1024
MOST_TOPS: Final = 2**22
MOST_FOUND: Final = 2**24
FEW_PEOPLE: Final = 4

# The greatest scores are looked for in groups of whole people with at least so many templates.
GROUP_SIZE: Final = 64

# Fewer probes than this are faster on codes, which are read at the speed of memory; more on float32, where a matrix
# product uses what it has read for all of them. Measured by tests/bench/bench_search.py.
MANY_PROBES: Final = 5


class RowFinder(Protocol):
    """Finds rows among which the nearest are."""

    def find(self, probes: FloatArray, k: int, *, by_person: bool) -> list[Rows]:
        """Return for each probe rows, in their order, that hold the k nearest rows.

        With `by_person` they hold the nearest row of each of the k nearest people instead, the first where several are
        equal.
        """


class Found(NamedTuple):
    """Scores that may be among the best: those of probe `probes[i]` with row `rows[i]` lie from `low` to `high`."""

    probes: NDArray[np.int64]
    rows: Rows
    low: FloatArray
    high: FloatArray


class BlockFinder:
    """Finds rows by scoring all templates, in blocks, with a bound on every score's error.

    Parameters
    ----------
    vectors : RowSource of shape (T, D), float32
        Unit vectors.
    person_ids : ndarray of shape (T,), int64
        Sorted.
    codes : Codes, optional
        Of the same vectors.
    block_scores : int
        Scores held at a time.
    """

    def __init__(
        self,
        vectors: RowSource,
        person_ids: NDArray[np.int64],
        codes: Codes | None = None,
        *,
        block_scores: int = BLOCK_SCORES,
    ) -> None:
        self._vectors = vectors
        self._person_ids = person_ids
        self._codes = codes if has_kernel() else None
        self._block_scores = block_scores
        self._groups: dict[int, Rows] = {}

    def find(self, probes: FloatArray, k: int, *, by_person: bool) -> list[Rows]:
        """Return for each probe the rows that can be among the nearest; see `RowFinder`."""
        people = int(np.count_nonzero(np.diff(self._person_ids))) + 1
        k = min(k, people if by_person else max(1, len(self._person_ids)))
        together = min(PROBE_ROWS, MOST_TOPS // k)
        if k * FEW_PEOPLE > people:  # little can be left out
            together = min(together, MOST_FOUND // max(1, len(self._person_ids)))
        found: list[Rows] = []
        for start, stop in parts(len(probes), max(1, together)):
            found += self._find(probes[start:stop], k, by_person)
        return found

    def _find(self, probes: FloatArray, k: int, by_person: bool) -> list[Rows]:
        count = self._vectors.shape[0]
        use_codes = self._codes is not None and len(probes) < MANY_PROBES
        # The kernel for codes uses one thread, the matrix product all of them: it waits for each at the end of a block.
        step = max(1, self._block_scores // len(probes))
        step = min(step, CODE_ROWS) if use_codes else step
        workers = min(_cores(), count // step) if use_codes else 1
        if workers < 2:
            scans = [self._scan(probes, k, 0, count, step, use_codes)]
        else:
            borders = [count * each // workers for each in range(workers + 1)]
            with ThreadPoolExecutor(workers) as pool:
                scans = list(
                    pool.map(
                        lambda part: self._scan(probes, k, part[0], part[1], step, use_codes),
                        pairwise(borders),
                    )
                )
        found = Found(*(np.concatenate(columns) for columns in zip(*(each for _, each in scans), strict=True)))
        best = _largest(np.concatenate([tops for tops, _ in scans], axis=1), k)
        return self._nearest(len(probes), found, best.min(axis=1), k, by_person)

    def _scan(
        self, probes: FloatArray, k: int, first: int, last: int, step: int, use_codes: bool
    ) -> tuple[FloatArray, Found]:
        """Look through the rows from `first` to before `last`.

        Returns
        -------
        tops : ndarray of shape (P, k), float32
            For each probe numbers that k different people's scores are not below; minus infinity for want of people.
        found : Found
            Every row that can be as near as these.
        """
        score = (
            CodeScores(self._codes, probes)
            if use_codes and self._codes is not None
            else FloatScores(self._vectors, probes)
        )
        tops = np.full((len(probes), k), -np.inf, np.float32)
        groups = self._group_starts(k)
        parts_found: list[Found] = []
        for start in range(first, last, step):
            stop = min(start + step, last)
            scores, error = score(start, stop)
            # Rows before the first start are of a group that began in another block, and counts there.
            starts = groups[slice(*np.searchsorted(groups, (start, stop)))] - start
            if len(starts):
                maxima = np.maximum.reduceat(scores, starts, axis=1) - error[:, None]
                tops = _largest(np.concatenate([tops, maxima], axis=1), k)
            limits = _final(tops.min(axis=1)) - error
            flat = np.flatnonzero(scores >= limits[:, None])
            if len(flat):
                number, row = np.divmod(flat, stop - start)
                hits = scores.reshape(-1)[flat]
                parts_found.append(Found(number, row + start, hits - error[number], hits + error[number]))
        empty = Found(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))
        return tops, Found(*(np.concatenate(columns) for columns in zip(empty, *parts_found, strict=True)))

    def _nearest(self, count: int, found: Found, best: FloatArray, k: int, by_person: bool) -> list[Rows]:
        """Sort what was found by probe and row, and leave out what cannot be among the nearest after all."""
        order = np.lexsort((found.rows, found.probes))
        probes, rows = found.probes[order], found.rows[order]
        low, high = found.low[order], found.high[order]
        borders = np.searchsorted(probes, np.arange(count + 1))
        nearest = []
        for number, (start, stop) in enumerate(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)):
            some, least, most = rows[start:stop], low[start:stop], high[start:stop]
            keep = np.ones(len(some), np.bool_)
            if by_person and len(some):
                people = self._person_ids[some]
                starts = np.flatnonzero(np.diff(people, prepend=people[0] - 1))
                least = np.maximum.reduceat(least, starts)
                # Of a person only what can be the nearest.
                keep = most >= _final(np.repeat(least, np.diff(starts, append=len(some))))
            limit = max(best[number], _largest(least[None], k).min() if len(least) > k else -np.inf)
            nearest.append(some[keep & (most >= _final(np.float32(limit)))])
        return nearest

    def _group_starts(self, k: int) -> Rows:
        """Return the first rows of groups of whole people, each as small as leaves some groups for each of `k`."""
        size = GROUP_SIZE
        while size > 1 and len(self._person_ids) < 16 * k * size:
            size //= 2
        if size not in self._groups:
            ids = self._person_ids
            people = np.flatnonzero(np.diff(ids, prepend=ids[0] - 1)) if len(ids) else np.empty(0, np.int64)
            wished = np.searchsorted(people, np.arange(0, len(ids), size))
            self._groups[size] = people[np.unique(wished[wished < len(people)])]
        return self._groups[size]


class FloatScores:
    """Scores of some probes with templates, by matrix products, and how far they may be off.

    Parameters
    ----------
    vectors : RowSource of shape (T, D), float32
    probes : ndarray of shape (P, D), float32
    """

    def __init__(self, vectors: RowSource, probes: FloatArray) -> None:
        self._vectors = vectors
        self._probes = probes
        # A sum of D products is off by at most D roundings (Higham, 2002, section 3.1), and adding to it by some.
        roundings = (probes.shape[1] + 8) * FLOAT32_ROUNDOFF * (1 + UNIT_NORM_TOLERANCE) ** 2
        self._error = np.full(len(probes), roundings, np.float32)

    def __call__(self, start: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Return scores (P, stop - start) and for each probe a bound on their error, (P,)."""
        scores: FloatArray = self._probes @ self._vectors.slice(start, stop).T
        return scores, self._error


def _final(scores: Any) -> Any:
    """Return limits as they hold for final scores, which end at -1 and 1 whatever rounding makes of them."""
    return np.where(scores <= -1, -np.inf, np.minimum(scores, np.float32(1)))


def _largest(values: FloatArray, k: int) -> FloatArray:
    """Return the k largest of each line of (P, N), N >= k, in any order."""
    if values.shape[1] == k:
        return values
    return np.asarray(np.partition(values, values.shape[1] - k, axis=1)[:, -k:], np.float32)


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
