"""Exact nearest-neighbour search, by template and by person."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.errors import InputError, ModelMismatchError
from facecli.gallery.block_scan import BLOCK_SCORES, block_finder
from facecli.gallery.candidate_rows import RowFinder
from facecli.gallery.row_source import ArrayRows, RowSource
from facecli.types import FloatArray

# Rows scored again at a time: 16 MB of 128-D float64.
RESCORE_ROWS: Final = 2**14

MISSING: Final = -1
"""Instead of a row: none was found."""


class PersonScore(NamedTuple):
    """The best template of a person for one probe."""

    person_id: int
    template_id: int
    score: float


class ExactIndex:
    """Compares probes with templates.

    A finder tells which rows can be among the nearest, and those few are scored in float64, one by one. So the score of
    a probe and a template is the same number in whatever company they are compared, equal templates get equal scores,
    and ties go to the lower row: whether the finder looked through float32, codes, or on another device. By default no
    row is missed that belongs to the answer.

    Parameters
    ----------
    vectors : RowSource, or ndarray of shape (T, D), float32
        Unit vectors.
    person_ids, template_ids : ndarray of shape (T,), int64, optional
        Whose and which each row is, sorted by person; needed by `top_people`. By default each row is a person.
    finder : RowFinder, optional
        Of the same rows; by default one that looks through all `vectors`.
    block_scores : int
        Scores held at a time by that one.

    Raises
    ------
    InputError
        If the shapes contradict each other or the rows are not sorted by person.
    """

    def __init__(
        self,
        vectors: RowSource | FloatArray,
        person_ids: NDArray[np.int64] | None = None,
        template_ids: NDArray[np.int64] | None = None,
        *,
        finder: RowFinder | None = None,
        block_scores: int = BLOCK_SCORES,
    ) -> None:
        if isinstance(vectors, np.ndarray):
            vectors = ArrayRows(np.ascontiguousarray(vectors, np.float32))
        self._vectors = vectors
        if len(vectors.shape) != 2:
            raise InputError(f"the templates have shape {vectors.shape}, expected (T, D)")
        rows = np.arange(len(self), dtype=np.int64)
        self._person_ids = rows if person_ids is None else np.asarray(person_ids, np.int64)
        self._template_ids = rows if template_ids is None else np.asarray(template_ids, np.int64)
        if self._person_ids.shape != rows.shape or self._template_ids.shape != rows.shape:
            raise InputError("every template needs one person_id and one template_id")
        if (np.diff(self._person_ids) < 0).any():
            raise InputError("the templates are not sorted by person")
        self._finder = finder or block_finder(vectors, self._person_ids, block_scores=block_scores)

    def __len__(self) -> int:
        return self._vectors.shape[0]

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
            Of `vectors`; the lower row first where scores are equal. `MISSING`, with a score of minus infinity, where
            a finder that is not exact found fewer.

        Raises
        ------
        InputError
            If a probe is not finite, or `k` is not positive.
        ModelMismatchError
            If the probes have another number of dimensions than the templates.
        """
        probes = self._checked(probes, k)
        width = min(k, len(self))
        scores = np.full((len(probes), width), -np.inf, np.float32)
        rows = np.full((len(probes), width), MISSING, np.int64)
        if width:
            for number, found in enumerate(self._finder.find(probes, k, by_person=False)):
                ranked, exact = self._ranked(probes[number], found)
                scores[number, : len(ranked)], rows[number, : len(ranked)] = exact[:width], ranked[:width]
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
        if not len(self):
            return [[] for _ in probes]
        found = self._finder.find(probes, k, by_person=True)
        return [self._best_of_people(probe, rows, k) for probe, rows in zip(probes, found, strict=True)]

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

    def _ranked(self, probe: FloatArray, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], FloatArray]:
        """Return `rows` with their final scores, the best first."""
        exact = np.empty(len(rows), np.float32)
        probe64 = probe.astype(np.float64)
        for start in range(0, len(rows), RESCORE_ROWS):
            some = rows[start : start + RESCORE_ROWS]
            # einsum adds up every row in the same order, which a matrix product does not promise.
            exact[start : start + RESCORE_ROWS] = np.einsum(
                "nd,d->n", self._vectors.take(some).astype(np.float64), probe64
            )
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
