"""The scan in torch gives the answers of the one in numpy; here on a CPU, and on CUDA where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from facecli.errors import DeviceError
from facecli.gallery.candidate_rows import ScanFinder
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.row_source import ArrayRows
from facecli.runtime.device import Device
from facecli.runtime.torch_scan import COPY_ROWS, TorchScan


def unit_vectors(count: int, seed: int, dimension: int = 32) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def assert_same(vectors: np.ndarray, owners: np.ndarray, probes: np.ndarray, k: int, device: Device, **options) -> None:
    ids = np.arange(len(vectors)) * 3 + 1
    rows = ArrayRows(vectors)
    finder = ScanFinder(TorchScan(rows, owners, device, **options), owners)
    one, other = ExactIndex(rows, owners, ids, finder=finder), ExactIndex(rows, owners, ids)
    assert one.top_people(probes, k) == other.top_people(probes, k)
    for mine, theirs in zip(one.search(probes, k), other.search(probes, k), strict=True):
        assert mine.tobytes() == theirs.tobytes()


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> Device:
    if request.param == "cuda":
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
    return Device(request.param)


@pytest.mark.parametrize("k", [1, 5, 60, 400])
@pytest.mark.parametrize("people", [3, 300])
def test_the_answers_are_those_of_the_processor(device: Device, k: int, people: int) -> None:
    vectors = unit_vectors(2000, 1)
    vectors[100:140] = vectors[7]
    vectors[900:950] = vectors[7] + unit_vectors(50, 5) * np.float32(1e-6)
    vectors[900:950] /= np.linalg.norm(vectors[900:950], axis=1, keepdims=True)
    vectors[63:65] = -vectors[8]
    owners = np.sort(np.random.default_rng(3).integers(0, people, len(vectors)))
    probes = np.concatenate([vectors[7:9], unit_vectors(5, 2)])
    for block_scores in (1, 5000, 2**20):
        assert_same(vectors, owners, probes, k, device, block_scores=block_scores)


def test_all_rows_arrive_on_the_device(device: Device) -> None:
    vectors = np.tile(unit_vectors(1000, 1, 4), (COPY_ROWS // 1000 + 2, 1))
    assert_same(vectors, np.arange(len(vectors)), vectors[-3:], 4, device)


def test_few_rows_come_back() -> None:
    vectors, owners = unit_vectors(20_000, 1), np.arange(20_000) // 5
    tops, numbers, rows, low, high = TorchScan(ArrayRows(vectors), owners, Device("cpu"))(unit_vectors(3, 2), 10)
    assert tops.shape == (3, 10)
    assert len(numbers) == len(rows) == len(low) == len(high) < 3 * 200
    assert (low < high).all()


def test_coarser_products_are_allowed_for() -> None:
    torch = pytest.importorskip("torch")
    torch.set_float32_matmul_precision("high")
    try:
        scan = TorchScan(ArrayRows(unit_vectors(9, 1)), np.arange(9), Device("cpu"))
    finally:
        torch.set_float32_matmul_precision("highest")
    _, _, _, low, high = scan(unit_vectors(1, 2), 3)
    assert (high - low > 1e-3).all()


def test_too_many_templates_for_the_device_are_told(monkeypatch) -> None:
    torch = pytest.importorskip("torch")

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch, "zeros", full)
    with pytest.raises(DeviceError, match="the 9 templates of the gallery do not fit on cpu") as caught:
        TorchScan(ArrayRows(unit_vectors(9, 1)), np.arange(9), Device("cpu"))
    assert caught.value.hint == "Search with --device cpu."
