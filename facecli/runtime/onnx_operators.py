"""The ONNX operators of convolutional face networks, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
import torch
import torch.nn.functional as F  # noqa: N812  # the name everybody knows it by
from torch import Tensor

Attributes = Mapping[str, Any]
Operator = Callable[[Attributes, list[Any]], Tensor]


def _pads(x: Tensor, kernel: Sequence[int], attributes: Attributes) -> tuple[list[int], list[int]]:
    """Rows and columns to add at the start and at the end of a picture."""
    mode = attributes.get("auto_pad", b"NOTSET")
    if mode not in (b"SAME_UPPER", b"SAME_LOWER"):
        pads = [0, 0, 0, 0] if mode == b"VALID" else attributes.get("pads", [0, 0, 0, 0])
        return list(pads[:2]), list(pads[2:])
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    less, more = [], []
    for size, side, stride, dilation in zip(x.shape[2:], kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (side - 1) * dilation + 1 - size, 0)
        less.append(total // 2)
        more.append(total - total // 2)
    return (less, more) if mode == b"SAME_UPPER" else (more, less)


def _padded(x: Tensor, starts: Sequence[int], ends: Sequence[int], value: float) -> Tensor:
    return F.pad(x, [starts[1], ends[1], starts[0], ends[0]], value=value)


def _conv(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    starts, ends = _pads(x, weight.shape[2:], attributes)
    if starts != ends:
        x, starts = _padded(x, starts, ends, 0.0), [0, 0]
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    return F.conv2d(x, weight, bias, strides, starts, dilations, attributes.get("group", 1))


def _conv_transpose(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    starts, ends = _pads(x, weight.shape[2:], attributes)
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    extra, group = attributes.get("output_padding", [0, 0]), attributes.get("group", 1)
    if starts == ends:
        return F.conv_transpose2d(x, weight, bias, strides, starts, extra, group, dilations)
    whole = F.conv_transpose2d(x, weight, bias, strides, 0, extra, group, dilations)
    rows, columns = (side - end for side, end in zip(whole.shape[2:], ends, strict=True))
    return whole[:, :, starts[0] : rows, starts[1] : columns]


def _max_pool(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, kernel = inputs[0], attributes["kernel_shape"]
    starts, ends = _pads(x, kernel, attributes)
    if starts != ends:
        x, starts = _padded(x, starts, ends, float("-inf")), [0, 0]
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    return F.max_pool2d(x, kernel, strides, starts, dilations, bool(attributes.get("ceil_mode", 0)))


def _average_pool(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, kernel = inputs[0], attributes["kernel_shape"]
    starts, ends = _pads(x, kernel, attributes)
    strides, with_pads = attributes.get("strides", [1, 1]), bool(attributes.get("count_include_pad", 0))
    if starts == ends:
        return F.avg_pool2d(x, kernel, strides, starts, bool(attributes.get("ceil_mode", 0)), with_pads)
    mean = F.avg_pool2d(_padded(x, starts, ends, 0.0), kernel, strides)
    if with_pads:
        return mean
    # The share of each window that lies on the picture.
    share = F.avg_pool2d(_padded(torch.ones_like(x[:1, :1]), starts, ends, 0.0), kernel, strides)
    return mean / share


def _batch_norm(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, gamma, beta, mean, variance = inputs
    return F.batch_norm(x, mean, variance, gamma, beta, eps=attributes.get("epsilon", 1e-5))


def _clip(attributes: Attributes, inputs: list[Any]) -> Tensor:
    # Bounds are inputs since opset 11, attributes before.
    low, high = (
        bound.item() if isinstance(bound, Tensor) else attributes.get(key)
        for key, bound in zip(("min", "max"), (*inputs[1:], None, None), strict=False)
    )
    return inputs[0] if low is None and high is None else torch.clamp(inputs[0], low, high)


def _prelu(_: Attributes, inputs: list[Any]) -> Tensor:
    x, slope = inputs
    if slope.dim() < 2 or (x.dim() == 4 and slope.dim() == 3 and slope.shape[1:] == (1, 1)):
        return F.prelu(x, slope.flatten())  # one a channel: SFace takes half the time of three steps
    return torch.where(x >= 0, x, x * slope)


def _gemm(attributes: Attributes, inputs: list[Any]) -> Tensor:
    a = inputs[0].T if attributes.get("transA") else inputs[0]
    b = inputs[1].T if attributes.get("transB") else inputs[1]
    product: Tensor = (a @ b) * attributes.get("alpha", 1.0)
    addend = inputs[2] if len(inputs) > 2 else None
    return product if addend is None else product + addend * attributes.get("beta", 1.0)


def _flatten(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x, axis = inputs[0], attributes.get("axis", 1)
    flat: Tensor = x.reshape(int(np.prod(x.shape[:axis])), -1)
    return flat


def _pad(attributes: Attributes, inputs: list[Any]) -> Tensor:
    # Pads and value are inputs since opset 11, attributes before.
    x, pads, value = (*inputs, None, None)[:3]
    spread = attributes["pads"] if pads is None else pads.tolist()
    constant = attributes.get("value", 0.0) if value is None else value.item()
    half = len(spread) // 2
    return F.pad(x, [n for axis in reversed(range(half)) for n in (spread[axis], spread[axis + half])], value=constant)


def _reshape(_: Attributes, inputs: list[Any]) -> Tensor:
    # A wanted 0 keeps what is there.
    x = inputs[0]
    reshaped: Tensor = x.reshape([n or x.shape[axis] for axis, n in enumerate(inputs[1].tolist())])
    return reshaped


def _resize(_: Attributes, inputs: list[Any]) -> Tensor:
    rows, columns = (int(factor) for factor in inputs[2].tolist()[2:])
    enlarged: Tensor = inputs[0].repeat_interleave(rows, 2).repeat_interleave(columns, 3)
    return enlarged


def _cast(attributes: Attributes, inputs: list[Any]) -> Tensor:
    dtype = np.zeros(0, onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))
    wanted = torch.from_numpy(dtype).dtype
    cast: Tensor = inputs[0].to(torch.float32 if wanted.is_floating_point else wanted)
    return cast


def _transpose(attributes: Attributes, inputs: list[Any]) -> Tensor:
    x: Tensor = inputs[0]
    return x.permute(attributes.get("perm") or list(reversed(range(x.dim()))))


OPERATORS: Final[dict[str, Operator]] = {
    "Add": lambda _, i: i[0] + i[1],
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda a, i: torch.cat(i, a["axis"]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": lambda _, i: i[0] / i[1],
    "Dropout": lambda _, i: i[0],
    "Flatten": _flatten,
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
    "Reshape": _reshape,
    "Resize": _resize,
    "Sigmoid": lambda _, i: torch.sigmoid(i[0]),
    "Softmax": lambda a, i: F.softmax(i[0], a.get("axis", -1)),
    "Sub": lambda _, i: i[0] - i[1],
    "Transpose": _transpose,
}

PLAIN_INPUTS: Final = {"Pad": (1, 2), "Reshape": (1,), "Resize": (1, 2), "Clip": (1, 2)}
"""Positions of inputs that an operator reads as plain numbers."""

# Where every output pixel of a whole factor is a copy of the input pixel it lies on.
_COPYING: Final = {
    (b"half_pixel", b"round_prefer_floor"),
    (b"half_pixel", b"round_prefer_ceil"),
    (b"pytorch_half_pixel", b"round_prefer_floor"),
    (b"asymmetric", b"floor"),
}


def objection(node: onnx.NodeProto, attributes: Attributes, constants: Mapping[str, Tensor], opset: int) -> str:
    """Say why this module cannot run a node, in words that fit behind a file's name; empty if it can.

    Parameters
    ----------
    node : onnx.NodeProto
    attributes : mapping
        The node's, as `onnx.helper.get_attribute_value` gives them.
    constants : mapping of str to Tensor
        Every value known before the network runs.
    opset : int
        Version of ONNX's operators that the file was written for.
    """
    kind = node.op_type
    if node.domain not in ("", "ai.onnx") or kind not in OPERATORS:
        return f"operator {kind} is not covered by the torch engine"
    if any(name and name not in constants for at in PLAIN_INPUTS.get(kind, ()) for name in node.input[at : at + 1]):
        return f"a {kind} whose sizes or bounds are computed is not covered by the torch engine"
    pads = attributes.get("pads", [0, 0, 0, 0])
    uneven = pads[:2] != pads[2:] or attributes.get("auto_pad", b"NOTSET").startswith(b"SAME")
    reasons = {
        "Conv": len(attributes.get("kernel_shape", [1, 1])) != 2,
        "ConvTranspose": "output_shape" in attributes or attributes.get("auto_pad", b"NOTSET").startswith(b"SAME"),
        "MaxPool": attributes.get("ceil_mode") and uneven,
        "AveragePool": (attributes.get("ceil_mode") and uneven) or set(attributes.get("dilations", [1])) != {1},
        "BatchNormalization": attributes.get("training_mode"),
        "Pad": attributes.get("mode", b"constant") != b"constant" or len(node.input) > 3,
        "Reshape": attributes.get("allowzero"),
        "Resize": kind == "Resize" and not _copies(node, attributes, constants),
        "Softmax": opset < 13,  # it flattened all axes behind its own into one
    }
    return f"this kind of {kind} is not covered by the torch engine" if reasons.get(kind) else ""


def _copies(node: onnx.NodeProto, attributes: Attributes, constants: Mapping[str, Tensor]) -> bool:
    """Whether a Resize repeats pixels a whole number of times."""
    factors = constants[node.input[2]].tolist() if len(node.input) > 2 and node.input[2] else []
    how = (
        attributes.get("coordinate_transformation_mode", b"half_pixel"),
        attributes.get("nearest_mode", b"round_prefer_floor"),
    )
    # By 1 or 2, rounding to the nearest meets the same pixels from either origin.
    small = how == (b"asymmetric", b"round_prefer_floor") and all(factor <= 2 for factor in factors)
    return (
        attributes.get("mode", b"nearest") == b"nearest"
        and len(factors) == 4
        and factors[:2] == [1, 1]
        and all(factor == int(factor) for factor in factors)
        and (how in _COPYING or small)
    )
