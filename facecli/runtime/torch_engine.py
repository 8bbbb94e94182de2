"""Networks on CUDA, MPS or a CPU, in torch: an ONNX graph run step by step."""

from __future__ import annotations

import itertools
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Literal

from facecli.errors import DeviceError, DeviceMemoryError, MachineError, UsageError, WeightsError
from facecli.runtime.batch_limit import BatchLimit
from facecli.runtime.batching import BatchingNetwork
from facecli.runtime.device import Device
from facecli.runtime.network import Network, Preprocessing
from facecli.runtime.torch_lanes import Lanes
from facecli.types import FloatArray, PixelArray

Precision = Literal["f32", "bf16", "f16"]

# Where tensor cores begin that take float16 and bfloat16: CUDA C++ Programming Guide, section Compute Capabilities.
LEAST_CAPABILITY: Final = {"f16": (7, 0), "bf16": (8, 0)}


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
    max_batch : int or "auto", optional
        Merge the calls of several threads into batches of up to so many pictures; auto finds out how many
        (`facecli.runtime.batch_limit`); None runs each by itself.

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
        max_batch: int | Literal["auto"] | None = None,
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
        limit = BatchLimit() if self._max_batch == "auto" else BatchLimit(self._max_batch, self._max_batch)
        return BatchingNetwork(network, limit, in_flight=self._lanes.count, allocate=self._lanes.allocate)


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
        if lanes.is_cuda:  # the streams of the lanes do not wait for the one on which the weights were copied
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
            rows, shapes = self._lanes.run(lambda: self._through(pictures))
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
        starts = [0, *itertools.accumulate(math.prod(shape[1:]) for shape in shapes.values())]
        return {
            name: rows[:, start:end].reshape(shape)
            for (name, shape), (start, end) in zip(shapes.items(), itertools.pairwise(starts), strict=True)
        }

    def _through(self, pictures: PixelArray) -> tuple[FloatArray, dict[str, tuple[int, ...]]]:
        """Copy pictures to the device, and what the network makes of them back.

        Returns
        -------
        ndarray of shape (N, D), float32
            All outputs of a picture in one row. Not to be read before the lane is done.
        dict of str to tuple of int
            The shape of each output.
        """
        torch, count = self._torch, len(pictures)
        with torch.inference_mode():
            outputs = self._run(self._lanes.upload(pictures))
            shapes = {name: tuple(value.shape) for name, value in outputs.items()}
            if any(shape[:1] != (count,) for shape in shapes.values()):
                raise WeightsError(
                    f"a network gives {list(shapes.values())} for {count} pictures, where each output must have a row "
                    "for each",
                    hint="Check that the weights fit their manifest.",
                )
            rows = torch.cat([value.reshape(count, -1).float() for value in outputs.values()], 1)
            return self._lanes.download(rows), shapes

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
