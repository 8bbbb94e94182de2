"""All templates looked through by the processor, in blocks: as codes, or in float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.candidate_rows import Found, Rows, ScanFinder, final, largest
from facecli.gallery.codes import CODE_BLOCK, FLOAT32_ROUNDOFF, Codes, CodeScores, ScoreBlock, has_kernel
from facecli.gallery.row_source import RowSource
from facecli.types import UNIT_NORM_TOLERANCE, FloatArray

BLOCK_SCORES: Final = 2**22
"""Scores held at a time: 16 MB of float32, half of a processor's last cache."""

# The greatest scores are looked for in groups of whole people with at least so many templates.
GROUP_SIZE: Final = 64

# Fewer probes than this are faster on codes, which are read at the speed of memory; more on float32, where a matrix
# product uses what it has read for all of them. Measured by tests/bench/bench_search.py.
MANY_PROBES: Final = 12


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
        self._pool: tuple[int, ThreadPoolExecutor] | None = None

    def __call__(self, probes: FloatArray, k: int) -> Found:
        """Return what can be among the `k` nearest people; see `facecli.gallery.candidate_rows.RowScan`."""
        count = self._vectors.shape[0]
        codes = self._codes if len(probes) < MANY_PROBES else None
        score = FloatScores(self._vectors, probes) if codes is None else CodeScores(codes, probes)
        step = max(1, self._block_scores // len(probes))
        if codes is None:  # the matrix product uses all cores by itself
            return self._part(score, len(probes), k, iter(range(0, count, step)), step)
        while CODE_BLOCK % step:
            step = 1 << (min(step, CODE_BLOCK).bit_length() - 1)
        starts = iter(range(0, count, step))  # each thread takes the next one when it is ready
        workers = min(_cores(), -(-count // step))
        if workers < 2:
            return self._part(score, len(probes), k, starts, step)
        # This thread works too.
        others = [
            self._threads(workers).submit(self._part, score, len(probes), k, starts, step) for _ in range(workers - 1)
        ]
        scans = [self._part(score, len(probes), k, starts, step), *(other.result() for other in others)]
        tops, numbers, rows, low, high = zip(*scans, strict=True)
        joined = np.concatenate
        return joined(tops, axis=1), joined(numbers), joined(rows), joined(low), joined(high)

    def _part(self, score: FloatScores | CodeScores, count: int, k: int, starts: Iterator[int], step: int) -> Found:
        """Look through the blocks of `step` rows that begin at `starts`."""
        tops = np.full((count, k), -np.inf, np.float32)
        limits = tops.min(axis=1)
        seen = tops.size + 1
        groups = self._group_starts(k)
        found: list[tuple[Rows, Rows, FloatArray, FloatArray]] = [_NOTHING]
        for start in starts:
            stop = min(start + step, self._vectors.shape[0])
            block = score(start, stop)
            if seen > tops.size:
                # Looking for the greatest of every group costs more than looking at some hits too many, so the bound is
                # brought nearer now and then. Rows before the first start are of a group of another block.
                first = groups[slice(*np.searchsorted(groups, (start, stop)))] - start
                if len(first):
                    maxima = np.maximum.reduceat(block.scores(), first, axis=1) - block.error[:, None]
                    tops = largest(np.concatenate([tops, maxima], axis=1), k)
                    limits, seen = final(tops.min(axis=1)), 0
            number, row, hits = block.hits(limits)
            seen += len(hits)
            if len(hits):
                error = block.error[number]
                found.append((number, row + start, hits - error, hits + error))
        probes, rows, low, high = (np.concatenate(column) for column in zip(*found, strict=True))
        return tops, probes, rows, low, high

    def _threads(self, workers: int) -> ThreadPoolExecutor:
        """Return threads that stay: starting one takes as long as a fifth of a search in a million templates."""
        if self._pool is None or self._pool[0] != os.getpid():  # a forked process has none of its parent's threads
            self._pool = os.getpid(), ThreadPoolExecutor(workers - 1, thread_name_prefix="facecli-search")
        return self._pool[1]

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
    """Scores of some probes with templates, by matrix products, and how far they may be off. For one thread.

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

        self._scales = np.ones(len(probes), np.float32)
        self._scores: FloatArray = np.empty(0, np.float32)

    def __call__(self, start: int, stop: int) -> ScoreBlock:
        """Return the scores with the rows from `start` to before `stop`, good until the next call."""
        shape = len(self._probes), stop - start
        if self._scores.size < shape[0] * shape[1]:
            self._scores = np.empty(shape[0] * shape[1], np.float32)  # for all blocks: fresh memory has to be zeroed
        scores = self._scores[: shape[0] * shape[1]].reshape(shape)
        np.matmul(self._probes, self._vectors.slice(start, stop).T, out=scores)
        return ScoreBlock(scores, self._scales, self._error)


_NOTHING: Final = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.float32))


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
