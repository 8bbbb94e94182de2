"""How many pictures run together at most: said beforehand, or found out while they run."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

FIRST_BATCH: Final = 8
"""Where the search begins: few enough for any device that is worth using, and for its first answers to come soon."""

MOST_BATCH: Final = 64
"""Where it ends at the latest: twice as many photos are in hand, so that one batch can fill while another runs."""

# What twice the pictures at once must gain, or they only take memory. Above what the fastest of `RUNS` varies by.
LEAST_GAIN: Final = 1.05

# Full batches of a size that are timed. The first on each lane prepares kernels and memory; the fastest counts.
RUNS: Final = 6


@dataclass(slots=True)
class _Trial:
    """How far the search has come for pictures of one shape."""

    size: int
    last_size: int = 0  # the one before, and how many pictures a second it gave
    last_rate: float = 0.0
    runs: int = 0
    fastest_s: float = math.inf
    is_over: bool = False


class BatchLimit:
    """The most pictures of a shape that run together.

    Of each shape it begins with `first`, and doubles as long as full batches of the doubled size give more pictures a
    second than those before. A batch that did not fit into memory ends that, and bounds the pixels of all shapes.

    Parameters
    ----------
    first, most : int
        Bounds of the search; equal where somebody said how many.
    clock : callable
        Tells the time in seconds.
    """

    def __init__(
        self, first: int = FIRST_BATCH, most: int = MOST_BATCH, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._first = min(first, most)
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._most_pixels = sys.maxsize
        self._trials: dict[tuple[int, ...], _Trial] = {}
        self._running = 0
        self._told_s = 0.0  # when `_device_s` was brought up to date
        self._device_s = 0.0  # time in which batches ran, divided by how many shared the device

    def of(self, shape: tuple[int, ...]) -> int:
        """Return how many pictures of a shape, (height, width, channels), may run together."""
        trial = self._trials.get(shape)
        return min(trial.size if trial else self._first, self._bound(shape))

    def _bound(self, shape: tuple[int, ...]) -> int:
        return min(self._most, max(1, self._most_pixels // math.prod(shape[:2])))

    def lower(self, shape: tuple[int, ...], count: int) -> None:
        """Take note that so many pictures did not fit into memory: half of them may."""
        with self._lock:
            self._most_pixels = min(self._most_pixels, count // 2 * math.prod(shape[:2]))
            self._trials.setdefault(shape, _Trial(self._first)).is_over = True

    @contextmanager
    def timed(self, shape: tuple[int, ...], count: int) -> Iterator[None]:
        """Time a batch, and go on with the search if it is a full one that ends well."""
        with self._lock:
            started_s = self._shared_s()
            self._running += 1
        ended_well = False
        try:
            yield
            ended_well = True
        finally:
            with self._lock:
                taken_s = self._shared_s() - started_s
                self._running -= 1
                if ended_well:
                    self._note(shape, count, taken_s)

    def _shared_s(self) -> float:
        """Tell the time of the device in seconds: two batches at once have half of it each."""
        now = self._clock()
        self._device_s += (now - self._told_s) / max(1, self._running)
        self._told_s = now
        return self._device_s

    def _note(self, shape: tuple[int, ...], count: int, taken_s: float) -> None:
        trial = self._trials.setdefault(shape, _Trial(self._first))
        if trial.is_over or count != self.of(shape):
            return
        trial.runs += 1
        trial.fastest_s = min(trial.fastest_s, taken_s)
        if trial.runs < RUNS:
            return
        rate = count / max(trial.fastest_s, sys.float_info.min)
        if rate < LEAST_GAIN * trial.last_rate:
            trial.size, trial.is_over = trial.last_size, True
        elif 2 * count > self._bound(shape):
            trial.is_over = True
        else:
            self._trials[shape] = _Trial(2 * count, count, rate)
