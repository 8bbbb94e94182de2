"""SFace: dequantize, fold batch norms, free the batch."""

from __future__ import annotations

import onnx
from graph import build, dequantized, fold_batch_norm


def convert(original: bytes) -> onnx.ModelProto:
    """Convert opencv_zoo's face_recognition_sface_2021dec_int8bq.onnx (opset 21)."""
    model = onnx.load_from_string(original)
    nodes, values = dequantized(model)
    nodes = fold_batch_norm([node for node in nodes if node.op_type != "Dropout"], values)
    skipped = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Dropout"}
    for node in nodes:
        node.input[:] = ["planes" if name == "data" else skipped.get(name, name) for name in node.input]
        node.output[:] = ["embedding" if name == "fc1" else name for name in node.output]
    return build(
        "sface",
        nodes,
        values,
        input_size=(112, 112),
        outputs={"embedding": (128,)},
        float16=True,
    )
