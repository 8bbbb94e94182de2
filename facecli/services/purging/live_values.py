"""Why bytes that were looked for are in a SQLite file all the same: a row that is to stay holds them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from facecli.services.purging.byte_search import ByteSearch

CONTEXT_BYTES: Final = 32
"""Beside what was found, compared with what is beside it in the row: as much as there is, up to this."""

_BATCH_BYTES: Final = 2**22


class Place(NamedTuple):
    """Where a needle was found, with the bytes beside it."""

    needle: int
    left: bytes
    right: bytes


class LiveValues:
    """Texts and blobs of all rows of a file that hold any of some needles.

    Parameters
    ----------
    path : Path
        A SQLite file that nobody changes meanwhile.
    needles : sequence of bytes

    Raises
    ------
    sqlite3.Error
        If it cannot be read.
    """

    def __init__(self, path: Path, needles: Sequence[bytes]) -> None:
        self._contexts: dict[tuple[int, int, int], dict[bytes, str]] = {}
        search = ByteSearch(needles)
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.text_factory = bytes
            for column, values in _batches(connection):
                ends = np.cumsum([len(value) for value in values])
                for needle, offset in search.in_bytes(b"".join(values)):
                    row = int(np.searchsorted(ends, offset, "right"))
                    value = values[row]
                    self._add(needle, value, offset - int(ends[row]) + len(value), len(needles[needle]), column)

    def _add(self, needle: int, value: bytes, start: int, length: int, column: str) -> None:
        if start + length > len(value):  # it is of two values that happened to be joined
            return
        left = value[max(0, start - CONTEXT_BYTES) : start]
        right = value[start + length : start + length + CONTEXT_BYTES]
        known = self._contexts.setdefault((needle, len(left), len(right)), {})
        columns = known.get(left + right)
        if columns is None:
            known[left + right] = column
        elif not columns.endswith(column):  # columns come one after the other
            known[left + right] = f"{columns}, {column}"

    def explain(self, places: Iterable[Place]) -> tuple[Counter[tuple[int, str]], Counter[int]]:
        """Return how many places of each needle are in rows, by column, and how many are not, by needle."""
        explained: Counter[tuple[int, str]] = Counter()
        unexplained: Counter[int] = Counter()
        sizes: dict[int, list[tuple[int, int]]] = {}
        for needle, left, right in self._contexts:
            sizes.setdefault(needle, []).append((left, right))
        for place in places:
            for left, right in sizes.get(place.needle, ()):
                beside = place.left[len(place.left) - left :] + place.right[:right]
                column = self._contexts[place.needle, left, right].get(beside) if left <= len(place.left) else None
                if column is not None:
                    explained[place.needle, column] += 1
                    break
            else:
                unexplained[place.needle] += 1
        return explained, unexplained


def _batches(connection: sqlite3.Connection) -> Iterator[tuple[str, list[bytes]]]:
    """Yield texts and blobs, many at a time, each batch of one column."""
    tables = [row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        columns = [row[1].decode() for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]
        for column in columns:
            values: list[bytes] = []
            size = 0
            for (value,) in connection.execute(
                f"SELECT {_quoted(column)} FROM {_quoted(table)}"  # noqa: S608  # names that the file gives
                f" WHERE typeof({_quoted(column)}) IN ('text', 'blob')"
            ):
                values.append(value)
                size += len(value)
                if size > _BATCH_BYTES:
                    yield f"{table}.{column}", values
                    values, size = [], 0
            if values:
                yield f"{table}.{column}", values


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
