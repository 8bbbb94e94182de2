"""Networks on CUDA, MPS or a CPU, in torch: an ONNX graph run step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from facecli.errors import DeviceError, MachineError, WeightsError
from facecli.runtime.device import Device
from facecli.runtime.network import Preprocessing
from facecli.types import FloatArray, PixelArray


class TorchEngine:
    """Runs ONNX files in torch.

    Parameters
    ----------
    device : Device
        Must exist: a network never moves to another device by itself.

    Raises
    ------
    DeviceError
        If torch was built without support for the device.
    """

    def __init__(self, device: Device) -> None:
        try:
            import torch
        except ImportError as error:
            raise MachineError(
                f"torch cannot be imported: {error}", hint="Install it with 'pip install torch'."
            ) from error
        self._torch = torch
        self._device = device
        if device.kind == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                f"{device} was asked for, but this torch ({torch.__version__}) cannot use it",
                hint="Install a CUDA build of torch that suits the driver, or use --device cpu.",
            )
        if device.kind == "cuda" and device.index >= torch.cuda.device_count():
            raise DeviceError(f"{device} was asked for, but torch sees {torch.cuda.device_count()} CUDA devices")

    @property
    def name(self) -> str:
        """Engine and device."""
        return f"torch:{self._device}"

    def load(self, path: Path, preprocessing: Preprocessing) -> TorchNetwork:
        """Load an ONNX file; see `facecli.runtime.network.Engine.load`."""
        from facecli.runtime.onnx_graph import OnnxGraph

        return self.wrap(OnnxGraph.from_file(path), preprocessing)

    def wrap(self, module: Any, preprocessing: Preprocessing) -> TorchNetwork:
        """Make a network of a torch module that maps a batch to a tensor or a dict of tensors."""
        return TorchNetwork(module.eval().to(str(self._device)), str(self._device), preprocessing)


class TorchNetwork:
    """A torch module that takes and gives numpy arrays."""

    def __init__(self, module: Any, device: str, preprocessing: Preprocessing) -> None:
        import torch

        self._torch = torch
        self._module = module
        self._device = device
        self._inside = preprocessing.inside
        self._bgr = preprocessing.bgr
        self._mean = torch.tensor(preprocessing.mean, device=device).view(3, 1, 1)
        self._scale = torch.tensor(preprocessing.scale, device=device).view(3, 1, 1)

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch; see `facecli.runtime.network.Network`."""
        torch = self._torch
        # TF32 keeps 10 bits of a number: landmarks move by a tenth of a pixel and scores by up to 0.002 from what a
        # CPU computes, so that a gallery enrolled on one would not quite suit the other.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            # A copy, since torch warns of arrays it may not write to.
            batch = torch.from_numpy(np.array(pictures)).to(self._device)
            if not self._inside:
                batch = batch.permute(0, 3, 1, 2).float()
                batch = (batch - self._mean) / self._scale
                if self._bgr:
                    batch = batch.flip(1)
            outputs = self._run(batch)
            if not isinstance(outputs, dict):
                outputs = {"embedding": outputs}
            return {name: value.float().cpu().numpy() for name, value in outputs.items()}

    def _run(self, batch: Any) -> Any:
        try:
            return self._module(batch)
        except self._torch.OutOfMemoryError as error:
            raise DeviceError(
                f"the memory of {self._device} is too small for {len(batch)} pictures at once",
                hint="Ask for smaller batches, or use --device cpu.",
            ) from error
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(
                f"a network cannot be run in torch: {reason}", hint="Check that the weights fit their manifest."
            ) from error
