"""How much arithmetic a network is: the multiplications and additions of its convolutions and matrix products."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from facecli.errors import WeightsError

if TYPE_CHECKING:
    import onnx

Shape = list[int]

# What these operators multiply with: their second input. Everything else touches each number once or twice and is
# bound by memory, not by arithmetic.
_PRODUCTS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@lru_cache(maxsize=256)
def count_flops(path: Path, height: int, width: int) -> int:
    """Count the floating point operations that one picture costs, a multiplication and an addition being two.

    Parameters
    ----------
    path : Path
        An ONNX file.
    height, width : int
        Size in pixels of what the network is given.

    Returns
    -------
    int

    Raises
    ------
    WeightsError
        If the file cannot be read, or its shapes cannot be told.
    """
    import onnx

    unreadable = import_module("google.protobuf.message").DecodeError
    try:
        model = onnx.load(path)
        _fix_input(model, height, width)
        graph = onnx.shape_inference.infer_shapes(model).graph
    except (OSError, ValueError, onnx.shape_inference.InferenceError, unreadable) as error:
        raise WeightsError(f"{path} cannot be read as a network: {error}", hint="Pull or import it again.") from error
    shapes = {each.name: _sides(each) for each in (*graph.input, *graph.value_info, *graph.output)}
    shapes |= {each.name: list(each.dims) for each in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in _PRODUCTS:
            given, weights, made = (shapes.get(name, []) for name in (*node.input[:2], node.output[0]))
            if not (given and weights and made and all(given + weights + made)):
                raise WeightsError(f"the shapes of {node.op_type} {node.name} in {path} cannot be told")
            total += 2 * _products(node, given, weights, made)
    return total


def _fix_input(model: onnx.ModelProto, height: int, width: int) -> None:
    """Give the graph's only true input its shape, pictures last or first as it stands in the file."""
    constants = {each.name for each in model.graph.initializer}
    (picture,) = (each for each in model.graph.input if each.name not in constants)
    sides = picture.type.tensor_type.shape.dim
    channels_last = len(sides) == 4 and sides[3].dim_value == 3  # as those that ship
    for side, value in zip(sides, (1, height, width, 3) if channels_last else (1, 3, height, width), strict=True):
        side.dim_value = value


def _sides(value: onnx.ValueInfoProto) -> Shape:
    return [side.dim_value for side in value.type.tensor_type.shape.dim]


def _products(node: onnx.NodeProto, given: Shape, weights: Shape, made: Shape) -> int:
    """Multiplications of one operator; shapes of its input, weights and output."""
    if node.op_type == "Conv":
        return _size(made) * _size(weights[1:])  # weights: out, in / groups, height, width
    if node.op_type == "ConvTranspose":
        return _size(given) * _size(weights[1:])  # weights: in, out / groups, height, width
    return _size(made) * given[-1]


def _size(shape: Shape) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
