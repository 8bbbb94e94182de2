"""What this machine could do: the rate of a large matrix product, by which a network's arithmetic can be judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np

# Sides of the square matrices. Measured on 2 cores with AVX-512: 512 to 2048 differ by less than a tenth; a GPU is only
# busy from 4096 on.
CPU_SIDE: Final = 1024
GPU_SIDE: Final = 8192


def product_peak(engine_name: str, precision: str, seconds: float = 1.0) -> float:
    """Measure the best rate of a matrix product with all cores, or on the GPU.

    Parameters
    ----------
    engine_name : str
        ``openvino:cpu``, ``torch:cpu``, ``torch:cuda:0``: what runs the networks.
    precision : {"f32", "bf16", "f16"}
        Arithmetic of the networks.
    seconds : float
        How long to try.

    Returns
    -------
    float
        Floating point operations a second, a multiplication and an addition being two.

    Raises
    ------
    MachineError
        If the engine cannot be imported.
    """
    engine, _, device = engine_name.partition(":")
    if engine == "openvino":
        best = _best_rate(_openvino_product(precision), CPU_SIDE, seconds)
        # BLAS is the other opinion about the same cores.
        return max(best, _best_rate(_numpy_product(), CPU_SIDE, seconds)) if precision == "f32" else best
    side = CPU_SIDE if device == "cpu" else GPU_SIDE
    return _best_rate(_torch_product(device, precision, side), side, seconds)


def precisions(engine_name: str) -> tuple[str, ...]:
    """Return the arithmetic that the processor has instructions for, of f32 and bf16, where the engine offers both."""
    if not engine_name.startswith("openvino"):
        return ("f32",)
    from facecli.runtime.openvino_engine import OpenVinoEngine

    return tuple(dict.fromkeys(("f32", OpenVinoEngine(precision="auto").precision)))


def _best_rate(multiply: Callable[[], object], side: int, seconds: float) -> float:
    multiply()
    best = 0.0
    ends = time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < ends:
        started = time.perf_counter()
        multiply()
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def _numpy_product() -> Callable[[], object]:
    left = np.random.default_rng(0).random((CPU_SIDE, CPU_SIDE), np.float32)
    return lambda: left @ left


def _openvino_product(precision: str) -> Callable[[], object]:
    from facecli.runtime.openvino_engine import import_openvino

    openvino = import_openvino()
    weights = np.random.default_rng(0).random((CPU_SIDE, CPU_SIDE), np.float32)
    operators = openvino.opset8
    given = operators.parameter([CPU_SIDE, CPU_SIDE], np.float32)
    model = openvino.Model([operators.matmul(given, operators.constant(weights), False, False)], [given])
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer([weights], share_inputs=True)


def _torch_product(device: str, precision: str, side: int) -> Callable[[], object]:
    import torch

    number = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}[precision]
    left = torch.rand(side, side, device=device, dtype=number)

    def multiply() -> object:
        product = left @ left
        return float(product[0, 0])  # waits for the GPU

    return multiply
