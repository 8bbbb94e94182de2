"""How batches get through a device in torch: threads, streams, pinned memory, and cuDNN's settings."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, TypeVar

import numpy as np

from facecli.runtime.device import Device
from facecli.types import FloatArray, PixelArray

Answer = TypeVar("Answer")

# Batches in a CUDA device at once: while one is computed, another is put together, copied or read.
LANES: Final = 2

# cuDNN's search tries ten kernels for every layer, several times each, so it takes as long as some dozen runs; if it
# finds what saves a tenth, that is paid back after some hundred. Estimated, not measured.
SEARCH_AFTER: Final = 256

# torch's flags for cuDNN belong to the process, so that one thread's would end another's.
_FLAGS: Final = threading.Lock()


class Lanes:
    """Ways through a device: on CUDA a few threads with a stream each; elsewhere the thread that calls.

    A batch is copied there, computed and copied back on one stream, in order; another batch's copies and kernels on
    another stream fill the gaps. Arrays that the device reads and writes lie in pinned memory, without which CUDA's
    copies are made in two steps and never beside a kernel.

    The threads are few and stay because torch keeps what cuDNN has found out about a shape for each thread anew
    (pytorch/pytorch#103939): each of a hundred callers would have to wait for it.
    """

    def __init__(self, torch: Any, device: Device) -> None:
        self.torch = torch
        self.device = str(device)
        self.kind = device.kind
        self.is_cuda = device.kind == "cuda"
        self.count = LANES if self.is_cuda else 1
        self._flags: AbstractContextManager[Any] = _FLAGS if self.is_cuda else nullcontext()
        self._runs: Counter[tuple[int, ...]] = Counter()
        self._threads = None
        if self.is_cuda:
            self._threads = ThreadPoolExecutor(self.count, "cuda", initializer=self._take_stream)

    def _take_stream(self) -> None:
        self.torch.cuda.set_stream(self.torch.cuda.Stream(self.device))

    def run(self, work: Callable[[], Answer]) -> Answer:
        """Do work on the next free lane, and return its answer when the device is done with it."""
        if self._threads is None:
            return work()
        return self._threads.submit(self._run, work).result()

    def _run(self, work: Callable[[], Answer]) -> Answer:
        with self.torch.cuda.device(self.device):
            answer = work()
            # Blocking: the usual wait keeps a core busy, which decoders can use.
            done = self.torch.cuda.Event(blocking=True)
            done.record()
            done.synchronize()
        return answer

    def allocate(self, shape: tuple[int, ...]) -> PixelArray:
        """Make an array, uint8, from which the device copies quickly."""
        pixels: PixelArray = self.torch.empty(shape, dtype=self.torch.uint8, pin_memory=self.is_cuda).numpy()
        return pixels

    @contextmanager
    def exact(self, shape: tuple[int, ...]) -> Iterator[None]:
        """Set how cuDNN computes while the kernels for a batch of a shape are chosen."""
        with self._flags:
            self._runs[shape] += 1
            # TF32 keeps 10 bits of a number: landmarks move by a tenth of a pixel and scores by up to 0.002. Who asks
            # for float32 wants what a CPU computes.
            with self.torch.backends.cudnn.flags(
                enabled=True, benchmark=self._runs[shape] > SEARCH_AFTER, allow_tf32=False
            ):
                yield

    def upload(self, pictures: PixelArray) -> Any:
        """Copy pictures to the device."""
        # torch takes no negative strides, and warns of arrays it may not write to.
        host = self.torch.from_numpy(np.require(pictures, np.uint8, ["C", "W"]))
        if self.is_cuda and not host.is_pinned():
            host = self.torch.empty_like(host, pin_memory=True).copy_(host)
        return host.to(self.device, non_blocking=self.is_cuda)

    def download(self, rows: Any) -> FloatArray:
        """Copy a tensor of float32 to an array; the content is there when `run` returns."""
        host = self.torch.empty(rows.shape, dtype=self.torch.float32, pin_memory=self.is_cuda)
        host.copy_(rows, non_blocking=self.is_cuda)
        array: FloatArray = host.numpy()
        return array
