"""The same photos on CUDA and on the CPU, both in torch: the same faces, the same vectors."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from facecli.app import App
from facecli.runtime.device import cuda_device_count, resolve_device
from facecli.services.analysis import Analysis, PhotoSource
from facecli.settings import Settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(cuda_device_count() == 0, reason="no CUDA device"),
]

# Convolutions on CUDA sum in another order, in TF32 where torch allows it.
LEAST_COSINE = 0.9999
LANDMARK_TOLERANCE_PX = 1.0


def _analysed(device: str, tmp_path: Path, photos: list[Path], **settings: object) -> list[Analysis]:
    app = App(Settings(device=device, engine="torch", cache=tmp_path, **settings))
    return list(app.analyser().analyse(PhotoSource(str(photo)) for photo in photos))


@pytest.fixture
def photos(sample_images: Path) -> list[Path]:
    return sorted(sample_images.rglob("*.jpg"))


@pytest.mark.parametrize("embedder", ["sface", "mobilefacenet", "dlib-resnet", "fusion"])
@pytest.mark.parametrize("detector", ["centerface", "yunet"])
def test_cuda_gives_what_the_cpu_gives(detector: str, embedder: str, photos: list[Path], tmp_path: Path) -> None:
    on_cpu = _analysed("cpu", tmp_path, photos, detector=detector, embedder=embedder)
    on_cuda = _analysed("cuda", tmp_path, photos, detector=detector, embedder=embedder)

    assert [len(each.faces) for each in on_cuda] == [len(each.faces) for each in on_cpu]
    assert sum(len(each.faces) for each in on_cpu) >= len(photos)
    for cpu, cuda in zip(on_cpu, on_cuda, strict=True):
        for a, b in zip(cpu.faces, cuda.faces, strict=True):
            np.testing.assert_allclose(a.detection.landmarks_xy, b.detection.landmarks_xy, atol=LANDMARK_TOLERANCE_PX)
            assert float(a.embedding.vector @ b.embedding.vector) >= LEAST_COSINE


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
