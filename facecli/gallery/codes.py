"""Templates in a byte a number, with a bound on what that costs: a quarter of the memory to read for each search."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.row_source import ArrayRows, RowSource
from facecli.types import FloatArray

LARGEST_CODE: Final = 127

# For vectors of nothing but zeros; two of them still multiply to more than nothing in float32.
LEAST_SCALE: Final = 1e-15

CODE_BLOCK: Final = 2**16
"""Rows that share a scale and a bound on their error, so that products can be compared as they are. One odd template
costs its neighbours a little precision, and nobody else. Their products stay in a core's own cache (256 kB)."""

# Rows encoded at a time: 1 MB of 128-D float32.
ENCODE_ROWS: Final = 2**11

FLOAT32_ROUNDOFF: Final[float] = 2.0**-24


class Codes(NamedTuple):
    """Vectors v as scale * code + error, in blocks of `CODE_BLOCK` rows.

    Attributes
    ----------
    codes : RowSource of shape (T, D), int8
    scales : ndarray of shape (ceil(T / CODE_BLOCK),), float32
        Of each block.
    errors : ndarray of shape (ceil(T / CODE_BLOCK),), float32
        The greatest length of an error in each block.
    lengths : ndarray of shape (ceil(T / CODE_BLOCK),), float32
        The greatest length of scale * code there.
    """

    codes: RowSource
    scales: FloatArray
    errors: FloatArray
    lengths: FloatArray


class EncodedBlock(NamedTuple):
    """At most `CODE_BLOCK` rows of `Codes`."""

    codes: NDArray[np.int8]
    scale: float
    error: float
    length: float


def encode_block(vectors: FloatArray) -> EncodedBlock:
    """Encode vectors with one scale.

    Parameters
    ----------
    vectors : ndarray of shape (n, D), float32
    """
    largest = max(vectors.max(initial=0.0), -vectors.min(initial=0.0))
    scale = np.float32(max(largest / LARGEST_CODE, LEAST_SCALE))
    codes = np.empty(vectors.shape, np.int8)
    error = length = 0.0
    for start, stop in parts(len(vectors), ENCODE_ROWS):
        some = vectors[start:stop]
        rounded = np.rint(some / scale)
        np.clip(rounded, -LARGEST_CODE, LARGEST_CODE, out=rounded)
        codes[start:stop] = rounded
        rounded *= scale
        length = max(length, _greatest_length(rounded))
        error = max(error, _greatest_length(some - rounded))
    return EncodedBlock(codes, float(scale), error, length)


def encode(vectors: FloatArray) -> Codes:
    """Encode all vectors, in memory.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
    """
    blocks = [encode_block(vectors[start:stop]) for start, stop in parts(len(vectors), CODE_BLOCK)]
    codes = np.concatenate([np.empty((0, vectors.shape[1]), np.int8), *(block.codes for block in blocks)])
    facts = np.array([block[1:] for block in blocks], np.float32).reshape(-1, 3)
    return Codes(ArrayRows(codes), *facts.T)


def _greatest_length(vectors: FloatArray) -> float:
    """Return a number that no vector is longer than, for all that rounding does to it."""
    squares: FloatArray = np.einsum("nd,nd->n", vectors, vectors)
    # The sum is off by a rounding for each term, and what is summed by two roundings of a unit vector.
    inexact: float = 2 * vectors.shape[1] * FLOAT32_ROUNDOFF
    return math.sqrt(float(squares.max(initial=0.0))) * (1 + inexact) + 4 * FLOAT32_ROUNDOFF


@cache
def has_kernel() -> bool:
    """Whether the products of codes can be had fast here: simsimd is installed (``facecli[index]``)."""
    return importlib.util.find_spec("simsimd") is not None


class CodeScores:
    """Scores of some probes with encoded templates, and how far they may be off.

    With v = s c + e and q = t d + f, v.q differs from s t c.d by e.q + (s c).f, so by no more than |e| |q| + |s c| |f|
    (Cauchy-Schwarz). Sums of products of bytes are whole numbers, hence exact.

    Parameters
    ----------
    codes : Codes
    probes : ndarray of shape (P, D), float32
    """

    def __init__(self, codes: Codes, probes: FloatArray) -> None:
        from simsimd import cdist

        self._products = cdist
        self._codes = codes
        encoded = [encode_block(probe[None]) for probe in probes]
        self._probe_codes = np.concatenate([each.codes for each in encoded])
        self._probe_scales = np.array([each.scale for each in encoded], np.float32)
        lengths = np.linalg.norm(probes.astype(np.float64), axis=1)[:, None]
        lost = np.array([each.error for each in encoded])[:, None]
        # Of each block of codes, (P, blocks). Then the rounding of three float32 products, and of this bound.
        self._errors = (lengths * codes.errors + lost * codes.lengths + 8 * FLOAT32_ROUNDOFF).astype(np.float32)

    def __call__(self, start: int, stop: int) -> ScoreBlock:
        """Return the scores with the rows from `start` to before `stop`, all of them of one block of codes."""
        # Not into an array of ours (out=): simsimd 6.5.16 then gives up a reference to None that it does not have.
        products: FloatArray = np.asarray(
            self._products(self._probe_codes, self._codes.codes.slice(start, stop), "dot", out_dtype="float32")
        )
        block = start // CODE_BLOCK
        return ScoreBlock(products, self._probe_scales * self._codes.scales[block], self._errors[:, block])


class ScoreBlock(NamedTuple):
    """Scores of P probes with n templates, as products that are still to be scaled.

    Attributes
    ----------
    products : ndarray of shape (P, n), float32
    scales : ndarray of shape (P,), float32
    error : ndarray of shape (P,), float32
        Bound on the error of products * scales.
    """

    products: FloatArray
    scales: FloatArray
    error: FloatArray

    def scores(self) -> FloatArray:
        """All scores, (P, n)."""
        return self.products * self.scales[:, None]

    def hits(self, limits: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
        """Return which probes and rows may have scores that reach `limits` (P,), and what these are."""
        least = (limits - self.error) / self.scales
        flat = np.flatnonzero(self.products >= least[:, None])
        number, row = np.divmod(flat, self.products.shape[1])
        return number, row, self.products.reshape(-1)[flat] * self.scales[number]


def parts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive parts of at most `size`."""
    for start in range(0, count, size):
        yield start, min(start + size, count)
