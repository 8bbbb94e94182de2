"""Templates in a byte a number, with a bound on what that costs: a quarter of the memory to read for each search."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.row_source import ArrayRows, RowSource
from facecli.types import FloatArray

LARGEST_CODE: Final = 127

CODE_BLOCK: Final = 4096
"""Rows that share one bound on their error: one odd template costs its neighbours a little precision, nobody else."""

FLOAT32_ROUNDOFF: Final = 2.0**-24


class Codes(NamedTuple):
    """Vectors v as scale * code + error.

    Attributes
    ----------
    codes : RowSource of shape (T, D), int8
    scales : ndarray of shape (T,), float32
    errors : ndarray of shape (ceil(T / CODE_BLOCK),), float32
        The greatest length of an error among the rows of each block.
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
    scales: FloatArray
    error: float
    length: float


def encode_block(vectors: FloatArray) -> EncodedBlock:
    """Encode vectors, each with a scale of its own.

    Parameters
    ----------
    vectors : ndarray of shape (n, D), float32
    """
    scales = (np.abs(vectors).max(axis=1, initial=0.0) / LARGEST_CODE).astype(np.float32)
    safe = np.where(scales > 0, scales, np.float32(1))
    codes = np.clip(np.rint(vectors / safe[:, None]), -LARGEST_CODE, LARGEST_CODE).astype(np.int8)
    decoded = codes * scales[:, None].astype(np.float64)
    return EncodedBlock(codes, scales, _greatest_length(vectors - decoded), _greatest_length(decoded))


def encode(vectors: FloatArray) -> Codes:
    """Encode all vectors, in memory.

    Parameters
    ----------
    vectors : ndarray of shape (T, D), float32
    """
    blocks = [encode_block(vectors[start : start + CODE_BLOCK]) for start in range(0, len(vectors), CODE_BLOCK)]
    codes = np.concatenate([np.empty((0, vectors.shape[1]), np.int8), *(block.codes for block in blocks)])
    return Codes(
        ArrayRows(codes),
        np.concatenate([np.empty(0, np.float32), *(block.scales for block in blocks)]),
        np.array([block.error for block in blocks], np.float32),
        np.array([block.length for block in blocks], np.float32),
    )


def _greatest_length(vectors: NDArray[np.float64]) -> float:
    greatest = np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max(initial=0.0))
    return float(np.nextafter(np.float32(greatest), np.float32(np.inf)))  # never below, once it is float32


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
        self._codes = codes
        encoded = [encode_block(probe[None]) for probe in probes]
        self._probe_codes = np.concatenate([each.codes for each in encoded])
        self._probe_scales = np.array([each.scales[0] for each in encoded], np.float32)[:, None]
        self._probe_errors = np.array([each.error for each in encoded])
        self._probe_lengths = np.linalg.norm(probes.astype(np.float64), axis=1)
        # Rounding of three float32 products, and of the exact score to float32; relative to scores of at most 1.
        self._rounding = 8 * FLOAT32_ROUNDOFF

    def __call__(self, start: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Return scores (P, stop - start) and for each probe a bound on their error, (P,)."""
        from simsimd import cdist

        products = cdist(self._probe_codes, self._codes.codes.slice(start, stop), "dot", out_dtype="float32")
        scores: FloatArray = np.asarray(products)
        scores *= self._codes.scales[start:stop]
        scores *= self._probe_scales
        blocks = slice(start // CODE_BLOCK, -(-stop // CODE_BLOCK))
        error = self._codes.errors[blocks].max(initial=0.0) * self._probe_lengths
        error = error + self._codes.lengths[blocks].max(initial=0.0) * self._probe_errors + self._rounding
        return scores, np.nextafter(error.astype(np.float32), np.float32(np.inf))


def parts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of consecutive parts of at most `size`."""
    for start in range(0, count, size):
        yield start, min(start + size, count)
