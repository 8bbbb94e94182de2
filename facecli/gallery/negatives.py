"""Faces said not to be a person's, and whom they bar from being named."""

from __future__ import annotations

from itertools import groupby
from typing import Self

import numpy as np

from facecli.gallery.store import Gallery
from facecli.types import FloatArray


class Negatives:
    """What a gallery was told of who somebody is not, for one model.

    A face as near to one of a person's negatives as to that person, or nearer, is not theirs. Near to the person is
    what the search says: to the nearest of their templates, or to the mean of these if that is nearer. It barred every
    other photo of whoever had been mistaken for the person, and none of the person's own, however poor; with a margin
    of 0.1 to one side it named some of those, to the other it lost some of these (tests/bench/bench_not.py).

    The face itself is always barred: nothing is nearer to it than it is.

    Parameters
    ----------
    vectors : dict of int to ndarray of shape (n, D), float32
        By person_id.
    """

    def __init__(self, vectors: dict[int, FloatArray]) -> None:
        self._vectors = vectors

    @classmethod
    def of(cls, gallery: Gallery, model_id: str) -> Self:
        """Read those of a model; every checksum is verified.

        Raises
        ------
        GalleryError
            If the gallery cannot be read.
        """
        found = sorted(gallery.templates(model_id=model_id, is_negative=True), key=lambda each: each.person_id)
        return cls(
            {
                person_id: np.stack([each.embedding.vector for each in of_person])
                for person_id, of_person in groupby(found, key=lambda each: each.person_id)
            }
        )

    def __bool__(self) -> bool:
        return bool(self._vectors)

    def bars(self, person_id: int, probe: FloatArray, score: float) -> bool:
        """Say whether a face must not be given a person's name.

        Parameters
        ----------
        person_id : int
        probe : ndarray of shape (D,), float32
            Unit vector of the face.
        score : float
            Of the person for this face.
        """
        vectors = self._vectors.get(person_id)
        if vectors is None:
            return False
        # As the index scores templates, so that equal vectors have equal scores.
        scores = np.einsum("nd,d->n", vectors.astype(np.float64), probe.astype(np.float64))
        return bool(np.float32(min(scores.max(), 1.0)) >= np.float32(score))
