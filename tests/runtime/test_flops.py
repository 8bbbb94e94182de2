from __future__ import annotations

from pathlib import Path

import pytest

from facecli.errors import WeightsError
from facecli.runtime.flops import count_flops
from facecli.runtime.manifest import models_dir

MODELS = models_dir()


@pytest.mark.parametrize(
    ("name", "height", "width"),
    [
        ("centerface", 64, 96),
        ("yunet", 64, 96),
        ("sface", 112, 112),
        ("mobilefacenet", 112, 112),
        ("dlib-resnet", 150, 150),
    ],
)
def test_a_network_counts_what_torch_counts(name: str, height: int, width: int) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    from facecli.runtime.onnx_graph import OnnxGraph

    path = MODELS / name / f"{name}.onnx"
    network = OnnxGraph.from_file(path)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, height, width, 3, dtype=torch.uint8))

    assert count_flops(path, height, width) == counter.get_total_flops()


def test_what_is_no_network_is_said(tmp_path: Path) -> None:
    path = tmp_path / "torn.onnx"
    path.write_bytes(b"\x08\x07torn")

    with pytest.raises(WeightsError, match=r"torn\.onnx cannot be read as a network"):
        count_flops(path, 64, 64)
