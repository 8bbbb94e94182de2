"""An ONNX graph as a torch module: every file that OpenVINO runs, torch runs too, from the same bytes.

Covers the operators of convolutional face networks; another operator is a clear error when the file is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  # the name everybody knows it by
from onnx import numpy_helper
from torch import Tensor, nn

from facecli.errors import WeightsError

Operator = Callable[[dict[str, Any], list[Tensor]], Tensor]


def _symmetric(x: Tensor, attributes: dict[str, Any], value: float) -> tuple[Tensor, list[int]]:
    """Split ONNX pads (all starts, then all ends) into what torch takes as symmetric padding and an explicit F.pad."""
    pads = attributes.get("pads") or [0] * (2 * (x.dim() - 2))
    half = len(pads) // 2
    starts, ends = pads[:half], pads[half:]
    if starts == ends:
        return x, list(starts)
    spread = [pad for start, end in zip(reversed(starts), reversed(ends), strict=True) for pad in (start, end)]
    return F.pad(x, spread, value=value), [0] * half


def _conv(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    x, padding = _symmetric(inputs[0], attributes, 0.0)
    return F.conv2d(
        x,
        inputs[1],
        inputs[2] if len(inputs) > 2 else None,
        attributes.get("strides", [1, 1]),
        padding,
        attributes.get("dilations", [1, 1]),
        attributes.get("group", 1),
    )


def _conv_transpose(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    pads = attributes.get("pads", [0, 0, 0, 0])
    return F.conv_transpose2d(
        inputs[0],
        inputs[1],
        inputs[2] if len(inputs) > 2 else None,
        attributes.get("strides", [1, 1]),
        pads[:2],
        attributes.get("output_padding", [0, 0]),
        attributes.get("group", 1),
        attributes.get("dilations", [1, 1]),
    )


def _max_pool(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    x, padding = _symmetric(inputs[0], attributes, float("-inf"))
    kernel = attributes["kernel_shape"]
    ceil = bool(attributes.get("ceil_mode", 0))
    return F.max_pool2d(x, kernel, attributes.get("strides", [1, 1]), padding, 1, ceil)


def _average_pool(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    kernel = attributes["kernel_shape"]
    padding = list(attributes.get("pads", [0, 0, 0, 0]))[:2]
    count_pad = bool(attributes.get("count_include_pad", 0))
    ceil = bool(attributes.get("ceil_mode", 0))
    return F.avg_pool2d(inputs[0], kernel, attributes.get("strides", [1, 1]), padding, ceil, count_pad)


def _batch_norm(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    x, gamma, beta, mean, variance = inputs
    return F.batch_norm(x, mean, variance, gamma, beta, eps=attributes.get("epsilon", 1e-5))


def _prelu(_: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    x, slope = inputs
    return torch.where(x >= 0, x, x * slope) if slope.dim() > 1 else F.prelu(x, slope)


def _gemm(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    a = inputs[0].T if attributes.get("transA") else inputs[0]
    b = inputs[1].T if attributes.get("transB") else inputs[1]
    product: Tensor = (a @ b) * attributes.get("alpha", 1.0)
    return product + inputs[2] * attributes.get("beta", 1.0) if len(inputs) > 2 else product


def _pad(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    pads = inputs[1].tolist() if len(inputs) > 1 else attributes["pads"]
    half = len(pads) // 2
    spread = [pad for axis in reversed(range(half)) for pad in (pads[axis], pads[axis + half])]
    return F.pad(inputs[0], spread)


def _resize(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    if attributes.get("mode", b"nearest") != b"nearest" or len(inputs) < 3 or not inputs[2].numel():
        raise WeightsError("a Resize other than nearest-neighbour by a constant factor is not covered")
    factors = inputs[2].tolist()[2:]
    if any(factor != int(factor) for factor in factors):
        raise WeightsError(f"a Resize by {factors} is not covered")
    return inputs[0].repeat_interleave(int(factors[0]), 2).repeat_interleave(int(factors[1]), 3)


def _cast(attributes: dict[str, Any], inputs: list[Tensor]) -> Tensor:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(attributes["to"])
    return inputs[0].to(torch.from_numpy(np.zeros(0, dtype)).dtype)


OPERATORS: dict[str, Operator] = {
    "Add": lambda _, i: i[0] + i[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": lambda _, i: torch.clamp(i[0], *(bound.item() if bound is not None else None for bound in i[1:])),
    "Concat": lambda a, i: torch.cat(i, a["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": lambda _, i: i[0] / i[1],
    "Dropout": lambda _, i: i[0],
    "Flatten": lambda a, i: i[0].flatten(a.get("axis", 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, i: i[0].mean((2, 3), keepdim=True),
    "Identity": lambda _, i: i[0],
    "LeakyRelu": lambda a, i: F.leaky_relu(i[0], a.get("alpha", 0.01)),
    "MatMul": lambda _, i: i[0] @ i[1],
    "MaxPool": _max_pool,
    "Mul": lambda _, i: i[0] * i[1],
    "PRelu": _prelu,
    "Pad": _pad,
    "Relu": lambda _, i: F.relu(i[0]),
    "Reshape": lambda _, i: i[0].reshape([n or have for n, have in _pairs(i[1].tolist(), i[0].shape)]),
    "Resize": _resize,
    "Sigmoid": lambda _, i: torch.sigmoid(i[0]),
    "Softmax": lambda a, i: F.softmax(i[0], a.get("axis", -1)),
    "Sub": lambda _, i: i[0] - i[1],
    "Transpose": lambda a, i: i[0].permute(a["perm"]),
}


def _pairs(wanted: Sequence[int], shape: Sequence[int]) -> list[tuple[int, int]]:
    """Reshape's sizes beside those of the input: a wanted 0 keeps what is there."""
    return [(size, shape[axis] if axis < len(shape) else 1) for axis, size in enumerate(wanted)]


