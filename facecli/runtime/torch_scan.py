"""All templates of a gallery looked through in torch: on a GPU, for whoever has millions of them and one."""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from facecli.errors import DeviceError, MachineError
from facecli.runtime.device import Device
from facecli.types import UNIT_NORM_TOLERANCE, FloatArray

BLOCK_SCORES: Final = 2**26
"""Scores held at a time: 256 MB of float32."""

# Rows of which only the greatest score is looked at first.
GROUP_SIZE: Final = 64

# Rows copied to the device at a time: 128 MB of 128-D.
COPY_ROWS: Final = 2**18

FLOAT32_ROUNDOFF: Final = 2.0**-24
BFLOAT16_ROUNDOFF: Final = 2.0**-8
"""Of each factor, where less than float32 is allowed; TF32 keeps more bits."""


class Vectors(Protocol):
    """Rows of a matrix, as a gallery has them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""

    def slice(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows from `start` to before `stop`."""


class TorchScan:
    """Scores templates that stay on a device, and brings back what can be among the nearest.

    A `facecli.gallery.candidate_rows.RowScan`: scores are off by rounding only, and the few that come back are scored
    again on the processor, so that the answers are the same to the last bit.

    Parameters
    ----------
    vectors : Vectors of shape (T, D), float32
        Unit vectors.
    person_ids : ndarray of shape (T,), int64
        Sorted.
    device : Device
    block_scores : int
        Scores held at a time.

    Raises
    ------
    DeviceError
        If the templates do not fit on the device.
    MachineError
        If torch cannot be imported.
    """

    def __init__(
        self, vectors: Vectors, person_ids: NDArray[np.int64], device: Device, *, block_scores: int = BLOCK_SCORES
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MachineError(f"torch cannot be imported: {error}", hint="Install it: pip install torch") from error
        self._torch = torch
        self._device = str(device)
        self._block_scores = block_scores
        count, dimension = vectors.shape
        rounding = (dimension + 8) * FLOAT32_ROUNDOFF
        if torch.get_float32_matmul_precision() != "highest":  # nothing of ours asks for less
            rounding += 3 * BFLOAT16_ROUNDOFF
        self._error = np.float32(rounding * (1 + UNIT_NORM_TOLERANCE) ** 2)
        padded = count + -count % GROUP_SIZE
        try:
            self._vectors = torch.zeros((padded, dimension), device=self._device)
            for start in range(0, count, COPY_ROWS):
                rows = np.array(vectors.slice(start, min(start + COPY_ROWS, count)))  # torch wants to be able to write
                self._vectors[start : start + len(rows)] = torch.from_numpy(rows)
            # A group counts only rows of people who begin in it, so that no two groups tell of one person.
            counts = np.full(padded, -np.inf, np.float32)
            counts[:count][_first_rows(person_ids) // GROUP_SIZE == np.arange(count) // GROUP_SIZE] = 0
            self._counts = torch.from_numpy(counts).to(self._device)
        except torch.OutOfMemoryError as error:
            raise DeviceError(
                f"the {count:,} templates of the gallery do not fit on {device}", hint="Search with --device cpu."
            ) from error
        self._count = count

    def __call__(
        self, probes: FloatArray, k: int
    ) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64], FloatArray, FloatArray]:
        """Return what can be among the `k` nearest people; see `facecli.gallery.candidate_rows.Found`."""
        torch, error = self._torch, float(self._error)
        asked = torch.from_numpy(np.array(probes)).to(self._device)
        tops = torch.full((len(probes), k), -torch.inf, device=self._device)
        groups = max(1, self._block_scores // (GROUP_SIZE * len(probes)))
        found: list[tuple[Any, Any, Any]] = []
        with torch.inference_mode():
            for start in range(0, len(self._vectors), groups * GROUP_SIZE):
                rows = slice(start, start + groups * GROUP_SIZE)
                scores = asked @ self._vectors[rows].T
                maxima = (scores + self._counts[rows]).unflatten(1, (-1, GROUP_SIZE)).amax(2) - error
                tops = torch.cat([tops, maxima], 1).topk(k, 1).values
                limits = tops[:, -1]
                # Final scores end at -1 and 1, whatever rounding makes of them.
                limits = torch.where(limits <= -1, -torch.inf, limits.clamp(max=1)) - error
                number, row = (scores >= limits[:, None]).nonzero(as_tuple=True)
                found.append((number, row + start, scores[number, row]))
            numbers, places, hits = (torch.cat(column).cpu().numpy() for column in zip(*found, strict=True))
        real = places < self._count  # zeros fill up the last group
        hits = hits[real]
        return tops.cpu().numpy(), numbers[real], places[real], hits - self._error, hits + self._error


def _first_rows(person_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row the first one of the same person."""
    if not len(person_ids):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.diff(person_ids, prepend=person_ids[0] - 1))
    return np.repeat(starts, np.diff(starts, append=len(person_ids)))
