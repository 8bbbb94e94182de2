"""Networks on CUDA, MPS or a CPU, in torch: an ONNX graph run step by step."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal

import numpy as np

from facecli.errors import DeviceError, MachineError, UsageError, WeightsError
from facecli.runtime.batching import BatchingNetwork, DeviceMemoryError
from facecli.runtime.device import Device
from facecli.runtime.network import Network, Preprocessing
from facecli.types import FloatArray, PixelArray

Precision = Literal["f32", "bf16", "f16"]

# Where tensor cores begin that take float16 and bfloat16: CUDA C++ Programming Guide, section Compute Capabilities.
LEAST_CAPABILITY: Final = {"f16": (7, 0), "bf16": (8, 0)}

# Batches in a CUDA device at once: while one is computed, another is put together, copied or read.
LANES: Final = 2

# cuDNN's search tries every kernel for every layer, about as long as a few dozen runs take. A shape that came so often
# will come again.
SEARCH_AFTER: Final = 16

# torch's flags for cuDNN belong to the process, so that one thread's would end another's.
_FLAGS: Final = threading.Lock()


def choose_precision(
    wish: Literal["auto"] | Precision, device: Device, capability: tuple[int, int] | None = None
) -> Precision:
    """Say in which precision the networks of a device compute.

    Parameters
    ----------
    wish : {"auto", "f32", "bf16", "f16"}
        auto: float16 where CUDA has tensor cores for it, else float32.
    device : Device
    capability : tuple of int, optional
        CUDA compute capability of the device; None where it is none of CUDA's.

    Raises
    ------
    UsageError
        If torch never has it on such a device.
    DeviceError
        If this device is too old for it.
    """
    if wish == "auto":
        return "f16" if capability is not None and capability >= LEAST_CAPABILITY["f16"] else "f32"
    if wish == "bf16" and device.kind == "mps":
        raise UsageError("bf16 was asked for, which mps does not have", hint="Use --precision f16 or f32.")
    if wish == "bf16" and capability is not None and capability < LEAST_CAPABILITY["bf16"]:
        raise DeviceError(
            f"bf16 was asked for, which {device} does not have (compute capability {capability[0]}.{capability[1]})",
            hint="Use --precision f16 or f32.",
        )
    return wish


class TorchEngine:
    """Runs ONNX files in torch.

    Parameters
    ----------
    device : Device
        Must exist: a network never moves to another device by itself.
    precision : {"auto", "f32", "bf16", "f16"}
        Arithmetic of convolutions and matrix products; see `choose_precision`. What stands before the first of them,
        such as the scaling of pictures, is computed in float32.
    max_batch : int, optional
        Merge the calls of several threads into batches of up to so many pictures; None runs each by itself.

    Raises
    ------
    DeviceError
        If torch was built without support for the device, or it is too old for the precision.
    UsageError
        If such a device never has the precision.
    """

    def __init__(
        self,
        device: Device,
        *,
        precision: Literal["auto"] | Precision = "auto",
        max_batch: int | None = None,
    ) -> None:
        try:
            import torch
        except ImportError as error:
            raise MachineError(
                f"torch cannot be imported: {error}", hint="Install it with 'pip install torch'."
            ) from error
        if device.kind == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                f"{device} was asked for, but this torch ({torch.__version__}) cannot use it",
                hint="Install a CUDA build of torch that suits the driver, or use --device cpu.",
            )
        if device.kind == "cuda" and device.index >= torch.cuda.device_count():
            raise DeviceError(f"{device} was asked for, but torch sees {torch.cuda.device_count()} CUDA devices")
        capability = torch.cuda.get_device_capability(device.index) if device.kind == "cuda" else None
        self.precision: Precision = choose_precision(precision, device, capability)
        self._device = device
        self._lanes = Lanes(torch, device)
        self._max_batch = max_batch

    @property
    def name(self) -> str:
        """Engine and device."""
        return f"torch:{self._device}"

    def load(self, path: Path, preprocessing: Preprocessing) -> Network:
        """Load an ONNX file; see `facecli.runtime.network.Engine.load`."""
        from facecli.runtime.onnx_graph import OnnxGraph

        return self.wrap(OnnxGraph.from_file(path), preprocessing)

    def wrap(self, module: Any, preprocessing: Preprocessing) -> Network:
        """Make a network of a torch module that maps a batch to a tensor or a dict of tensors."""
        network = TorchNetwork(module, self._lanes, self.precision, preprocessing)
        if self._max_batch is None:
            return network
        return BatchingNetwork(
            network, max_batch=self._max_batch, in_flight=self._lanes.count, allocate=self._lanes.allocate
        )


class Lanes:
    """Ways through a device: on CUDA a few streams, which calls take in turn; elsewhere nothing at all.

    A batch is copied there, computed and copied back on one stream, in order; another batch's copies and kernels on the
    other stream fill the gaps. Arrays that the device reads and writes lie in pinned memory, without which CUDA's
    copies are made in two steps and never beside a kernel.
    """

    def __init__(self, torch: Any, device: Device) -> None:
        self.torch = torch
        self.device = str(device)
        self.kind = device.kind
        self.is_cuda = device.kind == "cuda"
        self.count = LANES if self.is_cuda else 1
        self._flags: AbstractContextManager[Any] = _FLAGS if self.is_cuda else nullcontext()
        self._runs: Counter[tuple[int, ...]] = Counter()
        self._streams: SimpleQueue[Any] = SimpleQueue()
        for _ in range(self.count if self.is_cuda else 0):
            self._streams.put(torch.cuda.Stream(self.device))

    def allocate(self, shape: tuple[int, ...]) -> PixelArray:
        """Make an array, uint8, from which the device copies quickly."""
        pixels: PixelArray = self.torch.empty(shape, dtype=self.torch.uint8, pin_memory=self.is_cuda).numpy()
        return pixels

    @contextmanager
    def lane(self) -> Iterator[None]:
        """Run what is inside on the next free stream, and wait for it at the end."""
        if not self.is_cuda:
            yield
            return
        stream = self._streams.get()
        try:
            with self.torch.cuda.stream(stream):
                yield
            # Blocking: the usual wait keeps a core busy, which decoders can use.
            done = self.torch.cuda.Event(blocking=True)
            done.record(stream)
            done.synchronize()
        finally:
            self._streams.put(stream)

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
        """Copy a tensor of float32 to an array; it is there when the lane ends."""
        host = self.torch.empty(rows.shape, dtype=self.torch.float32, pin_memory=self.is_cuda)
        host.copy_(rows, non_blocking=self.is_cuda)
        array: FloatArray = host.numpy()
        return array


class TorchNetwork:
    """A torch module that takes and gives numpy arrays."""

    def __init__(self, module: Any, lanes: Lanes, precision: Precision, preprocessing: Preprocessing) -> None:
        torch = lanes.torch
        self._torch = torch
        self._lanes = lanes
        self._dtype = {"f32": None, "bf16": torch.bfloat16, "f16": torch.float16}[precision]
        self._module = module.eval().to(lanes.device, memory_format=torch.channels_last)
        if self._dtype is not None:
            _narrow_weights(self._module, self._dtype)
        self._inside = preprocessing.inside
        self._bgr = preprocessing.bgr
        self._mean = torch.tensor(preprocessing.mean, device=lanes.device).view(3, 1, 1)
        self._scale = torch.tensor(preprocessing.scale, device=lanes.device).view(3, 1, 1)
        if lanes.is_cuda:  # the lanes' streams do not wait for the one on which the weights were copied
            torch.cuda.synchronize(lanes.device)

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch; see `facecli.runtime.network.Network`.

        Raises
        ------
        DeviceMemoryError
            If the device's memory is too small for so many pictures.
        WeightsError
            If the network cannot be run on such pictures.
        """
        try:
            with self._lanes.lane(), self._torch.inference_mode():
                outputs = self._run(self._lanes.upload(pictures))
                if any(value.shape[:1] != (len(pictures),) for value in outputs.values()):
                    raise WeightsError(
                        f"a network gives {[tuple(value.shape) for value in outputs.values()]} for {len(pictures)} "
                        "pictures, where each output must have a row for each",
                        hint="Check that the weights fit their manifest.",
                    )
                joined = self._torch.cat([value.reshape(len(pictures), -1).float() for value in outputs.values()], 1)
                rows = self._lanes.download(joined)
        except self._torch.OutOfMemoryError as error:
            raise DeviceMemoryError(
                f"the memory of {self._lanes.device} is too small for {len(pictures)} pictures of "
                f"{pictures.shape[2]}x{pictures.shape[1]} pixels at once",
                hint="Ask for smaller batches, or use --device cpu.",
            ) from error
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(
                f"a network cannot be run in torch: {reason}", hint="Check that the weights fit their manifest."
            ) from error
        ends = itertools.accumulate(value[0].numel() for value in outputs.values())
        return {
            name: rows[:, end - value[0].numel() : end].reshape(tuple(value.shape))
            for (name, value), end in zip(outputs.items(), ends, strict=True)
        }

    def _run(self, batch: Any) -> dict[str, Any]:
        torch = self._torch
        with ExitStack() as stack:
            stack.enter_context(self._lanes.exact(tuple(batch.shape)))
            # No cache: it would keep a second copy of every weight.
            half = torch.autocast(self._lanes.kind, self._dtype, enabled=self._dtype is not None, cache_enabled=False)
            stack.enter_context(half)
            if not self._inside:
                batch = batch.permute(0, 3, 1, 2).float()
                batch = (batch - self._mean) / self._scale
                if self._bgr:
                    batch = batch.flip(1)
            outputs = self._module(batch)
        return outputs if isinstance(outputs, dict) else {"embedding": outputs}


def _narrow_weights(module: Any, dtype: Any) -> None:
    """Keep the weights of convolutions and matrix products in the precision that autocast would bring them to.

    Told by their shape, one filter or row for each output; a constant for a whole batch, such as the mean of pictures,
    has none. A weight that is missed is narrowed in every run, with the same result.
    """
    for tensor in itertools.chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point() and tensor.dim() in (2, 4) and tensor.shape[0] > 1:
            tensor.data = tensor.data.to(dtype)
