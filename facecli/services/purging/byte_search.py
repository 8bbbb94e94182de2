"""Many strings of bytes searched in files of any size at once, at every offset."""

from __future__ import annotations

import mmap
from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Bytes looked through at a time: some arrays of a few times this size are held.
CHUNK_BYTES: Final = 2**22

# A longer needle is found by so many of its bytes, which are then compared in full.
ANCHOR_BYTES: Final = 8
# An anchor of fewer different bytes, such as zeros, is found everywhere.
LEAST_DISTINCT: Final = 4

RUN_BYTES: Final = 16
"""Of a row of numbers or a picture; by chance one is found in 2^128 places."""

_TABLE_BITS: Final = 20
# An odd number without any pattern, from the golden ratio (Knuth, The Art of Computer Programming, 6.4).
_FACTOR: Final = np.uint32(0x9E3779B1)


class Hit(NamedTuple):
    """A needle in a file."""

    needle: int
    offset: int


class ByteSearch:
    """Looks for strings of bytes.

    Parameters
    ----------
    needles : sequence of bytes
        None of them empty.
    """

    def __init__(self, needles: Sequence[bytes]) -> None:
        self.needles = tuple(needles)
        self._longest = max(map(len, self.needles), default=1)
        self._short: list[int] = []  # searched one by one
        anchored: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for number, needle in enumerate(self.needles):
            start = _anchor(needle)
            if start is None:
                self._short.append(number)
            else:
                anchored[int.from_bytes(needle[start : start + ANCHOR_BYTES], "little")].append((number, start))
        self._anchored = dict(anchored)
        self._keys = np.array(sorted(anchored), np.uint64)
        # Which anchors there can be, by a hash of their first four bytes.
        self._table = np.zeros(2**_TABLE_BITS, np.bool_)
        self._table[_hashed((self._keys & np.uint64(0xFFFFFFFF)).astype(np.uint32))] = True

    def in_file(self, path: Path) -> tuple[int, list[Hit]]:
        """Return the size of a file, and where in it the needles are.

        Not for a file that SQLite has open in this process: closing it would drop SQLite's locks.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with _mapped(path) as data:
            return len(data), list(self.in_bytes(data))

    def is_any_in(self, path: Path, needles: Container[int]) -> bool:
        """Say whether a file holds any of some needles, given by number; it is read up to the first.

        For the same files, with the same errors as `in_file`.
        """
        with _mapped(path) as data:
            return any(hit.needle in needles for hit in self.in_bytes(data))

    def in_bytes(self, data: bytes | mmap.mmap) -> Iterator[Hit]:
        """Yield where the needles are."""
        for number in self._short:
            offset = data.find(self.needles[number])
            while offset >= 0:
                yield Hit(number, offset)
                offset = data.find(self.needles[number], offset + 1)
        if self._anchored:
            overlap = 2 * self._longest + ANCHOR_BYTES
            for start in range(0, len(data), CHUNK_BYTES):
                # An anchor in this chunk, with all of its needle on either side.
                first = max(0, start - overlap)
                chunk = data[first : start + CHUNK_BYTES + overlap]
                yield from self._in_chunk(chunk, first, start - first)

    def _in_chunk(self, chunk: bytes, first: int, begin: int) -> Iterator[Hit]:
        places = self._candidates(chunk)
        for place in places[(places >= begin) & (places < begin + CHUNK_BYTES)].tolist():
            key = int.from_bytes(chunk[place : place + ANCHOR_BYTES], "little")
            for number, anchor in self._anchored[key]:
                needle, start = self.needles[number], place - anchor
                if start >= 0 and chunk[start : start + len(needle)] == needle:
                    yield Hit(number, first + start)

    def _candidates(self, chunk: bytes) -> NDArray[np.int64]:
        """Return where anchors are, sorted."""
        if len(chunk) < ANCHOR_BYTES:
            return np.empty(0, np.int64)
        found = []
        for shift in range(4):  # numbers of four bytes, from every offset
            words = np.frombuffer(chunk, "<u4", max(0, (len(chunk) - shift) // 4), offset=shift)
            found.append(np.flatnonzero(self._table[_hashed(words)]) * 4 + shift)
        places = np.sort(np.concatenate(found))
        places = places[places <= len(chunk) - ANCHOR_BYTES]
        if not len(places):
            return places
        data = np.frombuffer(chunk, np.uint8)
        keys = np.ascontiguousarray(data[places[:, None] + np.arange(ANCHOR_BYTES)]).view("<u8")[:, 0]
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        anchors: NDArray[np.int64] = places[self._keys[at] == keys]
        return anchors


@contextmanager
def _mapped(path: Path) -> Iterator[bytes | mmap.mmap]:
    with path.open("rb") as file:
        if not file.seek(0, 2):  # which cannot be mapped
            yield b""
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def runs(data: bytes, step: int = RUN_BYTES) -> list[bytes]:
    """Return pieces that give away a row of numbers, or a picture, of which only a part is left.

    With a step of `RUN_BYTES` any part of twice its bytes holds one of them.
    """
    pieces = [data[start : start + RUN_BYTES] for start in range(0, len(data) - RUN_BYTES + 1, step)]
    telling = [piece for piece in pieces if len(set(piece)) > RUN_BYTES // 2]
    return telling or [data]


def _anchor(needle: bytes) -> int | None:
    """Return where in a needle its most telling bytes are; None if it has none.

    The last ones of equals: names of files differ in their ends.
    """
    if len(needle) < ANCHOR_BYTES:
        return None
    starts = range(max(0, len(needle) - 4 * ANCHOR_BYTES), len(needle) - ANCHOR_BYTES + 1)
    best = max(starts, key=lambda start: (len(set(needle[start : start + ANCHOR_BYTES])), start))
    return best if len(set(needle[best : best + ANCHOR_BYTES])) >= LEAST_DISTINCT else None


def _hashed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    with np.errstate(over="ignore"):
        return np.asarray((words * _FACTOR) >> np.uint32(32 - _TABLE_BITS), np.uint32)
