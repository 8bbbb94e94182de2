"""Scores of photos with their own person's others, each photo left out of what it is compared with."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.person_means import LEAST_LENGTH
from facecli.types import FloatArray

NO_SCORE: Final = -2.0
"""Below every cosine: there is nothing to compare with, or nothing near enough to be looked at."""

# Scores held at a time where somebody has many templates: 32 MB of float64.
BLOCK_SCORES: Final = 2**22


def person_starts(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each person; `owners` is sorted."""
    return np.flatnonzero(np.diff(owners, prepend=-1)) if len(owners) else np.empty(0, np.int64)


def person_mean(vectors: FloatArray) -> FloatArray:
    """Return the mean of a person's templates as a unit vector; zeros where they cancel each other out."""
    mean = vectors.astype(np.float64).mean(axis=0)
    length = np.linalg.norm(mean)
    return np.asarray(mean / length if length > LEAST_LENGTH else np.zeros_like(mean), np.float32)


def own_scores(vectors: FloatArray, owners: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score each template with its person as if it had not been enrolled: the best of the others and their mean.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
        Unit vectors, sorted by person.
    owners : ndarray of shape (T,), int64

    Returns
    -------
    ndarray of shape (T,), float64
        `NO_SCORE` where the person has no other template.
    """
    best = np.full(len(owners), NO_SCORE)
    starts = person_starts(owners)
    sizes = np.diff(starts, append=len(owners))
    for size in np.unique(sizes[sizes > 1]).tolist():  # people with as many templates at once
        firsts = starts[sizes == size]
        together = max(1, BLOCK_SCORES // (size * max(size, vectors.shape[1])))
        for at in range(0, len(firsts), together):
            rows = firsts[at : at + together, None] + np.arange(size)
            best[rows] = _scores_of_people(vectors[rows].astype(np.float64))
    return best


def _scores_of_people(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score (P, k, D) templates of P people; (P, k)."""
    people, size, _ = vectors.shape
    total = vectors.sum(axis=1, keepdims=True)
    # v . (total - v) / |total - v|
    products = (vectors * total).sum(axis=2)
    rest = np.sqrt(np.maximum((total**2).sum(axis=2) - 2 * products + 1, 0))
    best = np.full((people, size), NO_SCORE)
    sure = rest > LEAST_LENGTH * (size - 1)
    best[sure] = ((products - 1) / np.where(sure, rest, 1))[sure]
    step = max(1, BLOCK_SCORES // (people * size))
    for start in range(0, size, step):
        scores = vectors[:, start : start + step] @ vectors.transpose(0, 2, 1)
        count = scores.shape[1]
        scores[:, np.arange(count), np.arange(start, start + count)] = NO_SCORE
        best[:, start : start + step] = np.maximum(best[:, start : start + step], scores.max(axis=2))
    return best
