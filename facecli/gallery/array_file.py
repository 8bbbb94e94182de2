"""Arrays in one file, mapped into memory and checked piece by piece when they are first looked at.

Layout, all numbers little-endian: a block of `BLOCK_BYTES` that begins with `MAGIC`, offset, length (uint64 each) and
BLAKE2b-128 of the footer; the arrays, each from the beginning of a block; the footer: length (uint32) of a JSON text,
that text, and the CRC-32 of every block. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GalleryCorruptError

MAGIC: Final = b"facecli arrays\n\x01"
BLOCK_BYTES: Final = 2**16
"""Bytes under one checksum: little to read for one row (128 templates of 128-D), and few checksums (13 kB a GB)."""

# A footer tells of arrays and blocks: this would be a file of 60 TB.
MOST_FOOTER_BYTES: Final = 2**32

HEAD: Final = struct.Struct("<16sQQ16s")


class DamagedFileError(GalleryCorruptError):
    """The file is not as it was written. It is a cache: it can be made again."""

    code = "index_damaged"


class ArrayFile:
    """An open file of arrays.

    Attributes
    ----------
    path : Path
    facts : dict
        What its writer noted beside the arrays.

    Raises
    ------
    DamagedFileError
        If it is incomplete or damaged.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            footer, size = _read_footer(file, path)
            # Of the file that is open, whoever gives its name to another meanwhile. Never written to: a new version is
            # a new file under the same name, and this mapping keeps the old one.
            self._bytes = np.memmap(file, np.uint8, "r", shape=(size,))
        try:
            (length,) = struct.unpack_from("<I", footer)
            text = json.loads(footer[4 : 4 + length])
            self._checksums = np.frombuffer(footer, "<u4", offset=4 + length + -length % 4)
            self.facts: dict[str, Any] = text["facts"]
            self._places: dict[str, dict[str, Any]] = text["arrays"]
        except (ValueError, KeyError, TypeError, RecursionError, struct.error) as error:
            raise _damaged(path) from error
        self._sound = np.zeros(len(self._checksums), np.bool_)

    def rows(self, name: str) -> FileRows:
        """Return an array whose rows are checked when they are taken."""
        return FileRows(self, name)

    def array(self, name: str) -> NDArray[Any]:
        """Return an array, all of it checked."""
        array = self._unchecked(name)
        self.check(name, 0, array.nbytes)
        return array

    def names(self) -> tuple[str, ...]:
        """Return what the arrays are called."""
        return tuple(self._places)

    def check_all(self) -> None:
        """Check every block, of those that were not before."""
        for name in self._places:
            self.array(name)

    def check(self, name: str, start: int, stop: int) -> None:
        """Check the blocks that hold the bytes of an array from `start` to before `stop`.

        Raises
        ------
        DamagedFileError
            If one is not as it was written.
        """
        offset = self._places[name]["offset"]
        first, last = (offset + start) // BLOCK_BYTES, -(-(offset + stop) // BLOCK_BYTES)
        if not self._sound[first:last].all():
            self._check_blocks(np.flatnonzero(~self._sound[first:last]) + first)

    def check_blocks_of(self, name: str, row_bytes: int, rows: NDArray[np.int64]) -> None:
        """Check the blocks that hold some rows of an array; raises as `check`."""
        first = self._places[name]["offset"] + rows * row_bytes
        blocks = np.unique(np.concatenate([first, first + row_bytes - 1]) // BLOCK_BYTES)
        if not self._sound[blocks].all():
            self._check_blocks(blocks[~self._sound[blocks]])

    def _check_blocks(self, blocks: NDArray[np.int64]) -> None:
        for block in blocks.tolist():
            data = self._bytes[block * BLOCK_BYTES : (block + 1) * BLOCK_BYTES]
            if crc32(data.data) != self._checksums[block]:
                raise _damaged(self.path)
            self._sound[block] = True

    def _unchecked(self, name: str) -> NDArray[Any]:
        place = self._places[name]
        dtype, shape = np.dtype(place["dtype"]), tuple(place["shape"])
        size = dtype.itemsize * int(np.prod(shape))
        # As a plain array: every slice of a memmap is looked at for the file it maps.
        part = np.asarray(self._bytes)[place["offset"] : place["offset"] + size]
        array: NDArray[Any] = part.view(dtype).reshape(shape)
        return array


class FileRows:
    """Rows of an array in a file, checked when they are taken.

    Parameters
    ----------
    file : ArrayFile
    name : str
        Of the array.
    """

    def __init__(self, file: ArrayFile, name: str) -> None:
        self._file, self._name = file, name
        self._array = file._unchecked(name)
        self._row_bytes = self._array.strides[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self._array.shape

    def slice(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` to before `stop`, without copying them."""
        self._file.check(self._name, start * self._row_bytes, stop * self._row_bytes)
        return self._array[start:stop]

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of some rows."""
        self._file.check_blocks_of(self._name, self._row_bytes, rows)
        taken: NDArray[Any] = self._array[rows]
        return taken


def _read_footer(file: BinaryIO, path: Path) -> tuple[bytes, int]:
    """Return the footer and the size of the file."""
    size = os.fstat(file.fileno()).st_size
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        raise _damaged(path)
    magic, offset, length, digest = HEAD.unpack(head)
    if magic != MAGIC or offset + length != size or length > MOST_FOOTER_BYTES:
        raise _damaged(path)
    file.seek(offset)
    footer = file.read(length)
    if digest_of_footer(footer) != digest:
        raise _damaged(path)
    return footer, size


def digest_of_footer(data: bytes) -> bytes:
    """Return the digest that stands at the beginning of a file."""
    return hashlib.blake2b(data, digest_size=16).digest()


def _damaged(path: Path) -> DamagedFileError:
    return DamagedFileError(
        f"the search file {path} is damaged",
        hint="Remove it: facecli gallery index --remove. What is needed is made again.",
    )
