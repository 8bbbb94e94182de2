"""All templates looked through by the processor, in blocks: as codes, or in float32."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.candidate_rows import Found, Rows, ScanFinder, final, largest
from facecli.gallery.codes import FLOAT32_ROUNDOFF, Codes, CodeScores, has_kernel
from facecli.gallery.row_source import RowSource
from facecli.types import UNIT_NORM_TOLERANCE, FloatArray

BLOCK_SCORES: Final = 2**22
"""Scores held at a time: 16 MB of float32, half of a processor's last cache."""

CODE_ROWS: Final = 2**16
"""Codes at a time: their scores stay in a core's own cache (256 kB a probe), and calls cost little."""

# The greatest scores are looked for in groups of whole people with at least so many templates.
GROUP_SIZE: Final = 64

# Fewer probes than this are faster on codes, which are read at the speed of memory; more on float32, where a matrix
# product uses what it has read for all of them. Measured by tests/bench/bench_search.py.
MANY_PROBES: Final = 5


def block_finder(
    vectors: RowSource,
    person_ids: NDArray[np.int64],
    codes: Codes | None = None,
    *,
    block_scores: int = BLOCK_SCORES,
) -> ScanFinder:
    """Return a finder that looks through templates on the processor; see `BlockScan`."""
    return ScanFinder(BlockScan(vectors, person_ids, codes, block_scores=block_scores), person_ids)


class BlockScan:
    """Scores all templates, in blocks, with a bound on every score's error.

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

    def __call__(self, probes: FloatArray, k: int) -> Found:
        """Return what can be among the `k` nearest people; see `facecli.gallery.candidate_rows.RowScan`."""
        count = self._vectors.shape[0]
        codes = self._codes if len(probes) < MANY_PROBES else None
        score = FloatScores(self._vectors, probes) if codes is None else CodeScores(codes, probes)
        # The kernel for codes uses one thread, the matrix product all of them: it waits for each at the end of a block.
        step = max(1, self._block_scores // len(probes))
        step = step if codes is None else min(step, CODE_ROWS)
        workers = 1 if codes is None else min(_cores(), count // step)
        if workers < 2:
            return self._part(score, len(probes), k, range(0, count, step), count)
        borders = [count * each // workers for each in range(workers + 1)]
        with ThreadPoolExecutor(workers) as pool:
            scans = pool.map(
                lambda part: self._part(score, len(probes), k, range(part[0], part[1], step), part[1]),
                pairwise(borders),
            )
            tops, numbers, rows, low, high = zip(*scans, strict=True)
        joined = np.concatenate
        return joined(tops, axis=1), joined(numbers), joined(rows), joined(low), joined(high)

    def _part(self, score: FloatScores | CodeScores, count: int, k: int, starts: range, end: int) -> Found:
        """Look through the blocks that begin at `starts`, up to row `end`."""
        tops = np.full((count, k), -np.inf, np.float32)
        groups = self._group_starts(k)
        found: list[tuple[Rows, Rows, FloatArray, FloatArray]] = [_NOTHING]
        for start in starts:
            stop = min(start + starts.step, end)
            scores, error = score(start, stop)
            # Rows before the first of these are of a group that began in another block, and counts there.
            first = groups[slice(*np.searchsorted(groups, (start, stop)))] - start
            if len(first):
                maxima = np.maximum.reduceat(scores, first, axis=1) - error[:, None]
                tops = largest(np.concatenate([tops, maxima], axis=1), k)
            limits = final(tops.min(axis=1)) - error
            flat = np.flatnonzero(scores >= limits[:, None])
            if len(flat):
                number, row = np.divmod(flat, stop - start)
                hits = scores.reshape(-1)[flat]
                found.append((number, row + start, hits - error[number], hits + error[number]))
        probes, rows, low, high = (np.concatenate(column) for column in zip(*found, strict=True))
        return tops, probes, rows, low, high

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


_NOTHING: Final = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