# (operator, input position) of constants that are read as plain numbers.
PLAIN = frozenset({("Pad", 1), ("Reshape", 1), ("Resize", 1), ("Resize", 2), ("Clip", 1), ("Clip", 2)})


class OnnxGraph(nn.Module):
    """A torch module that runs the nodes of an ONNX graph in order.

    Constants are buffers, so that ``.to(device)`` moves them; those that shape operators read as plain numbers
    (sizes, pads, factors) stay on the CPU, where reading them costs no synchronisation.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        graph = model.graph
        values = {tensor.name: _tensor(tensor) for tensor in graph.initializer}
        self._plain: dict[str, Tensor] = {}
        self._buffer_of: dict[str, str] = {}
        self._steps: list[tuple[Operator, dict[str, Any], list[str], str]] = []
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                values[node.output[0]] = _tensor(attributes["value"])
                continue
            operator = OPERATORS.get(node.op_type)
            if operator is None:
                raise WeightsError(f"operator {node.op_type} is not covered by the torch engine")
            if node.op_type == "Cast" and node.input[0] in values:  # weights kept as float16
                values[node.output[0]] = operator(attributes, [values[node.input[0]]])
                continue
            for position, name in enumerate(node.input):
                if name in values and name not in self._buffer_of:
                    if (node.op_type, position) in PLAIN:
                        self._plain[name] = values[name]
                    else:
                        self._buffer_of[name] = f"constant{len(self._buffer_of)}"
                        self.register_buffer(self._buffer_of[name], values[name])
            self._steps.append((operator, attributes, list(node.input), node.output[0]))
        initializers = {tensor.name for tensor in graph.initializer}
        (self._input,) = (value.name for value in graph.input if value.name not in initializers)
        self._outputs = [value.name for value in graph.output]
        last_use = {name: index for index, (_, _, inputs, _) in enumerate(self._steps) for name in inputs}
        kept = {*self._outputs, *self._plain, *self._buffer_of}
        self._dead: list[list[str]] = [[] for _ in self._steps]
        for name, index in last_use.items():
            if name and name not in kept:
                self._dead[index].append(name)

    @classmethod
    def from_file(cls, path: Path) -> OnnxGraph:
        """Read an ONNX file.

        Raises
        ------
        WeightsError
            If it is no ONNX file, or uses what this module does not cover.
        """
        try:
            model = onnx.load(path, load_external_data=False)
        except (OSError, onnx.onnx_cpp2py_export.checker.ValidationError) as error:
            raise WeightsError(f"{path} cannot be read: {error}") from error
        except Exception as error:
            # protobuf's DecodeError has no stable home across its versions.
            if type(error).__name__ != "DecodeError":
                raise
            raise WeightsError(f"{path} is no ONNX file", hint="Give an .onnx file.") from error
        try:
            return cls(model)
        except WeightsError as error:
            raise WeightsError(
                f"{path}: {error.message}", hint="Use --device cpu, which runs it in OpenVINO."
            ) from error

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Run the graph on its one input."""
        values: dict[str, Any] = {self._input: batch, "": None, **self._plain}
        values.update((name, getattr(self, buffer)) for name, buffer in self._buffer_of.items())
        for (operator, attributes, inputs, output), dead in zip(self._steps, self._dead, strict=True):
            values[output] = operator(attributes, [values[name] for name in inputs])
            for name in dead:
                del values[name]
        return {name: values[name] for name in self._outputs}


def _tensor(tensor: onnx.TensorProto) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(tensor)))
