"""YuNet: dequantize, free the fixed 640x640 input, end at the heads' feature maps."""

from __future__ import annotations

import onnx
from graph import build, dequantized

CHANNELS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
STRIDES = (8, 16, 32)


def convert(original: bytes) -> onnx.ModelProto:
    """Convert opencv_zoo's face_detection_yunet_2023mar_int8bq.onnx (opset 21).

    The original ends each head in Transpose, Reshape (to a fixed count) and, for cls and obj, Sigmoid. Here the
    maps come out as (batch, channels, rows, columns), so that any picture size works; the Sigmoid stays.
    """
    model = onnx.load_from_string(original)
    nodes, values = dequantized(model)
    makers = {output: node for node in nodes for output in node.output}
    dropped: set[str] = set()
    for head in CHANNELS:
        for stride in STRIDES:
            sigmoid = reshape = makers[f"{head}_{stride}"]
            if sigmoid.op_type == "Sigmoid":
                reshape = makers[sigmoid.input[0]]
            transpose = makers[reshape.input[0]]
            maker = makers[transpose.input[0]]
            dropped |= {reshape.output[0], transpose.output[0]}
            if sigmoid is not reshape:
                sigmoid.input[0] = maker.output[0]
            else:
                dropped.add(f"{head}_{stride}")
                maker.output[0] = f"{head}_{stride}"
                makers[f"{head}_{stride}"] = maker
    kept = [node for node in nodes if node.op_type not in ("Transpose", "Reshape")]
    # It was trained on BGR: turning the first filters round spares turning every picture round.
    first = next(node.input[1] for node in kept if node.op_type == "Conv" and node.input[0] == "input")
    values[first] = values[first][:, ::-1]
    for node in kept:
        node.input[:] = ["planes" if name == "input" else name for name in node.input]
    outputs = {
        f"{head}_{stride}": (channels, f"rows_{stride}", f"columns_{stride}")
        for head, channels in CHANNELS.items()
        for stride in STRIDES
    }
    return build("yunet", kept, values, input_size=None, outputs=outputs, float16=True)
