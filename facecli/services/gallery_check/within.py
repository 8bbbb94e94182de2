"""Who needs a closer look: people whose photos do not all agree, and those with copies of one photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.services.gallery_check.left_out import person_starts
from facecli.types import FloatArray

Rows = NDArray[np.int64]

MOST_COMPARED: Final = 1024
"""Templates of one person that are compared with each other, the newest: work grows with the square of their number."""

# Scores held at a time: 16 MB of float32.
BLOCK_SCORES: Final = 2**22


def notable_people(vectors: FloatArray, owners: Rows, agreement: float, copy: float) -> tuple[list[Rows], list[Rows]]:
    """Find people to look at more closely.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
        Unit vectors, sorted by person.
    owners : ndarray of shape (T,), int64
    agreement : float
        Photos of one person score so with at least one of them.
    copy : float
        Copies of one photo score so.

    Returns
    -------
    apart, copied : list of ndarray of int64
        The rows of each person who has no photo that agrees with all others, and of each who has copies.
    """
    apart, copied = [], []
    for rows in _people(owners):
        people = vectors[rows]
        scores = people @ people.transpose(0, 2, 1)
        size = rows.shape[1]
        scores[:, np.arange(size), np.arange(size)] = agreement
        agrees = np.all(scores >= agreement, axis=2).any(axis=1)
        apart += list(rows[~agrees])
        scores[:, np.arange(size), np.arange(size)] = -1
        copied += list(rows[(scores >= copy).any(axis=(1, 2))])
    return apart, copied


def _people(owners: Rows) -> Iterator[Rows]:
    """Yield the rows of people with several templates, (P, k): as many people at once as have equally many."""
    starts = person_starts(owners)
    stops = np.append(starts[1:], len(owners))
    starts = np.maximum(starts, stops - MOST_COMPARED)
    for size in np.unique(stops - starts).tolist():
        if size < 2:
            continue
        firsts = starts[stops - starts == size]
        together = max(1, BLOCK_SCORES // size**2)
        for at in range(0, len(firsts), together):
            yield firsts[at : at + together, None] + np.arange(size)


def closure(links: NDArray[np.bool_], seed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what a chain of links leads to from some rows, these included.

    Parameters
    ----------
    links : ndarray of shape (n, n), bool
    seed : ndarray of shape (n,), bool
    """
    while True:
        grown = seed | links[:, seed].any(axis=1)
        if (grown == seed).all():
            return seed
        seed = grown


def groups(links: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return rows that are linked with each other, by a chain of links, the largest group first."""
    left = np.ones(len(links), np.bool_)
    found = []
    while left.any():
        seed = np.zeros(len(links), np.bool_)
        seed[left.argmax()] = True
        group = closure(links, seed)
        found.append(np.flatnonzero(group))
        left &= ~group
    return sorted(found, key=len, reverse=True)
