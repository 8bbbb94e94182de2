"""A network whose arithmetic is counted where it is called."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from facecli.runtime.network import Network
from facecli.types import FloatArray, PixelArray


class CountedNetwork:
    """A network that counts the arithmetic it is asked for.

    Parameters
    ----------
    network : Network
    picture_flops : callable
        Floating point operations for a picture of this height and width.
    """

    def __init__(self, network: Network, picture_flops: Callable[[int, int], int]) -> None:
        self._network = network
        self._picture_flops = picture_flops
        self._pictures: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch; see `facecli.runtime.network.Network`."""
        count, height, width, _ = pictures.shape
        with self._lock:
            self._pictures[height, width] += count
        return self._network(pictures)

    @property
    def flops(self) -> int:
        """Floating point operations so far."""
        with self._lock:
            pictures = dict(self._pictures)
        return sum(count * self._picture_flops(*size) for size, count in pictures.items())
