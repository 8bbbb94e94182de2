"""Which templates can be among the nearest: all scores looked through once, a few rows left to be scored exactly."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.codes import parts
from facecli.types import FloatArray

Rows: TypeAlias = NDArray[np.int64]

# Probes at a time; each holds its k best so far (16 MB) and what it found (some 400 MB where nothing can be left out).
PROBE_ROWS: Final = 1024
MOST_TOPS: Final = 2**22
MOST_FOUND: Final = 2**24
FEW_PEOPLE: Final = 4


class RowFinder(Protocol):
    """Finds rows among which the nearest are."""

    def find(self, probes: FloatArray, k: int, *, by_person: bool) -> list[Rows]:
        """Return for each probe rows, in their order, that hold the k nearest rows.

        With `by_person` they hold the nearest row of each of the k nearest people instead, the first where several are
        equal.
        """


Found: TypeAlias = tuple[FloatArray, Rows, Rows, FloatArray, FloatArray]
"""tops (P, k), and (n,) each of probes, rows, low, high.

`tops` are numbers that k different people's scores with a probe are not below, minus infinity for want of people. The
score of probe ``probes[i]`` with row ``rows[i]`` lies from ``low[i]`` to ``high[i]``. Every row that can be as near as
the least of `tops` is there.
"""


class RowScan(Protocol):
    """Looks through all templates, wherever that is done."""

    def __call__(self, probes: FloatArray, k: int) -> Found:
        """Return what can be among the `k` nearest people."""


class ScanFinder:
    """Finds rows by a scan, and leaves out all that it shows not to be needed.

    Parameters
    ----------
    scan : RowScan
    person_ids : ndarray of shape (T,), int64
        Sorted.
    """

    def __init__(self, scan: RowScan, person_ids: NDArray[np.int64]) -> None:
        self._scan = scan
        self._person_ids = person_ids
        self._people = int(np.count_nonzero(np.diff(person_ids))) + 1

    def find(self, probes: FloatArray, k: int, *, by_person: bool) -> list[Rows]:
        """Return for each probe the rows that can be among the nearest; see `RowFinder`."""
        k = min(k, self._people if by_person else max(1, len(self._person_ids)))
        together = min(PROBE_ROWS, MOST_TOPS // k)
        if k * FEW_PEOPLE > self._people:  # little can be left out
            together = min(together, MOST_FOUND // max(1, len(self._person_ids)))
        found: list[Rows] = []
        for start, stop in parts(len(probes), max(1, together)):
            found += self._nearest(self._scan(probes[start:stop], k), k, by_person)
        return found

    def _nearest(self, found: Found, k: int, by_person: bool) -> list[Rows]:
        """Sort what was found by probe and row, and leave out what cannot be among the nearest after all."""
        best = largest(found[0], k).min(axis=1)
        order = np.lexsort((found[2], found[1]))
        probes, rows = found[1][order], found[2][order]
        low, high = found[3][order], found[4][order]
        borders = np.searchsorted(probes, np.arange(len(best) + 1))
        nearest = []
        for number, (start, stop) in enumerate(zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True)):
            some, least, most = rows[start:stop], low[start:stop], high[start:stop]
            keep = np.ones(len(some), np.bool_)
            if by_person and len(some):
                people = self._person_ids[some]
                starts = np.flatnonzero(np.diff(people, prepend=people[0] - 1))
                least = np.maximum.reduceat(least, starts)
                # Of a person only what can be the nearest.
                keep = most >= final(np.repeat(least, np.diff(starts, append=len(some))))
            limit = max(best[number], largest(least[None], k).min() if len(least) > k else -np.inf)
            nearest.append(some[keep & (most >= final(np.float32(limit)))])
        return nearest


def final(scores: Any) -> Any:
    """Return limits as they hold for final scores, which end at -1 and 1 whatever rounding makes of them."""
    return np.where(scores <= -1, -np.inf, np.minimum(scores, np.float32(1)))


def largest(values: FloatArray, k: int) -> FloatArray:
    """Return the k largest of each line of (P, N), N >= k, in any order."""
    if values.shape[1] == k:
        return values
    return np.asarray(np.partition(values, values.shape[1] - k, axis=1)[:, -k:], np.float32)
