"""The mean of a person's templates, searched beside them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.records import TemplateMatrix
from facecli.types import FloatArray

MEAN: Final = 0
"""Stands for a template_id where a row is the mean of a person's templates; real ones begin at 1."""

# Templates that cancel each other out have no mean direction. No two photos of one person come near that.
LEAST_LENGTH: Final = 1e-3

# Templates worked on at a time, rounded up to whole people: 4 MB of 128-D float64 stay in a processor's cache, and take
# a third of the time of 64 MB.
BLOCK_ROWS: Final = 2**12


class Block(NamedTuple):
    """Some whole people's rows, as in `TemplateMatrix`."""

    vectors: FloatArray
    template_ids: NDArray[np.int64]
    person_ids: NDArray[np.int64]


def with_means(matrix: TemplateMatrix) -> TemplateMatrix:
    """Add a row to each person of several templates: their mean, scaled to unit length, behind them.

    What photos have in common is the person, so their mean is nearer to a poor photo of them than each photo is. The
    best of templates and mean missed fewer people than the best template alone, and never more, in
    tests/bench/bench_person_score.py; means of scores missed more.

    Parameters
    ----------
    matrix : TemplateMatrix
        As a gallery gives it.

    Returns
    -------
    TemplateMatrix
        The same one where everybody has one template.
    """
    ids = matrix.person_ids
    most = most_rows(ids)
    if most == len(ids):
        return matrix
    vectors = np.empty((most, matrix.vectors.shape[1]), np.float32)
    template_ids, person_ids = np.empty(most, np.int64), np.empty(most, np.int64)
    filled = 0
    for block in blocks_with_means(matrix):
        part = slice(filled, filled + len(block.vectors))
        vectors[part], template_ids[part], person_ids[part] = block
        filled = part.stop
    arrays = vectors[:filled], template_ids[:filled], person_ids[:filled]
    for array in arrays:
        array.flags.writeable = False
    return replace(matrix, vectors=arrays[0], template_ids=arrays[1], person_ids=arrays[2])


def most_rows(person_ids: NDArray[np.int64]) -> int:
    """Return how many rows there are with means, at most; `person_ids` is sorted."""
    starts = _starts(person_ids)
    return len(person_ids) + int(np.count_nonzero(np.diff(starts, append=len(person_ids)) > 1))


def blocks_with_means(matrix: TemplateMatrix, size: int = BLOCK_ROWS) -> Iterator[Block]:
    """Yield the rows of `with_means` in parts, so that nothing large is held twice.

    Parameters
    ----------
    matrix : TemplateMatrix
        As a gallery gives it.
    size : int
        Templates at a time; a few more where a person's would be cut in two.
    """
    starts = np.append(_starts(matrix.person_ids), len(matrix.person_ids))
    first = 0
    while first < len(starts) - 1:
        last = min(int(np.searchsorted(starts, starts[first] + size)), len(starts) - 1)
        rows = slice(int(starts[first]), int(starts[last]))
        yield _with_means(
            Block(matrix.vectors[rows], matrix.template_ids[rows], matrix.person_ids[rows]),
            starts[first : last + 1] - starts[first],
        )
        first = last


def _with_means(block: Block, borders: NDArray[np.int64]) -> Block:
    """Add the means of whole people, whose rows begin and end at `borders`."""
    counts = np.diff(borders)
    several = counts > 1
    if not several.any():
        return block
    means = np.add.reduceat(block.vectors.astype(np.float64), borders[:-1], axis=0)[several] / counts[several, None]
    lengths = np.linalg.norm(means, axis=1)
    sure = lengths > LEAST_LENGTH
    behind = borders[1:][several][sure]
    return Block(
        np.insert(block.vectors, behind, (means[sure] / lengths[sure, None]).astype(np.float32), axis=0),
        np.insert(block.template_ids, behind, MEAN),
        np.insert(block.person_ids, behind, block.person_ids[behind - 1]),
    )


def _starts(person_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first row of each person."""
    if not len(person_ids):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.diff(person_ids, prepend=person_ids[0] - 1))
