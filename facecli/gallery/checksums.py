"""Checksums of what a gallery holds: a bit that flips is noticed before it can name anybody.

CRC-32 finds every change of up to 32 bits in a row, and another one but once in four thousand million. It is no
protection against somebody who means to change the file: they can change the checksum too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike

# Odd numbers of 64 bits with no pattern (from the golden ratio, and from xxHash): every bit of an id reaches the seed.
_TEMPLATE_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)
_PERSON_FACTOR: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_NEGATIVE_FACTOR: Final = np.uint64(0x165667B19E3779F9)
_LOW: Final = np.uint64(0xFFFFFFFF)


def template_checksums(
    vectors: Sequence[bytes], template_ids: ArrayLike, person_ids: ArrayLike, negative: ArrayLike = 0
) -> list[int]:
    """Return the checksum of each template: of its vector, of which it is, and whose.

    Parameters
    ----------
    vectors : sequence of bytes
        As they lie in the file.
    template_ids, person_ids : int or array of int
        0 for a template that is nobody's.
    negative : bool or array of bool
        Whether it says who the person is not.

    Raises
    ------
    TypeError
        If a vector is no bytes.
    """
    ids, owners = (np.asarray(each, np.int64).astype(np.uint64) for each in (template_ids, person_ids))
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is wanted
        mixed = ids * _TEMPLATE_FACTOR + owners * _PERSON_FACTOR + np.asarray(negative, np.uint64) * _NEGATIVE_FACTOR
    seeds = (mixed ^ (mixed >> np.uint64(32))) & _LOW
    return list(map(crc32, vectors, np.broadcast_to(seeds, len(vectors)).tolist()))


def text_checksum(*parts: str | bytes | float | None) -> int:
    """Return the checksum of texts and numbers."""
    return crc32(repr(parts).encode())
