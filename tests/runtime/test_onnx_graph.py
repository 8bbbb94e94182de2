from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from facecli.errors import WeightsError
from facecli.runtime.onnx_graph import OnnxGraph
from facecli.runtime.onnx_operators import OPERATORS
from facecli.runtime.openvino_engine import import_openvino

SHAPE = (2, 4, 9, 11)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def model_of(
    operator: str,
    constants: Sequence[np.ndarray | None] = (),
    *,
    opset: int = 17,
    shape: Sequence[int] = SHAPE,
    **attributes: Any,
) -> onnx.ModelProto:
    """A graph of one node, whose first input is the picture and whose others are constants (None: left out)."""
    names = [f"c{index}" if value is not None else "" for index, value in enumerate(constants)]
    given = [numpy_helper.from_array(value, name) for value, name in zip(constants, names, strict=True) if name]
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *names], ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        given,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def in_torch(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return OnnxGraph(model).eval()(torch.from_numpy(x))["y"].numpy()


def in_openvino(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    core = import_openvino().Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return np.asarray(compiled([x])[0])


AWKWARD: dict[str, tuple[str, Sequence[np.ndarray | None], dict[str, Any]]] = {
    "Add, of constants": ("Add", [numbers(4, 1, 1)], {}),
    "AveragePool, uneven pads left out of the mean": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]},
    ),
    "AveragePool, uneven pads in the mean": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 3], "strides": [2, 1], "pads": [1, 0, 2, 1], "count_include_pad": 1},
    ),
    "AveragePool, even pads left out": ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "AveragePool, ceiling": (
        "AveragePool",
        [],
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ),
    "AveragePool, as TensorFlow pads": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ),
    "BatchNormalization, own epsilon": (
        "BatchNormalization",
        [numbers(4, seed=1), numbers(4, seed=2), numbers(4, seed=3), np.abs(numbers(4, seed=4))],
        {"epsilon": 0.01},
    ),
    "Clip, from below": ("Clip", [floats(0.25)[0]], {}),
    "Clip, from above": ("Clip", [None, floats(0.25)[0]], {}),
    "Clip, bounds as attributes": ("Clip", [], {"min": -0.5, "max": 0.5, "opset": 6 + 1}),
    "Concat": ("Concat", [numbers(2, 3, 9, 11)], {"axis": 1}),
    "Conv, uneven pads": ("Conv", [numbers(5, 4, 3, 3), numbers(5)], {"pads": [0, 2, 1, 0], "strides": [2, 1]}),
    "Conv, groups": ("Conv", [numbers(6, 2, 3, 3)], {"group": 2, "pads": [1, 1, 1, 1]}),
    "Conv, one filter a channel": ("Conv", [numbers(4, 1, 3, 3), numbers(4)], {"group": 4, "strides": [2, 2]}),
    "Conv, dilated": ("Conv", [numbers(3, 4, 3, 2)], {"dilations": [2, 3], "pads": [2, 1, 2, 1]}),
    "Conv, as TensorFlow pads": ("Conv", [numbers(3, 4, 3, 4)], {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    "Conv, as Caffe2 pads": ("Conv", [numbers(3, 4, 4, 4)], {"auto_pad": "SAME_LOWER", "dilations": [2, 1]}),
    "Conv, auto_pad VALID": ("Conv", [numbers(3, 4, 3, 3)], {"auto_pad": "VALID"}),
    "ConvTranspose, output_padding": (
        "ConvTranspose",
        [numbers(4, 3, 3, 3), numbers(3)],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]},
    ),
    "ConvTranspose, groups": ("ConvTranspose", [numbers(4, 2, 2, 2)], {"strides": [2, 2], "group": 2}),
    "ConvTranspose, uneven pads": (
        "ConvTranspose",
        [numbers(4, 3, 3, 3)],
        {"strides": [2, 2], "pads": [0, 1, 2, 0], "output_padding": [1, 1]},
    ),
    "ConvTranspose, dilated": ("ConvTranspose", [numbers(4, 3, 2, 3)], {"dilations": [2, 2], "pads": [1, 0, 1, 0]}),
    "Div, by one a column": ("Div", [1 + np.abs(numbers(11))], {}),
    "Dropout": ("Dropout", [], {}),
    "Flatten, everything": ("Flatten", [], {"axis": 0}),
    "Flatten, last axes": ("Flatten", [], {"axis": 3}),
    "Flatten, from the end": ("Flatten", [], {"axis": -1}),
    "GlobalAveragePool": ("GlobalAveragePool", [], {}),
    "Identity": ("Identity", [], {}),
    "LeakyRelu, own slope": ("LeakyRelu", [], {"alpha": 0.3}),
    "MatMul": ("MatMul", [numbers(11, 5)], {}),
    "MaxPool, uneven pads": ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
    "MaxPool, ceiling": ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "MaxPool, dilated": ("MaxPool", [], {"kernel_shape": [2, 3], "dilations": [3, 2]}),
    "MaxPool, as TensorFlow pads": (
        "MaxPool",
        [],
        {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    ),
    "Mul": ("Mul", [numbers(1)], {}),
    "PRelu, a slope a channel": ("PRelu", [numbers(4, 1, 1)], {}),
    "PRelu, one slope": ("PRelu", [floats(0.3)], {}),
    "Pad, all axes": ("Pad", [ints(0, 1, 0, 2, 0, 3, 1, 0)], {}),
    "Pad, a value": ("Pad", [ints(0, 0, 1, 1, 0, 0, 1, 1), floats(7.0)[0]], {}),
    "Pad, cropping": ("Pad", [ints(0, 0, -1, 2, 0, 0, 0, -3)], {}),
    "Pad, as attributes": ("Pad", [], {"pads": [0, 0, 1, 0, 0, 0, 0, 2], "value": 2.0, "opset": 10}),
    "Relu": ("Relu", [], {}),
    "Reshape, keeping and inferring": ("Reshape", [ints(0, 2, -1)], {}),
    "Resize, by two": ("Resize", [None, floats(1, 1, 2, 2)], {}),
    "Resize, by three and two": (
        "Resize",
        [None, floats(1, 1, 3, 2)],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "Resize, by two as torch exports it": (
        "Resize",
        [None, floats(1, 1, 2, 2)],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "Sigmoid": ("Sigmoid", [], {}),
    "Softmax, along channels": ("Softmax", [], {"axis": 1}),
    "Softmax, last axis": ("Softmax", [], {}),
    "Sub": ("Sub", [numbers(9, 11)], {}),
    "Transpose": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    "Transpose, reversed": ("Transpose", [], {}),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_operators_give_what_openvino_gives(case: str) -> None:
    operator, constants, attributes = AWKWARD[case]
    model = model_of(operator, constants, **attributes)
    x = numbers(*SHAPE, seed=9)

    # Sums of up to 64 terms near 1, in float32 and in another order.
    np.testing.assert_allclose(in_torch(model, x), in_openvino(model, x), atol=2e-5)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("addend", [None, numbers(3)])
def test_gemm(alpha: float, transposed: bool, addend: np.ndarray | None) -> None:
    weight = numbers(3, 5) if transposed else numbers(5, 3)
    model = model_of("Gemm", [weight, addend], shape=(2, 5), alpha=alpha, beta=0.5, transB=int(transposed))
    x = numbers(2, 5, seed=8)

    wanted = alpha * x @ (weight.T if transposed else weight) + (0 if addend is None else 0.5 * addend)

    np.testing.assert_allclose(in_torch(model, x), wanted, atol=1e-6)


def test_constants_may_stand_in_nodes_and_in_half_precision() -> None:
    nodes = [
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("Constant", [], ["half"], value=numpy_helper.from_array(np.array(0.5, np.float16))),
        helper.make_node("Cast", ["half"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["x", "two"], ["doubled"]),
        helper.make_node("Add", ["doubled", "wide"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "constants",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])

    assert in_torch(model, floats(0, 1, 2)).tolist() == [0.5, 2.5, 4.5]


def test_a_constant_may_be_a_bound_and_a_factor() -> None:
    nodes = [helper.make_node("Clip", ["x", "", "c"], ["low"]), helper.make_node("Mul", ["low", "c"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "shared",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(floats(2.0)[0], "c")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])

    assert in_torch(model, floats(1, 2, 3)).tolist() == [2.0, 4.0, 4.0]


def test_a_graph_written_for_one_picture_runs_several() -> None:
    model = model_of("Reshape", [ints(1, -1)], shape=(1, 4, 9, 11))
    x = numbers(3, 4, 9, 11)

    assert np.array_equal(in_torch(model, x), x.reshape(3, -1))


def test_every_operator_is_tried() -> None:
    elsewhere = {"Gemm", "Cast"}

    assert set(OPERATORS) == {operator for operator, _, _ in AWKWARD.values()} | elsewhere


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (model_of("Einsum", equation="bchw->bc"), "operator Einsum is not covered by the torch engine"),
        (model_of("Pad", [ints(0, 0, 1, 1, 0, 0, 1, 1)], mode="reflect"), "this kind of Pad"),
        (model_of("Resize", [None, floats(1, 1, 1.5, 2)]), "this kind of Resize"),
        (model_of("Resize", [None, floats(1, 1, 2, 2)], mode="linear"), "this kind of Resize"),
        (
            model_of("Resize", [None, floats(1, 1, 2, 2)], coordinate_transformation_mode="align_corners"),
            "this kind of Resize",
        ),
        (model_of("Resize", [None, None, ints(2, 4, 18, 22)]), "this kind of Resize"),
        (
            model_of("MaxPool", kernel_shape=[2, 2], pads=[0, 0, 1, 1], ceil_mode=1, strides=[2, 2]),
            "this kind of MaxPool",
        ),
        (model_of("AveragePool", kernel_shape=[2, 2], dilations=[2, 2], opset=19), "this kind of AveragePool"),
        (
            model_of("ConvTranspose", [numbers(4, 3, 2, 2)], strides=[2, 2], output_shape=[19, 23]),
            "this kind of ConvTranspose",
        ),
        (model_of("Softmax", axis=1, opset=11), "this kind of Softmax"),
        (model_of("Relu", opset=6), "its operators are of version 6, older than 7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_covered_is_refused_when_the_file_is_loaded(
    tmp_path: Path, model: onnx.ModelProto, message: str
) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(model.SerializeToString())

    with pytest.raises(WeightsError, match=rf"net\.onnx: {message}") as caught:
        OnnxGraph.from_file(file)

    assert "--device cpu" in caught.value.hint


def test_sizes_that_the_network_computes_are_refused(tmp_path: Path) -> None:
    model = model_of("Reshape", [ints(0, -1)])
    model.graph.node.insert(0, helper.make_node("Identity", ["c0"], ["computed"]))
    model.graph.node[1].input[1] = "computed"

    with pytest.raises(WeightsError, match="a Reshape whose sizes or bounds are computed"):
        OnnxGraph(model)


@pytest.mark.parametrize("change", ["two inputs", "unknown input", "unknown output", "weights elsewhere"])
def test_broken_graphs_are_refused(change: str) -> None:
    model = model_of("Add", [numbers(4, 1, 1)])
    if change == "two inputs":
        model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, SHAPE))
    elif change == "unknown input":
        model.graph.node[0].input[1] = "nowhere"
    elif change == "unknown output":
        model.graph.output[0].name = "nowhere"
    else:
        model.graph.initializer[0].data_location = TensorProto.EXTERNAL

    with pytest.raises(WeightsError, match=r"^(it|a Add) "):
        OnnxGraph(model)


@pytest.mark.parametrize("content", [b"<html>not found</html>", b"\x80\x02}q\x00.", b"\xff" * 50])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "page.onnx"
    file.write_bytes(content)

    with pytest.raises(WeightsError, match=r"page\.onnx is no ONNX file"):
        OnnxGraph.from_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.onnx cannot be read"):
        OnnxGraph.from_file(tmp_path / "absent.onnx")


def test_a_tensor_of_an_unknown_type_is_refused(tmp_path):
    graph = helper.make_graph([], "g", [], [], [TensorProto(name="w", data_type=33, dims=[1])])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph), path)
    with pytest.raises(WeightsError, match=r"net\.onnx is damaged, or no network"):
        OnnxGraph.from_file(path)
