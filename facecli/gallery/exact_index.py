"""Exact nearest-neighbour search, by template and by person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.errors import InputError, ModelMismatchError
from facecli.types import FloatArray

BLOCK_SCORES: Final = 2**24
"""Scores held at a time: 64 MB of float32."""

# Scores are first looked through in groups of so many (128 and 32 measured 20 % slower for 1,000 probes).
GROUP_SIZE: Final = 64

# Rows scored again at a time: 16 MB of 128-D float64.
RESCORE_ROWS: Final = 2**14

FLOAT32_ROUNDOFF: Final = 2.0**-24


class PersonScore(NamedTuple):
    """The best template of a person for one probe."""

    person_id: int
    template_id: int
    score: float


class ExactIndex:
    """Compares probes with every template.

    A matrix product in float32 finds who can be among the best, and those few are scored again in float64, one by
    one. So the score of a probe and a template is the same number in whatever company they are compared, equal
    templates get equal scores, and ties go to the lower row.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
        Unit vectors.
    person_ids, template_ids : ndarray of shape (T,), int64, optional
        Whose and which each row is, sorted by person; needed by `top_people`. By default each row is a person.
    block_scores : int
        Scores held at a time.

    Raises
    ------
    InputError
        If the shapes contradict each other or the rows are not sorted by person.
    """

    def __init__(
        self,
        vectors: FloatArray,
        person_ids: NDArray[np.int64] | None = None,
        template_ids: NDArray[np.int64] | None = None,
        *,
        block_scores: int = BLOCK_SCORES,
    ) -> None:
        self._vectors = np.ascontiguousarray(vectors, np.float32)
        if self._vectors.ndim != 2:
            raise InputError(f"the templates have shape {vectors.shape}, expected (T, D)")
        rows = np.arange(len(self._vectors), dtype=np.int64)
        self._person_ids = rows if person_ids is None else np.asarray(person_ids, np.int64)
        self._template_ids = rows if template_ids is None else np.asarray(template_ids, np.int64)
        if self._person_ids.shape != rows.shape or self._template_ids.shape != rows.shape:
            raise InputError("every template needs one person_id and one template_id")
        if (np.diff(self._person_ids) < 0).any():
            raise InputError("the templates are not sorted by person")
        self._block_scores = max(1, block_scores)
        # What float32 may be off for unit vectors, twice: for the score and for the bound it is compared with.
        self._slack = np.float32(2 * self._vectors.shape[1] * FLOAT32_ROUNDOFF)

    def __len__(self) -> int:
        return len(self._vectors)

    def search(self, probes: FloatArray, k: int) -> tuple[FloatArray, NDArray[np.int64]]:
        """Find the nearest templates of each probe.

        Parameters
        ----------
        probes : ndarray of shape (P, D), float32
            Unit vectors.
        k : int
            How many; fewer come back where there are fewer templates.

        Returns
        -------
        scores : ndarray of shape (P, min(k, T)), float32
            Cosine similarities, the highest first.
        rows : ndarray of shape (P, min(k, T)), int64
            Of `vectors`; the lower row first where scores are equal.

        Raises
        ------
        InputError
            If a probe is not finite, or `k` is not positive.
        ModelMismatchError
            If the probes have another number of dimensions than the templates.
        """
        probes = self._checked(probes, k)
        width = min(k, len(self))
        scores = np.empty((len(probes), width), np.float32)
        rows = np.empty((len(probes), width), np.int64)
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(len(probes))]
        for number, first_row, block in self._blocks(probes):
            bounds = _kth_bounds(block, k)
            for probe, (line, bound) in enumerate(zip(block, bounds, strict=True), number):
                found[probe].append(first_row + np.flatnonzero(line >= bound - self._slack))
        for probe, parts in enumerate(found):
            if width:
                ranked, exact = self._ranked(probes[probe], np.concatenate(parts))
                scores[probe], rows[probe] = exact[:width], ranked[:width]
        return scores, rows

    def top_people(self, probes: FloatArray, k: int) -> list[list[PersonScore]]:
        """Find the nearest people of each probe, each by the best of their rows: templates, and their mean as one more.

        Means of scores miss more people: see tests/bench/RESULTS.md and `facecli.gallery.person_means`.

        Parameters
        ----------
        probes : ndarray of shape (P, D), float32
            Unit vectors.
        k : int
            How many; fewer come back where there are fewer people.

        Returns
        -------
        list of list of PersonScore
            For each probe, the highest score first; the lower row first where scores are equal.

        Raises
        ------
        InputError, ModelMismatchError
            As `search`.
        """
        probes = self._checked(probes, k)
        found: list[list[NDArray[np.int64]]] = [[] for _ in range(len(probes))]
        for number, first_row, block in self._blocks(probes):
            people = self._person_ids[first_row : first_row + block.shape[1]]
            starts = np.flatnonzero(np.diff(people, prepend=people[0] - 1))
            bounds = _kth_bounds(block, k)
            for probe, (line, bound) in enumerate(zip(block, bounds, strict=True), number):
                rows = np.flatnonzero(line >= bound - self._slack)
                if len(np.unique(people[rows])) < min(k, len(starts)):
                    # The k nearest templates belong to fewer people: look at everybody's best.
                    best = np.maximum.reduceat(line, starts)
                    rows = np.flatnonzero(line >= _kth_largest(best[None], k)[0] - self._slack)
                found[probe].append(first_row + rows)
        return [
            self._best_of_people(probe, np.concatenate(parts), k) if parts else []
            for probe, parts in zip(probes, found, strict=True)
        ]

    def _checked(self, probes: FloatArray, k: int) -> FloatArray:
        if k < 1:
            raise InputError(f"{k} neighbours cannot be searched", hint="Ask for at least one.")
        probes = np.ascontiguousarray(probes, np.float32)
        if probes.ndim != 2:
            raise InputError(f"the probes have shape {probes.shape}, expected (P, D)")
        if len(self) and probes.shape[1] != self._vectors.shape[1]:
            raise ModelMismatchError(
                f"the probes have {probes.shape[1]} numbers and the templates {self._vectors.shape[1]}",
                hint="Both must come from the same model.",
            )
        if not np.isfinite(probes).all():
            raise InputError("a probe holds a number that is not finite")
        return probes

    def _blocks(self, probes: FloatArray) -> Iterator[tuple[int, int, FloatArray]]:
        """Yield (number of the first probe, number of the first row, scores (p, t)) over all of both."""
        row_count = min(len(self), self._block_scores)
        probe_count = max(1, self._block_scores // max(1, row_count))
        for probe in range(0, len(probes), probe_count):
            for row in range(0, len(self), max(1, row_count)):
                yield probe, row, probes[probe : probe + probe_count] @ self._vectors[row : row + row_count].T

    def _ranked(self, probe: FloatArray, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], FloatArray]:
        """Return `rows` with their final scores, the best first."""
        exact = np.empty(len(rows), np.float32)
        probe64 = probe.astype(np.float64)
        for start in range(0, len(rows), RESCORE_ROWS):
            some = rows[start : start + RESCORE_ROWS]
            # einsum adds up every row in the same order, which a matrix product does not promise.
            exact[start : start + RESCORE_ROWS] = np.einsum("nd,d->n", self._vectors[some].astype(np.float64), probe64)
        np.clip(exact, -1.0, 1.0, out=exact)  # unit vectors are so within rounding only
        order = np.lexsort((rows, -exact))
        return rows[order], exact[order]

    def _best_of_people(self, probe: FloatArray, rows: NDArray[np.int64], k: int) -> list[PersonScore]:
        ranked, exact = self._ranked(probe, rows)
        _, firsts = np.unique(self._person_ids[ranked], return_index=True)
        return [
            PersonScore(int(self._person_ids[ranked[i]]), int(self._template_ids[ranked[i]]), float(exact[i]))
            for i in np.sort(firsts)[:k]
        ]


def _kth_largest(values: FloatArray, k: int) -> FloatArray:
    """Return the k-th largest of each line of (P, N); minus infinity where there are not more than k."""
    count = values.shape[1]
    if k >= count:
        return np.full(len(values), -np.inf, np.float32)
    return np.asarray(np.partition(values, count - k, axis=1)[:, count - k], np.float32)


def _kth_bounds(scores: FloatArray, k: int) -> FloatArray:
    """Return for each line of (P, T) a number that its k-th largest score is not below, and close to it.

    The k-th largest of the maxima of disjoint groups is one: k groups reach it, each with a score of its own. It
    takes a 64th of the partition that the exact number would (5 ms against 180 ms for 167 x 100,000).
    """
    group_count = scores.shape[1] // GROUP_SIZE
    if group_count <= k:
        return _kth_largest(scores, k)
    grouped = scores[:, : group_count * GROUP_SIZE].reshape(len(scores), GROUP_SIZE, group_count)
    return _kth_largest(grouped.max(axis=1), k)
