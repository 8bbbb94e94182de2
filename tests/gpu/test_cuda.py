"""The same photos on CUDA and on the CPU, both in torch: the same faces, the same vectors."""

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facecli.app import App
from facecli.runtime.device import Device, cuda_device_count, resolve_device
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Preprocessing
from facecli.runtime.torch_engine import TorchEngine
from facecli.runtime.torch_lanes import Lanes
from facecli.services.analysis import Analysis, PhotoSource
from facecli.settings import Settings
from facecli.types import PixelArray

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(cuda_device_count() == 0, reason="no CUDA device"),
]

# Cosine to what a CPU computes in float32, and pixels of a photo: float32 sums in another order; float16 keeps 11 bits
# of a number (0.999998 and 0.31 px of a canvas when torch computed in it on a CPU); bfloat16 keeps 8.
LEAST_COSINE = {"f32": 0.99999, "f16": 0.9999, "bf16": 0.999}
LANDMARK_TOLERANCE_PX = {"f32": 0.2, "f16": 1.0}


def _analysed(device: str, tmp_path: Path, photos: list[Path], **settings: object) -> list[Analysis]:
    app = App(Settings(device=device, engine="torch", cache=tmp_path, **settings))
    return list(app.analyser().analyse(PhotoSource(str(photo)) for photo in photos))


@pytest.fixture
def photos(sample_images: Path) -> list[Path]:
    return sorted(sample_images.rglob("*.jpg"))


@pytest.mark.parametrize("precision", ["f32", "f16"])
@pytest.mark.parametrize("embedder", ["sface", "mobilefacenet", "dlib-resnet", "fusion"])
@pytest.mark.parametrize("detector", ["centerface", "yunet"])
def test_cuda_gives_what_the_cpu_gives(
    detector: str, embedder: str, precision: str, photos: list[Path], tmp_path: Path
) -> None:
    names = {"detector": detector, "embedder": embedder}
    on_cpu = _analysed("cpu", tmp_path, photos, precision="f32", **names)
    on_cuda = _analysed("cuda", tmp_path, photos, precision=precision, **names)

    assert [len(each.faces) for each in on_cuda] == [len(each.faces) for each in on_cpu]
    assert sum(len(each.faces) for each in on_cpu) >= len(photos)
    for cpu, cuda in zip(on_cpu, on_cuda, strict=True):
        for a, b in zip(cpu.faces, cuda.faces, strict=True):
            np.testing.assert_allclose(
                a.detection.landmarks_xy, b.detection.landmarks_xy, atol=LANDMARK_TOLERANCE_PX[precision]
            )
            assert float(a.embedding.vector @ b.embedding.vector) >= LEAST_COSINE[precision]


@pytest.mark.parametrize("name", ["sface", "mobilefacenet", "dlib-resnet"])
@pytest.mark.parametrize("precision", list(LEAST_COSINE))
def test_company_changes_no_vector_on_cuda(name: str, precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecli.runtime.torch_lanes.SEARCH_AFTER", 2)  # so that cuDNN searches for other kernels, too
    crops = _crops(name, 40)
    manifest = shipped_models()[name]
    exact = TorchEngine(Device("cpu"), precision="f32").load(manifest.path, manifest.preprocessing)
    merged = TorchEngine(Device("cuda"), precision=precision, max_batch=16).load(manifest.path, manifest.preprocessing)

    wanted = exact(crops)["embedding"]
    for _ in range(5):
        with ThreadPoolExecutor(24) as pool:
            found = np.concatenate([each["embedding"] for each in pool.map(merged, crops[:, None])])
        lengths = np.linalg.norm(wanted, axis=1) * np.linalg.norm(found, axis=1)
        assert ((wanted * found).sum(1) / lengths).min() >= LEAST_COSINE[precision]


def test_more_than_the_memory_holds_is_run_in_parts() -> None:
    import torch

    manifest = shipped_models()["centerface"]
    pictures = np.random.default_rng(3).integers(0, 256, (16, 640, 960, 3), np.uint8)
    network = TorchEngine(Device("cuda"), precision="f16", max_batch=16).load(manifest.path, manifest.preprocessing)
    torch.cuda.reset_peak_memory_stats()
    wanted = network(pictures)["heatmap"]
    most = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(most / 2 / torch.cuda.get_device_properties(0).total_memory)
    try:
        found = network(pictures)["heatmap"]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    np.testing.assert_allclose(found, wanted, atol=0.01)


def test_pictures_and_answers_go_through_pinned_memory() -> None:
    import torch

    lanes = Lanes(torch, Device("cuda"))
    batch = lanes.allocate((4, 8, 8, 3))
    batch[:] = np.arange(4, dtype=np.uint8)[:, None, None, None]
    assert torch.from_numpy(batch).is_pinned()
    rows = lanes.run(lambda: lanes.download(lanes.upload(batch).float().flatten(1)))

    assert torch.from_numpy(rows).is_pinned()
    np.testing.assert_array_equal(rows, batch.reshape(4, -1))


def test_float32_is_not_tf32() -> None:
    import torch

    module = torch.nn.Sequential(torch.nn.Conv2d(3, 64, 1, bias=False), torch.nn.Conv2d(64, 64, 3, bias=False))
    torch.nn.init.ones_(module[0].weight)
    torch.nn.init.constant_(module[1].weight, 1 + 2**-12)  # TF32 keeps ten bits
    pictures = np.ones((2, 16, 16, 3), np.uint8)

    found = TorchEngine(Device("cuda"), precision="f32").wrap(module, Preprocessing())(pictures)["embedding"]

    assert torch.backends.cudnn.allow_tf32
    np.testing.assert_allclose(found, 3 * 64 * 9 * (1 + 2**-12), rtol=1e-6)


def _crops(name: str, count: int) -> PixelArray:
    size = shipped_models()[name].size_hw
    assert size is not None
    coarse = np.random.default_rng(2).integers(0, 256, (count, 7, 7, 3), np.uint8)
    return np.stack([cv2.resize(each, size[::-1], interpolation=cv2.INTER_CUBIC) for each in coarse])


@pytest.mark.skipif(importlib.util.find_spec("facenet_pytorch") is None, reason="facenet-pytorch is not installed")
def test_mtcnn_on_cuda(photos: list[Path], tmp_path: Path) -> None:
    on_cpu = _analysed("cpu", tmp_path, photos, detector="mtcnn")
    on_cuda = _analysed("cuda", tmp_path, photos, detector="mtcnn")
    assert [len(each.faces) for each in on_cuda] == [len(each.faces) for each in on_cpu]


def test_auto_takes_cuda() -> None:
    assert str(resolve_device("auto")) == "cuda:0"


def test_works_without_openvino(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "openvino", None)
    app = App(Settings(device="cuda", cache=tmp_path))
    assert app.engine.name == "torch:cuda:0"
    assert all(each.faces for each in app.analyser().analyse(PhotoSource(str(photo)) for photo in photos))
