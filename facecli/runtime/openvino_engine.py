"""Networks on a CPU, in OpenVINO."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from facecli.errors import MachineError, WeightsError
from facecli.runtime.network import Preprocessing
from facecli.types import FloatArray, PixelArray

Precision = Literal["auto", "f32", "bf16"]


def import_openvino() -> Any:
    """Import openvino without its model converter.

    The converter (``openvino.tools.ovc``) is not used here, takes two thirds of the import time, and is the only
    part that imports openvino-telemetry, which reports usage over the network. openvino's own code expects that it
    may be missing.

    Raises
    ------
    MachineError
        If openvino is not installed.
    """
    blocked = "openvino.tools.ovc"
    before = sys.modules.get(blocked, ...)
    sys.modules[blocked] = None  # type: ignore[assignment]  # documented by importlib: None makes the import fail
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise MachineError(
            f"OpenVINO cannot be imported: {error}",
            hint="Install it with 'pip install openvino', or use --engine torch.",
        ) from error
    finally:
        if before is ...:
            del sys.modules[blocked]
        else:
            sys.modules[blocked] = before


# Kernels are prepared for every input shape met, and kept: by default for 5,000 operations, which after 60 shapes of
# canvases held 300 MiB more and kept growing. With 64 memory stays flat after 20 shapes, at the same speed.
SHAPES_KEPT: Final = 64


# OpenVINO sets the locale of the process to "C" while it loads, and back to what it was before. Two threads at once can
# leave it at "C", where text files are ASCII to whoever does not say otherwise.
_LOADING: Final = threading.Lock()

# The first inference of a process sets up what all share (the bindings import numpy, and guard that by a lock that the
# interpreter does not know): two first ones at once may wait for each other for ever.
_FIRST: Final = threading.Lock()
_first_is_done = threading.Event()


class OpenVinoEngine:
    """Runs ONNX files on the CPU.

    Parameters
    ----------
    precision : {"auto", "f32", "bf16"}
        Arithmetic of the networks; auto takes bfloat16 where the processor has it, which takes half the time and
        changes neither recall nor accuracy beyond their noise (tests/bench/RESULTS.md).
    streams : int, optional
        Pictures run at once, each on one core, by as many threads that call; their numbers do not depend on how many
        there are. By default all cores work on one picture: its answer comes sooner, but the cores do less
        (tests/bench/RESULTS.md).
    cache_dir : Path, optional
        Where compiled networks are kept, so that the next start is quick.

    Attributes
    ----------
    precision : {"f32", "bf16"}
        What auto came to.
    """

    def __init__(
        self, *, precision: Precision = "f32", streams: int | None = None, cache_dir: Path | None = None
    ) -> None:
        self._openvino = import_openvino()
        self._core = self._openvino.Core()
        if precision == "auto":
            has_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            precision = "bf16" if has_bf16 else "f32"
        self.precision = precision
        self._settings: dict[str, str | int] = {"INFERENCE_PRECISION_HINT": precision}
        if streams is None:
            self._settings["PERFORMANCE_HINT"] = "LATENCY"
        else:
            self._settings |= {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        # A private setting of the CPU plugin, which a later release may refuse: then memory grows, nothing else.
        with suppress(RuntimeError):
            self._core.set_property("CPU", {"CPU_RUNTIME_CACHE_CAPACITY": SHAPES_KEPT})
        if cache_dir is not None and _make_private(cache_dir):
            self._settings["CACHE_DIR"] = os.fspath(cache_dir)

    @property
    def name(self) -> str:
        """Engine and device."""
        return "openvino:cpu"

    def load(self, path: Path, preprocessing: Preprocessing) -> OpenVinoNetwork:
        """Load an ONNX file; see `facecli.runtime.network.Engine.load`."""
        try:
            with _LOADING:
                if preprocessing.inside:
                    # By path, not as a model read first: only so the compiled-model cache spares reading the ONNX.
                    compiled = self._core.compile_model(os.fspath(path), "CPU", self._settings)
                else:
                    model = self._with_preprocessing(path, preprocessing)
                    compiled = self._core.compile_model(model, "CPU", self._settings)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise WeightsError(
                f"{path} cannot be loaded as a network: {reason}",
                hint="Check the file with 'facecli models verify', or convert it to ONNX opset 17.",
            ) from error
        return OpenVinoNetwork(compiled)

    def _with_preprocessing(self, path: Path, preprocessing: Preprocessing) -> Any:
        """Put cast, layout, mean and scale in front of a network that takes float32 (N, 3, H, W)."""
        model = self._core.read_model(os.fspath(path))
        if not model.input().element_type.is_real():
            raise WeightsError(f"{path} takes whole numbers where it must take float pictures")
        shape = model.input().partial_shape
        model.reshape([-1, *list(shape)[1:]])
        steps = self._openvino.preprocess.PrePostProcessor(model)
        picture = steps.input()
        picture.tensor().set_element_type(self._openvino.Type.u8).set_layout(self._openvino.Layout("NHWC"))
        picture.tensor().set_color_format(self._openvino.preprocess.ColorFormat.RGB)
        picture.model().set_layout(self._openvino.Layout("NCHW"))
        wanted = picture.preprocess().convert_element_type(self._openvino.Type.f32)
        wanted.mean(list(preprocessing.mean)).scale(list(preprocessing.scale))
        if preprocessing.bgr:
            wanted.reverse_channels()
        return steps.build()


class OpenVinoNetwork:
    """A compiled network with one inference request a thread."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()
        self._names = [output.any_name for output in compiled.outputs]

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run a batch; see `facecli.runtime.network.Network`."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        with nullcontext() if _first_is_done.is_set() else _FIRST:
            results = request.infer([np.ascontiguousarray(pictures)], share_inputs=True)
            # A network of half or double precision gives its own kind of numbers.
            outputs = {name: np.asarray(results[index], np.float32) for index, name in enumerate(self._names)}
        _first_is_done.set()
        return outputs


def _make_private(folder: Path) -> bool:
    """Create a folder that only its owner reads; say whether it can be used. A cache that cannot be is done without."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
