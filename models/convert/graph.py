"""Small tools for rewriting ONNX graphs, shared by the converters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17  # the newest that OpenVINO 2025.0 reads in full
IR_VERSION = 8  # goes with opset 17

# Smaller tensors (biases, slopes) stay float32: they weigh little, and a Cast each would cost more than it saves.
FLOAT16_FROM_ELEMENTS = 1024


def constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    """Return the graph's initializers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


def fold_batch_norm(nodes: list[onnx.NodeProto], values: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    """Multiply every BatchNormalization into the convolution right before it; computed in float64."""
    uses = Counter(name for node in nodes for name in node.input)
    makers = {node.output[0]: node for node in nodes}
    kept = []
    for node in nodes:
        conv = makers.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if conv is None or conv.op_type not in ("Conv", "ConvTranspose") or uses[conv.output[0]] != 1:
            kept.append(node)
            continue
        gamma, beta, mean, variance = (values[name].astype(np.float64) for name in node.input[1:5])
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        factor = gamma / np.sqrt(variance + epsilon)
        weight = values[conv.input[1]].astype(np.float64)
        if conv.op_type == "Conv":  # (out, in / groups, kh, kw)
            weight = weight * factor[:, None, None, None]
        else:  # (in, out / groups, kh, kw): output channel g * (out / groups) + j belongs to group g
            groups = next((a.i for a in conv.attribute if a.name == "group"), 1)
            by_group = factor.reshape(groups, -1)
            weight = weight.reshape(groups, -1, *weight.shape[1:]) * by_group[:, None, :, None, None]
            weight = weight.reshape(-1, *weight.shape[2:])
        bias = values[conv.input[2]].astype(np.float64) if len(conv.input) > 2 else 0.0
        name = conv.output[0]
        values[f"{name}.weight"] = weight.astype(np.float32)
        values[f"{name}.bias"] = ((bias - mean) * factor + beta).astype(np.float32)
        del conv.input[1:]
        conv.input.extend([f"{name}.weight", f"{name}.bias"])
        conv.output[0] = node.output[0]
    return kept


def build(
    name: str,
    nodes: Sequence[onnx.NodeProto],
    values: dict[str, np.ndarray],
    *,
    input_size: tuple[int, int] | None,
    outputs: dict[str, Sequence[int | str]],
    float16: bool,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
) -> onnx.ModelProto:
    """Assemble a model that takes pictures as they are: uint8 RGB of shape (batch, height, width, 3).

    The batch is free, and without `input_size` so are height and width. `nodes` read the float32 tensor
    "planes" of shape (batch, 3, height, width), which is (picture - mean) / scale.

    Parameters
    ----------
    values : dict of str to ndarray
        Constants; those that no node uses are left out.
    outputs : dict of str to sequence
        Name and shape of every output.
    float16 : bool
        Store large weights as float16 and widen them in the graph; arithmetic stays float32.
    """
    steps = [
        helper.make_node("Transpose", ["pictures"], ["planar"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", ["planar"], ["wide"], to=TensorProto.FLOAT),
    ]
    if any(mean):
        values["picture_mean"] = np.asarray(mean, np.float32).reshape(3, 1, 1)
        steps.append(helper.make_node("Sub", [steps[-1].output[0], "picture_mean"], ["centred"]))
    if scale != 1.0:
        values["picture_factor"] = np.asarray(1.0 / scale, np.float32)
        steps.append(helper.make_node("Mul", [steps[-1].output[0], "picture_factor"], ["scaled"]))
    steps[-1].output[0] = "planes"
    nodes = [*steps, *nodes]
    used = {source for node in nodes for source in node.input}
    initializers, casts = [], []
    for key in sorted(used & values.keys()):
        value = values[key]
        if float16 and value.dtype == np.float32 and value.size >= FLOAT16_FROM_ELEMENTS:
            initializers.append(numpy_helper.from_array(value.astype(np.float16), f"{key}.f16"))
            casts.append(helper.make_node("Cast", [f"{key}.f16"], [key], to=TensorProto.FLOAT))
        else:
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), key))
    height, width = input_size or ("height", "width")
    graph = helper.make_graph(
        [*casts, *nodes],
        name,
        [helper.make_tensor_value_info("pictures", TensorProto.UINT8, ["batch", height, width, 3])],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, ["batch", *shape]) for key, shape in outputs.items()],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="facecli", ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def dequantized(model: onnx.ModelProto) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Replace block-wise DequantizeLinear (opset 21) and the Reshape behind each by the float32 weights meant."""
    values = constants(model.graph)
    rest = []
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear":
            attributes = {a.name: a.i for a in node.attribute}
            axis, block = attributes["axis"], attributes["block_size"]
            quantized, scale, zero = (values[name] for name in node.input)
            length = quantized.shape[axis]
            scale, zero = (np.repeat(part, block, axis=axis).take(range(length), axis=axis) for part in (scale, zero))
            values[node.output[0]] = (quantized.astype(np.float32) - zero.astype(np.float32)) * scale
        elif node.op_type == "Reshape" and all(name in values for name in node.input):
            values[node.output[0]] = values[node.input[0]].reshape(values[node.input[1]])
        elif node.op_type == "Constant":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        else:
            rest.append(node)
    return rest, values
