"""How fast things are done, by as many threads as a scan has."""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from facecli.errors import FacecliError

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Rate:
    """Things done in a stretch of time.

    Attributes
    ----------
    count : int
    seconds : float
        Wall time.
    cpu_seconds : float
        Of all threads of the process.
    """

    count: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def per_second(self) -> float | None:
        """Things a second; None if nothing was done."""
        return self.count / self.seconds if self.count else None

    @property
    def ms_each(self) -> float | None:
        """Wall time of one in milliseconds, as many threads as usual being at work; None if nothing was done."""
        return self.seconds / self.count * 1000 if self.count else None

    @property
    def cpu_ms_each(self) -> float | None:
        """Processor time of one in milliseconds; None if nothing was done."""
        return self.cpu_seconds / self.count * 1000 if self.count else None


class Watch:
    """Wall and processor time from when it was made.

    Parameters
    ----------
    seconds : float
        After which the time is up.
    """

    def __init__(self, seconds: float) -> None:
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self._seconds = seconds

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() - self._started >= self._seconds

    def rate(self, count: int) -> Rate:
        """Return the rate of so many things, until now."""
        return Rate(count, time.perf_counter() - self._started, time.process_time() - self._cpu_started)


class _Shared(Generic[Thing]):
    """Things handed out one by one to several threads."""

    def __init__(self, things: Iterator[Thing]) -> None:
        self._things = things
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Thing]:
        while True:
            with self._lock:
                try:
                    thing = next(self._things)
                except StopIteration:
                    return
            yield thing


def repeat(
    things: Sequence[Thing],
    work: Callable[[Thing], Any],
    threads: int,
    seconds: float,
    rounds: int | None = None,
    *,
    count: Callable[[Thing], int] = lambda _: 1,
) -> Rate:
    """Work on things in threads, over and over, until the time is up.

    Parameters
    ----------
    things : sequence
    work : callable
        What it raises of `FacecliError` means that the thing is not counted.
    threads : int
    seconds : float
    rounds : int, optional
        Stop when each thing was worked on so many times; by default there is no such end.
    count : callable
        How much each thing counts.

    Returns
    -------
    Rate
        Of nothing where there are no things.
    """
    if not things:
        return Rate()
    endless = itertools.cycle(things)
    shared = _Shared(endless if rounds is None else itertools.islice(endless, rounds * len(things)))
    done = [0] * threads
    watch = Watch(seconds)

    def run(number: int) -> None:
        for thing in shared:
            with contextlib.suppress(FacecliError):
                work(thing)
                done[number] += count(thing)
            if watch.is_over:
                return

    workers = [threading.Thread(target=run, args=(number,), name="bench") for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return watch.rate(sum(done))


def peak_memory_bytes() -> int | None:
    """Return the most memory that this process has held so far, or None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024  # Linux counts in kB
