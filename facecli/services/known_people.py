"""Everybody enrolled as one searchable crowd, that grows while people are enrolled."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.errors import ModelMismatchError
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.types import FloatArray

# Rows that the buffer of new templates begins with; it doubles whenever it is full.
FIRST_ROWS: Final = 64


class Lookalike(NamedTuple):
    """The nearest person who is called otherwise."""

    name: str
    score: float


class KnownPeople:
    """Templates of one model: those of a gallery, read once, and those added since.

    Reading a gallery anew after each person would take as long as its size times the people enrolled.

    Parameters
    ----------
    gallery : Gallery or None
        None where there is none yet.
    model_id : str
    """

    def __init__(self, gallery: Gallery | None, model_id: str) -> None:
        self._matrix = _read(gallery, model_id)
        self._person_ids = {name: person_id for person_id, name in self._matrix.names.items()} if self._matrix else {}
        self._new_vectors: FloatArray = np.empty((0, 0), np.float32)
        self._new_owners: NDArray[np.int64] = np.empty(0, np.int64)
        self._new_count = 0
        self._new_names: dict[str, int] = {}

    def __len__(self) -> int:
        return (len(self._matrix.template_ids) if self._matrix else 0) + self._new_count

    def add(self, name: str, vector: FloatArray) -> None:
        """Add a template of a person."""
        used = self._new_count
        if used == len(self._new_vectors):
            grown = np.empty((max(FIRST_ROWS, 2 * used), len(vector)), np.float32)
            if used:
                grown[:used] = self._new_vectors
            self._new_vectors = grown
            self._new_owners = np.resize(self._new_owners, len(grown)) if used else np.empty(len(grown), np.int64)
        self._new_vectors[used] = vector
        self._new_owners[used] = self._new_names.setdefault(name, len(self._new_names))
        self._new_count += 1

    def nearest_other(self, vector: FloatArray, name: str) -> Lookalike | None:
        """Return the nearest template's person among all who are not called `name`; None where there is nobody.

        Parameters
        ----------
        vector : ndarray of shape (D,), float32
            Unit vector.
        name : str
        """
        found = []
        if (matrix := self._matrix) is not None:
            scores = matrix.vectors @ vector
            own = self._person_ids.get(name)
            if own is not None:
                scores[slice(*np.searchsorted(matrix.person_ids, [own, own + 1]))] = -np.inf
            row = int(scores.argmax())
            found.append(Lookalike(matrix.names[int(matrix.person_ids[row])], float(scores[row])))
        if self._new_count:
            scores = self._new_vectors[: self._new_count] @ vector
            owners = self._new_owners[: self._new_count]
            scores[owners == self._new_names.get(name, -1)] = -np.inf
            row = int(scores.argmax())
            found.append(Lookalike(list(self._new_names)[owners[row]], float(scores[row])))
        found = [each for each in found if each.score > -np.inf]
        return max(found, key=lambda each: each.score, default=None)


def _read(gallery: Gallery | None, model_id: str) -> TemplateMatrix | None:
    if gallery is None:
        return None
    try:
        matrix = gallery.matrix(model_id)
    except ModelMismatchError:  # all templates are another model's, which these cannot be compared with
        return None
    return matrix if len(matrix.template_ids) else None
