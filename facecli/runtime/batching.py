"""Calls of several threads, run by one network together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from facecli.errors import DeviceMemoryError
from facecli.runtime.batch_limit import BatchLimit
from facecli.runtime.network import Network
from facecli.types import FloatArray, PixelArray

Allocate = Callable[[tuple[int, ...]], PixelArray]
"""Makes an array of a shape, uint8, whose content does not matter."""


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's pictures, and what became of them."""

    pictures: PixelArray
    outputs: dict[str, FloatArray] | None = None
    error: BaseException | None = None
    leads: bool = False
    woken: threading.Event = field(default_factory=threading.Event)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.pictures.shape[1:]


class BatchingNetwork:
    """Merges the calls that wait for a network into batches of pictures of one size.

    A caller that finds the network free runs at once, alone: one caller never waits. Callers that come meanwhile wait,
    and then the one who has waited longest runs its own pictures and those of all others of the same size. So batches
    are as large as the network is slow, there is no thread to start or to stop, and nobody is overtaken for ever.

    Batches are filled up with black pictures to a power of two (or the limit): few shapes have to be prepared by the
    device, and a picture meets few kernels, whatever its company.

    Parameters
    ----------
    network : Network
        Runs the batches. Where it raises `DeviceMemoryError` the batch is run again in halves, and later batches are
        kept to the pixels of such a half.
    limit : BatchLimit
        How many pictures run together at most; told how long batches took. A call with more is run in parts.
    in_flight : int
        Batches in the network at once: with two, one is put together while the other is computed.
    allocate : callable
        Makes the array in which a batch is put together.
    """

    def __init__(
        self,
        network: Network,
        limit: BatchLimit,
        *,
        in_flight: int = 1,
        allocate: Allocate = lambda shape: np.empty(shape, np.uint8),
    ) -> None:
        self._network = network
        self._limit = limit
        self._allocate = allocate
        self._lock = threading.Lock()
        self._free = in_flight  # above 0 only while nobody waits
        self._waiting: deque[_Call] = deque()

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch together with those of other threads; see `facecli.runtime.network.Network`.

        Raises
        ------
        Exception
            What the network raised on the batch that held these pictures.
        """
        call = _Call(pictures)
        with self._lock:
            if self._free:
                self._free -= 1
                call.leads = True
            else:
                self._waiting.append(call)
        try:
            if not call.leads:
                call.woken.wait()  # until it is answered, or its turn to lead
            if call.leads:
                self._lead(call)
        finally:  # also when a wait is interrupted: nobody may wait for a leader that is gone
            self._leave(call)
        if call.error is not None:
            raise call.error
        return call.outputs or {}

    def _lead(self, call: _Call) -> None:
        """Run a call and those of its size that wait."""
        batch = [call]
        try:
            self._gather(batch)
            answers = self._run(batch)
            for member, answer in zip(batch, answers, strict=True):
                member.outputs = answer
        except BaseException as error:
            for member in batch[1:]:
                member.error = error
            raise
        finally:
            for member in batch[1:]:
                member.woken.set()

    def _leave(self, call: _Call) -> None:
        """Hand the place in the network to whoever has waited longest."""
        with self._lock:
            if not call.leads:
                if call in self._waiting:
                    self._waiting.remove(call)
                return
            heir = self._waiting.popleft() if self._waiting else None
            if heir is None:
                self._free += 1
                return
            heir.leads = True
        heir.woken.set()

    def _gather(self, batch: list[_Call]) -> None:
        """Move waiting calls of the same size into a batch, as far as they fit, the oldest first."""
        shape = batch[0].shape
        with self._lock:
            room = self._limit.of(shape) - len(batch[0].pictures)
            for each in list(self._waiting):
                if each.shape == shape and len(each.pictures) <= room:
                    room -= len(each.pictures)
                    self._waiting.remove(each)
                    batch.append(each)

    def _size(self, count: int, shape: tuple[int, ...]) -> int:
        """Pictures that a batch of so many is filled up to."""
        return min(1 << (count - 1).bit_length(), self._limit.of(shape))

    def _run(self, batch: Sequence[_Call]) -> list[dict[str, FloatArray]]:
        """Run the pictures of several calls, in parts where they do not fit at once."""
        pictures = batch[0].pictures if len(batch) == 1 else [one for call in batch for one in call.pictures]
        shape = batch[0].shape
        parts: list[dict[str, FloatArray]] = []
        start = 0
        while start < len(pictures):
            count = min(self._limit.of(shape), len(pictures) - start)
            size = self._size(count, shape)
            try:
                with self._limit.timed(shape, count):
                    parts.append(self._run_part(pictures[start : start + count], size))
            except DeviceMemoryError:
                if size == 1:
                    raise
                self._limit.lower(shape, size)
            else:
                start += count
        outputs = parts[0]
        if len(parts) > 1:
            outputs = {name: np.concatenate([part[name] for part in parts]) for name in outputs}
        ends = np.cumsum([len(call.pictures) for call in batch])
        return [
            {name: value[end - len(call.pictures) : end] for name, value in outputs.items()}
            for call, end in zip(batch, ends, strict=True)
        ]

    def _run_part(self, pictures: PixelArray | Sequence[PixelArray], size: int) -> dict[str, FloatArray]:
        """Run pictures in a batch of a size."""
        count = len(pictures)
        if isinstance(pictures, np.ndarray) and count == size:
            return self._network(pictures)
        filled = self._allocate((size, *pictures[0].shape))
        for row, picture in enumerate(pictures):
            filled[row] = picture
        filled[count:] = 0
        return {name: value[:count] for name, value in self._network(filled).items()}
