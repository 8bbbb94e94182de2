"""Writing a file of arrays, whole or not at all; see `facecli.gallery.array_file` for what it looks like."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.array_file import BLOCK_BYTES, HEAD, MAGIC, digest_of_footer

TEMPORARY: Final = ".tmp"
# No file takes longer to write: what is older was left by a process that was killed.
TEMPORARY_AGE_S: Final = 3600.0


class ArrayWriter:
    """Writes a file of arrays; several can grow at the same time.

    Parameters
    ----------
    file : binary file
        Blank.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = BLOCK_BYTES
        self._places: dict[str, dict[str, Any]] = {}
        self._written: dict[str, int] = {}
        self._checksums: dict[int, int] = {}

    def reserve(self, name: str, dtype: str, row_shape: tuple[int, ...], most_rows: int) -> None:
        """Make room for an array of at most so many rows."""
        dtype_of = np.dtype(dtype).newbyteorder("<")
        self._places[name] = {"dtype": dtype_of.str, "shape": [0, *row_shape], "offset": self._end}
        self._written[name] = 0
        size = dtype_of.itemsize * int(np.prod(row_shape)) * most_rows
        self._end += -(-size // BLOCK_BYTES) * BLOCK_BYTES

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Write the next rows of an array."""
        place = self._places[name]
        data = np.ascontiguousarray(rows, np.dtype(place["dtype"])).reshape(-1).view(np.uint8).data
        position = place["offset"] + self._written[name]
        self._file.seek(position)
        self._file.write(data)
        start = 0
        while start < len(data):
            block, inside = divmod(position + start, BLOCK_BYTES)
            stop = min(len(data), start + BLOCK_BYTES - inside)
            self._checksums[block] = crc32(data[start:stop], self._checksums.get(block, 0))
            start = stop
        self._written[name] += len(data)
        place["shape"][0] += len(rows)

    def close(self, facts: Mapping[str, object]) -> None:
        """Fill up the last blocks and write down what the file holds."""
        for name, place in self._places.items():
            end = place["offset"] + self._written[name]
            gap = bytes(-end % BLOCK_BYTES)
            if gap:
                self._file.seek(end)
                self._file.write(gap)
                block = end // BLOCK_BYTES
                self._checksums[block] = crc32(gap, self._checksums[block])
        text = json.dumps({"facts": dict(facts), "arrays": self._places}).encode()
        checksums = np.zeros(self._end // BLOCK_BYTES, "<u4")
        checksums[list(self._checksums)] = list(self._checksums.values())
        footer = struct.pack("<I", len(text)) + text + bytes(-len(text) % 4) + checksums.tobytes()
        self._file.seek(self._end)
        self._file.write(footer)
        self._file.seek(0)
        self._file.write(HEAD.pack(MAGIC, self._end, len(footer), digest_of_footer(footer)))


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a new file, readable by its owner alone, that takes the place of `path` when it is complete.

    Several processes may do so at once: each writes a file of its own, and the last one stays.

    Raises
    ------
    OSError
        If it cannot be written; `path` is as it was.
    """
    remove_temporary(path)
    # mkstemp makes it with mode 0600 under a name that nobody has.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=TEMPORARY)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)  # not waited for the disk: what a power cut takes, the checksums tell, and it is made again
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def remove_temporary(path: Path) -> None:
    """Remove what killed processes left of earlier attempts to write `path`."""
    for left in path.parent.glob(f"{_escaped(path.name)}*{TEMPORARY}"):
        with suppress(OSError):  # another process was faster
            if time.time() - left.stat().st_mtime > TEMPORARY_AGE_S:
                left.unlink()


def _escaped(name: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in name)


def joined(texts: Iterable[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return texts as bytes one after another, and where each begins and the last one ends."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends
