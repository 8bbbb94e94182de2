"""MobileFaceNet: from a TFLite graph (NHWC, batch of two) to ONNX with a free batch."""

from __future__ import annotations

import numpy as np
import onnx
import tflite
from graph import build
from onnx import helper

OPERATORS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}


def _same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding: the odd pixel goes to the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convert(original: bytes) -> onnx.ModelProto:
    """Convert MobileFaceNet.tflite.

    It holds convolutions, residual additions and PReLU spelt out as ``relu(x) + m * (x - |x|)``, whose slope for
    negative x is 2 m.
    """
    model = tflite.Model.GetRootAsModel(original, 0)
    graph = model.Subgraphs(0)

    def constant(index: int) -> np.ndarray:
        tensor = graph.Tensors(index)
        data = model.Buffers(tensor.Buffer()).DataAsNumpy()
        return np.frombuffer(data.tobytes(), np.float32).reshape(tensor.ShapeAsNumpy())

    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    kinds = []
    for operator in operators:
        code = model.OperatorCodes(operator.OpcodeIndex())
        kinds.append(OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())])

    names: dict[int, str] = {int(graph.InputsAsNumpy()[0]): "planes"}
    values: dict[str, np.ndarray] = {}
    nodes: list[onnx.NodeProto] = []

    def add(op_type: str, inputs: list[str], output: int, **attributes: object) -> None:
        names[output] = f"t{output}"
        nodes.append(helper.make_node(op_type, inputs, [names[output]], **attributes))

    position = 0
    while position < len(operators):
        operator, kind = operators[position], kinds[position]
        inputs = [int(index) for index in operator.InputsAsNumpy()]
        output = int(operator.OutputsAsNumpy()[0])
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            depthwise = kind == "DEPTHWISE_CONV_2D"
            options = tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions()
            table = operator.BuiltinOptions()
            options.Init(table.Bytes, table.Pos)
            weight = constant(inputs[1])  # NHWC: (out, kh, kw, in), or (1, kh, kw, channels) if depthwise
            weight = weight.transpose(3, 0, 1, 2) if depthwise else weight.transpose(0, 3, 1, 2)
            _, height, width, _ = graph.Tensors(inputs[0]).ShapeAsNumpy()
            kernel, strides = weight.shape[2:], (options.StrideH(), options.StrideW())
            same = options.Padding() == tflite.Padding.SAME
            rows, columns = (
                _same_pads(int(size), k, s) if same else (0, 0)
                for size, k, s in zip((height, width), kernel, strides, strict=True)
            )
            values[f"w{output}"], values[f"b{output}"] = weight, constant(inputs[2])
            add(
                "Conv",
                [names[inputs[0]], f"w{output}", f"b{output}"],
                output,
                kernel_shape=kernel,
                strides=strides,
                pads=(rows[0], columns[0], rows[1], columns[1]),
                group=weight.shape[0] if depthwise else 1,
            )
            position += 1
        elif kind == "RELU":
            if kinds[position : position + 5] != ["RELU", "ABS", "SUB", "MUL", "ADD"]:
                raise ValueError(f"operator {position}: a RELU that is no part of a PReLU")
            slope = 2.0 * constant(int(operators[position + 3].InputsAsNumpy()[0]))
            output = int(operators[position + 4].OutputsAsNumpy()[0])
            values[f"s{output}"] = slope.astype(np.float32).reshape(-1, 1, 1)
            add("PRelu", [names[inputs[0]], f"s{output}"], output)
            position += 5
        elif kind == "ADD":
            add("Add", [names[index] for index in inputs], output)
            position += 1
        elif kind == "RESHAPE":
            nodes.append(helper.make_node("Flatten", [names[inputs[0]]], ["embedding"], axis=1))
            position += 1
        else:
            raise ValueError(f"operator {position}: {kind} is not expected here")
    return build(
        "mobilefacenet",
        nodes,
        values,
        input_size=(112, 112),
        outputs={"embedding": (192,)},
        float16=True,
        mean=(127.5, 127.5, 127.5),
        scale=128.0,
    )
