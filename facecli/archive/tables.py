"""Vectors from elsewhere with a name each: what .npz and .csv files of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from facecli.archive.format import MAX_DIMENSION
from facecli.errors import InputError
from facecli.types import UNIT_NORM_TOLERANCE, FloatArray

TABLE_SUFFIXES: Final = (".npz", ".csv")


@dataclass(frozen=True, slots=True, eq=False)
class VectorTable:
    """Named vectors.

    Attributes
    ----------
    path : str
    vectors : ndarray of shape (N, D), float32
        Finite; of any length other than zero.
    names : sequence of N str
    sources : sequence of N str
        What each was made from; the file and the row where nothing is said of it.
    qualities : sequence of N floats
        0 to 1; 1 where nothing is said.
    model : str or None
        What the file says that they come from, a model's name or id.

    Raises
    ------
    InputError
        With code ``bad_table``, if there are none, a number is missing, infinite or none, or a vector is zero.
    """

    path: str
    vectors: FloatArray
    names: Sequence[str]
    sources: Sequence[str]
    qualities: Sequence[float]
    model: str | None = None

    def __post_init__(self) -> None:
        count, dimension = self.vectors.shape
        if not count:
            raise bad_table(self.path, "it holds no vectors")
        if not 0 < dimension <= MAX_DIMENSION:
            raise bad_table(self.path, f"its vectors have {dimension:,} numbers, and {MAX_DIMENSION:,} are allowed")
        for what, values in (("names", self.names), ("sources", self.sources), ("qualities", self.qualities)):
            if len(values) != count:
                raise bad_table(self.path, f"it holds {count:,} vectors and {len(values):,} {what}")
        self._refuse_row(~np.isfinite(self.vectors).all(axis=1), "a number that is infinite or none")
        self._refuse_row(~self.vectors.any(1), "nothing but zeros")
        self._refuse_row(~np.array([0 <= each <= 1 for each in self.qualities]), "a quality that is not from 0 to 1")

    def _refuse_row(self, is_wrong: ArrayLike, what: str) -> None:
        found = np.flatnonzero(is_wrong)
        if found.size:
            row = int(found[0])
            raise bad_table(self.path, f"vector {row + 1}, of {self.names[row]!a}, has {what}")

    def units(self, *, is_raw: bool, centre: Sequence[float] = ()) -> FloatArray:
        """Return the vectors as templates of a model hold them, of unit length.

        Parameters
        ----------
        is_raw : bool
            Whether they are as a network gives them: then they are scaled to unit length, the model's centre is taken
            away, and they are scaled again, as an embedder does.
        centre : sequence of D floats
            Of the model; none if empty.

        Raises
        ------
        InputError
            With code ``not_unit_length``, if they are not raw, nor of unit length.
        """
        lengths = np.linalg.norm(self.vectors.astype(np.float64), axis=1, keepdims=True)
        if is_raw:
            vectors = self.vectors / lengths
            if centre:
                vectors -= np.asarray(centre, np.float64)
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            return np.asarray(vectors, np.float32)
        far = np.flatnonzero(np.abs(lengths[:, 0] - 1) > UNIT_NORM_TOLERANCE)
        if far.size:
            row = int(far[0])
            raise InputError(
                f"vector {row + 1} of {self.path}, of {self.names[row]}, has length {lengths[row, 0]:.4g}, not 1",
                hint="If the vectors are as the network gives them, say so with --raw.",
                code="not_unit_length",
            )
        return self.vectors


def read_table(path: Path) -> VectorTable:
    """Read a file by what its name ends in.

    Raises
    ------
    InputError
        With code ``bad_table`` or ``cannot_read``.
    """
    from facecli.archive.csv_table import read_csv
    from facecli.archive.npz_table import read_npz

    readers: dict[str, Callable[[Path], VectorTable]] = {".npz": read_npz, ".csv": read_csv}
    return readers[path.suffix.lower()](path)


def row_sources(path: Path, count: int) -> list[str]:
    """Return what stands for the sources of rows that name none."""
    return [f"{path.name}#{row}" for row in range(1, count + 1)]


def bad_table(path: str, what: str) -> InputError:
    """Return the error for a file of vectors that cannot be used."""
    return InputError(
        f"{path} cannot be imported: {what}",
        hint="Nothing was imported. What such a file holds stands in: facecli gallery import --help",
        code="bad_table",
    )
