"""An ONNX graph as a torch module: every file that OpenVINO runs, torch runs too, from the same bytes.

Covers the operators of convolutional face networks; another operator is a clear error when the file is loaded.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from facecli.errors import WeightsError
from facecli.runtime.onnx_operators import OPERATORS, PLAIN_INPUTS, Operator, objection

# Before it, Add and its kin did not broadcast as numpy does.
OLDEST_OPSET = 7


class OnnxGraph(nn.Module):
    """A torch module that runs the nodes of an ONNX graph in order.

    Constants are buffers, so that ``.to(device)`` moves them; those that shape operators read as plain numbers
    (sizes, pads, factors) stay on the CPU, where reading them costs no synchronisation. Half and double precision
    become float32. A graph whose batch is fixed runs any batch.

    Raises
    ------
    WeightsError
        If the graph uses what this module does not cover.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        graph = model.graph
        opset = max((i.version for i in model.opset_import if i.domain in ("", "ai.onnx")), default=0)
        if opset < OLDEST_OPSET:
            raise WeightsError(f"its operators are of version {opset}, older than {OLDEST_OPSET}")
        if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
            raise WeightsError("it keeps its weights in other files")
        values = {tensor.name: _tensor(tensor) for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in values]
        if len(inputs) != 1:
            raise WeightsError(f"it takes {len(inputs)} inputs where one is expected")
        self._input = inputs[0].name
        fixed_batch = next((side.dim_value for side in inputs[0].type.tensor_type.shape.dim), 0)
        self._plain: dict[str, Tensor] = {}
        self._buffer_of: dict[str, str] = {}
        self._steps: list[tuple[Operator, dict[str, Any], list[str], str]] = []
        known = {self._input, *values}
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Constant":
                values[node.output[0]] = _constant(attributes)
                known.add(node.output[0])
                continue
            reason = objection(node, attributes, values, opset)
            if reason:
                raise WeightsError(reason)
            if any(name and name not in known for name in node.input):
                raise WeightsError(f"a {node.op_type} reads what no node of the graph gives")
            known.add(node.output[0])
            operator = OPERATORS[node.op_type]
            if node.op_type == "Cast" and node.input[0] in values:  # weights kept as float16
                values[node.output[0]] = operator(attributes, [values[node.input[0]]])
                continue
            if node.op_type == "Reshape":
                values[node.input[1]] = _free_batch(values[node.input[1]], fixed_batch, node.input[0] in values)
            for position, name in enumerate(node.input):
                if name not in values:
                    continue
                if position in PLAIN_INPUTS.get(node.op_type, ()):
                    self._plain[name] = values[name]
                elif name not in self._buffer_of:
                    self._buffer_of[name] = f"constant{len(self._buffer_of)}"
                    self.register_buffer(self._buffer_of[name], values[name])
            self._steps.append((operator, attributes, list(node.input), node.output[0]))
        self._outputs = [value.name for value in graph.output]
        if not known.issuperset(self._outputs):
            raise WeightsError("it promises outputs that no node of the graph gives")
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
        # By its name: protobuf has no type hints of its own.
        except import_module("google.protobuf.message").DecodeError as error:
            raise WeightsError(f"{path} is no ONNX file", hint="Give an .onnx file.") from error
        try:
            return cls(model)
        except WeightsError as error:
            raise WeightsError(
                f"{path}: {error.message}", hint="Use --device cpu, which runs it in OpenVINO."
            ) from error
        # A file may hold any tensor type, attribute and shape; onnx and torch say no in all these ways.
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise WeightsError(
                f"{path} is damaged, or no network: {error}", hint="Give the file as it was published."
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
    return _as_float32(torch.from_numpy(np.array(numpy_helper.to_array(tensor))))


def _constant(attributes: dict[str, Any]) -> Tensor:
    """Value of a Constant node: a tensor, or one of value_int, value_floats and their kin."""
    (value,) = attributes.values()
    return _tensor(value) if isinstance(value, onnx.TensorProto) else _as_float32(torch.tensor(value))


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _free_batch(shape: Tensor, fixed_batch: int, of_constant: bool) -> Tensor:
    """Let the shape that a Reshape wants keep the batch, where the file was written for one batch size."""
    if of_constant or not fixed_batch or not shape.numel() or shape[0] != fixed_batch:
        return shape
    return torch.cat([shape.new_zeros(1), shape[1:]])
