"""Rows of a matrix, wherever they lie."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class RowSource(Protocol):
    """Gives rows of a matrix; one that reads a file makes sure of what it gives."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def slice(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` to before `stop`, without copying them."""

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of some rows."""


class ArrayRows:
    """Rows of an array in memory.

    Parameters
    ----------
    array : ndarray of shape (T, ...)
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self._array.shape

    def slice(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` to before `stop`, without copying them."""
        return self._array[start:stop]

    def take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a copy of some rows."""
        taken: NDArray[Any] = self._array[rows]
        return taken
