"""Vectors in a CSV file: columns ``name``, ``embedding`` or ``e0``, ``e1``…, and ``source``, ``quality``, ``model``."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from facecli.archive.fields import decode
from facecli.archive.format import MAX_DIMENSION, unreadable
from facecli.archive.tables import VectorTable, bad_table, row_sources
from facecli.types import FloatArray

# The longest vector allowed, of numbers with all their digits.
_MOST_ROW: Final = 25 * MAX_DIMENSION
_BETWEEN_NUMBERS: Final = re.compile(r"[\s,;]+")


def read_csv(path: Path) -> VectorTable:
    """Read a CSV file, as ``facecli embed --format csv`` writes one among others.

    Raises
    ------
    InputError
        With code ``bad_table`` or ``cannot_read``.
    """
    limit = csv.field_size_limit(_MOST_ROW)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _read(path, stream)
    except OSError as error:
        raise unreadable(str(path), error) from error
    except UnicodeDecodeError as error:
        raise bad_table(str(path), f"it is no text in UTF-8 ({error.reason} at byte {error.start:,})") from error
    except csv.Error as error:
        raise bad_table(str(path), f"it is no CSV ({error})") from error
    finally:
        csv.field_size_limit(limit)


@dataclass(slots=True)
class _Rows:
    """What was read so far."""

    vectors: list[FloatArray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    qualities: list[float] = field(default_factory=list)
    models: set[str] = field(default_factory=set)


def _read(path: Path, stream: TextIO) -> VectorTable:
    lines = _Lines(str(path), stream)
    reader = csv.reader(lines)
    header = [each.strip().lower() for each in next(reader, [])]
    columns = _Columns.of(str(path), header)
    rows = _Rows()
    for number, cells in enumerate(reader, start=2):
        lines.row_bytes = 0
        if cells:
            columns.read(str(path), number, cells, rows)
    if len(rows.models) > 1:
        raise bad_table(str(path), f"it holds vectors of several models: {', '.join(sorted(rows.models))}")
    count = len(rows.names)
    vectors = np.stack(rows.vectors) if count else np.empty((0, 0), np.float32)
    sources = [said or usual for said, usual in zip(rows.sources, row_sources(path, count), strict=True)]
    return VectorTable(str(path), vectors, rows.names, sources, rows.qualities, next(iter(rows.models), None))


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what stands, by index; -1 where it does not."""

    name: int
    vector: Sequence[int]
    is_whole: bool  # a vector stands in one cell
    source: int
    quality: int
    model: int
    width: int

    @classmethod
    def of(cls, path: str, header: list[str]) -> _Columns:
        for column in ("name", "embedding", "e0", "source", "path", "quality", "model"):
            if header.count(column) > 1:
                raise bad_table(path, f"its first line names the column {column} twice")
        places = {column: place for place, column in enumerate(header)}
        if "name" not in places:
            raise bad_table(path, "its first line names no column called name")
        dimension = 0
        while f"e{dimension}" in places:
            dimension += 1
        is_whole = "embedding" in places
        vector = [places["embedding"]] if is_whole else [places[f"e{each}"] for each in range(dimension)]
        if not vector:
            raise bad_table(path, "its first line names neither a column called embedding, nor e0, e1…")
        source = places.get("source", places.get("path", -1))
        quality, model = places.get("quality", -1), places.get("model", -1)
        return cls(places["name"], vector, is_whole, source, quality, model, len(header))

    def read(self, path: str, number: int, cells: list[str], rows: _Rows) -> None:
        """Read a row."""
        if len(cells) != self.width:
            raise bad_table(path, f"row {number} has {len(cells):,} columns, and the first {self.width:,}")
        try:
            vector = self._vector(cells)
            quality = float(cells[self.quality]) if self.quality >= 0 and cells[self.quality] else 1.0
        except ValueError as error:
            raise bad_table(path, f"row {number}, of {cells[self.name]!a}, has what is no number ({error})") from error
        if rows.vectors and len(vector) != len(rows.vectors[0]):
            raise bad_table(
                path, f"row {number} has a vector of {len(vector):,} numbers, and the first {len(rows.vectors[0]):,}"
            )
        rows.vectors.append(vector)
        rows.qualities.append(quality)
        rows.names.append(cells[self.name])
        rows.sources.append(cells[self.source] if self.source >= 0 else "")
        if self.model >= 0 and cells[self.model]:
            rows.models.add(cells[self.model])

    def _vector(self, cells: list[str]) -> FloatArray:
        texts: Sequence[object] = [cells[place] for place in self.vector]
        if self.is_whole:
            texts = _numbers(cells[self.vector[0]])
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused for it
            return np.array([float(each) for each in texts], np.float64).astype(np.float32)  # type: ignore[arg-type]


def _numbers(text: str) -> Sequence[object]:
    """Split a cell that holds a whole vector: a JSON list, or numbers with blanks or commas between them."""
    text = text.strip()
    if not text.startswith("["):
        return [each for each in _BETWEEN_NUMBERS.split(text) if each]
    found = decode(text.encode())
    if not isinstance(found, list) or not all(isinstance(each, int | float) for each in found):
        raise ValueError("not a list of numbers")
    return found


class _Lines:
    """The lines of a file for `csv`, none, nor any row of several, too long."""

    def __init__(self, path: str, stream: TextIO) -> None:
        self._path = path
        self._stream = stream
        self._number = 0
        self.row_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(_MOST_ROW + 1)
        if not line:
            raise StopIteration
        self._number += 1
        self.row_bytes += len(line)
        if self.row_bytes > _MOST_ROW:
            raise bad_table(self._path, f"the row at line {self._number:,} is longer than {_MOST_ROW:,} letters")
        return line
