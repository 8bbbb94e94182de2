"""dlib's face recognition ResNet: from its serialized tensors to ONNX, affine layers folded into the convolutions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import onnx
from graph import build
from onnx import helper

SIDE = 150
BLOCKS = [(32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True)]


def _tensors(data: bytes) -> Iterator[np.ndarray]:
    """Yield every tensor in the file: 01 02, four dimensions as (length byte, little-endian bytes), float32 values."""
    position = 0
    while (position := data.find(b"\x01\x02", position)) >= 0:
        cursor, shape = position + 2, []
        for _ in range(4):
            length = data[cursor] if cursor < len(data) else 0
            if not 1 <= length <= 4:
                break
            shape.append(int.from_bytes(data[cursor + 1 : cursor + 1 + length], "little"))
            cursor += 1 + length
        # The file stores vectors and one matrix, the smallest an affine layer of 2 x 32 numbers; other hits are chance.
        count = shape[0] * shape[1] if len(shape) == 4 and shape[2:] == [1, 1] else 0
        if count < 64 or cursor + 4 * count > len(data):
            position += 1
            continue
        yield np.frombuffer(data, "<f4", count, cursor).astype(np.float64)
        position = cursor + 4 * count


def convert(original: bytes) -> onnx.ModelProto:
    """Convert dlib_face_recognition_resnet_model_v1.dat; weights stay float32 to equal dlib within 1e-5."""
    tensors = _tensors(original)
    values: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []
    serial = itertools.count()

    def add(op_type: str, *inputs: str, **attributes: object) -> str:
        output = f"{op_type.lower()}{next(serial)}"
        nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def conv(source: str, channels: int, out: int, kernel: int, stride: int, pad: int) -> str:
        parameters, affine = next(tensors), next(tensors)
        weights = out * channels * kernel * kernel
        if parameters.size != weights + out or affine.size != 2 * out:
            raise ValueError(f"tensor of {parameters.size} and {affine.size} numbers where {weights + out} belong")
        gamma, beta = affine[:out], affine[out:]
        key = f"conv{next(serial)}"
        weight = parameters[:weights].reshape(out, channels, kernel, kernel) * gamma[:, None, None, None]
        values[f"{key}.weight"] = weight.astype(np.float32)
        values[f"{key}.bias"] = (parameters[weights:] * gamma + beta).astype(np.float32)
        return add(
            "Conv",
            source,
            f"{key}.weight",
            f"{key}.bias",
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[pad] * 4,
        )

    # Sides shrink by known amounts, so the paddings that dlib decides at run time are constants here.
    current = add("Relu", conv("planes", 3, 32, 7, 2, 0))
    current = add("MaxPool", current, kernel_shape=[3, 3], strides=[2, 2])
    side, channels = (((SIDE - 7) // 2 + 1) - 3) // 2 + 1, 32
    for out, count, first_down in BLOCKS:
        for index in range(count):
            down = first_down and index == 0
            inside = (side - 3) // 2 + 1 if down else side
            branch = add("Relu", conv(current, channels, out, 3, 2 if down else 1, 0 if down else 1))
            branch = conv(branch, out, out, 3, 1, 1)
            shortcut, pooled = current, side
            if down:
                shortcut = add("AveragePool", current, kernel_shape=[2, 2], strides=[2, 2])
                pooled = (side - 2) // 2 + 1
            target = max(inside, pooled)
            branch = _padded(add, values, branch, out, inside, out, target)
            shortcut = _padded(add, values, shortcut, channels, pooled, out, target)
            current = add("Relu", add("Add", branch, shortcut))
            side, channels = target, out
    current = add("Flatten", add("GlobalAveragePool", current), axis=1)
    values["fc.weight"] = next(tensors).reshape(256, 128).astype(np.float32)
    nodes.append(helper.make_node("MatMul", [current, "fc.weight"], ["embedding"]))
    return build(
        "dlib-resnet",
        nodes,
        values,
        input_size=(SIDE, SIDE),
        outputs={"embedding": (128,)},
        float16=False,
        mean=(122.782, 117.001, 104.298),
        scale=256.0,
    )


def _padded(add, values, source, channels, side, to_channels, to_side):
    """Zero-pad at the end in channels, rows and columns where anything is missing."""
    if (channels, side) == (to_channels, to_side):
        return source
    more = to_side - side
    key = f"pads{to_channels - channels}_{more}"
    values[key] = np.array([0, 0, 0, 0, 0, to_channels - channels, more, more], np.int64)
    return add("Pad", source, key)
