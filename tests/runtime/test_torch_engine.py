"""What is torch's own: precision, memory, and how pictures get to a device and back."""

from __future__ import annotations

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from facecli.errors import DeviceError, DeviceMemoryError, UsageError, WeightsError
from facecli.runtime.batch_limit import FIRST_BATCH, BatchLimit
from facecli.runtime.batching import BatchingNetwork
from facecli.runtime.device import Device
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Network, Preprocessing
from facecli.runtime.torch_engine import TorchEngine, TorchNetwork, choose_precision
from facecli.runtime.torch_lanes import LANES, Lanes


def engine(**settings: Any) -> TorchEngine:
    return TorchEngine(Device("cpu"), **settings)


def load(engine: TorchEngine, name: str) -> Network:
    manifest = shipped_models()[name]
    return engine.load(manifest.path, manifest.preprocessing)


OLD, VOLTA, AMPERE = (6, 1), (7, 0), (8, 0)


@pytest.mark.parametrize(
    ("wish", "kind", "capability", "chosen"),
    [
        ("auto", "cpu", None, "f32"),
        ("auto", "mps", None, "f32"),
        ("auto", "cuda", OLD, "f32"),
        ("auto", "cuda", VOLTA, "f16"),
        ("auto", "cuda", AMPERE, "f16"),
        ("f32", "cuda", AMPERE, "f32"),
        ("f16", "cuda", OLD, "f16"),
        ("f16", "mps", None, "f16"),
        ("bf16", "cuda", AMPERE, "bf16"),
        ("bf16", "cpu", None, "bf16"),
    ],
)
def test_precision_is_what_suits_the_device(wish: Any, kind: Any, capability: Any, chosen: str) -> None:
    assert choose_precision(wish, Device(kind), capability) == chosen


def test_precision_that_a_device_lacks_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"cuda:1 does not have \(compute capability 7\.0\)"):
        choose_precision("bf16", Device("cuda", 1), VOLTA)
    with pytest.raises(UsageError, match="mps does not have"):
        choose_precision("bf16", Device("mps"))


# Cosine between the vectors of one crop. Half precision keeps 11 bits of a number, bfloat16 8: on 32 faces they came to
# 0.999998 and 0.99987 at least.
LEAST_COSINE = {"f16": 0.9999, "bf16": 0.999}


@pytest.mark.parametrize("precision", list(LEAST_COSINE))
@pytest.mark.parametrize(
    "name",
    # A CPU without arithmetic of its own for float16 takes thirty times as long.
    ["dlib-resnet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("sface", "mobilefacenet"))],
)
def test_fewer_bits_give_nearly_the_same_vectors(sample_images: Path, name: str, precision: Any) -> None:
    manifest = shipped_models()[name]
    assert manifest.size_hw is not None
    portrait = cv2.imread(str(sample_images / "stranger.jpg"), cv2.IMREAD_COLOR)[:, :, ::-1]
    crops = cv2.resize(portrait, manifest.size_hw[::-1], interpolation=cv2.INTER_AREA)[None]

    exact = load(engine(precision="f32"), name)(crops)["embedding"][0]
    near = load(engine(precision=precision), name)(crops)["embedding"][0]

    assert not np.array_equal(exact, near)
    assert exact @ near / np.linalg.norm(exact) / np.linalg.norm(near) >= LEAST_COSINE[precision]


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("name", ["dlib-resnet", "yunet"])
def test_half_precision_holds_the_largest_sums(name: str, level: int) -> None:
    network = load(engine(precision="f16"), name)
    size = shipped_models()[name].size_hw or (64, 64)

    outputs = network(np.full((1, *size, 3), level, np.uint8))

    assert all(np.isfinite(value).all() for value in outputs.values())


class Centred(nn.Module):
    """What a graph does that scales its pictures itself."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 122.782))  # half precision would make it 122.8125
        self.register_buffer("weight", torch.ones(2, 3, 1, 1))

    def forward(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        scaled = batch - self.mean
        return {"scaled": scaled, "sums": F.conv2d(scaled, self.weight)}


def test_what_stands_before_the_first_convolution_is_computed_exactly() -> None:
    network = engine(precision="f16").wrap(Centred(), Preprocessing(mean=(1.0, 2.0, 3.0)))
    outputs = network(np.full((1, 2, 2, 3), 200, np.uint8))

    wanted = np.float32([199, 198, 197]) - np.float32(122.782)
    np.testing.assert_array_equal(outputs["scaled"][0, :, 0, 0], wanted)
    assert outputs["sums"][0, 0, 0, 0] == np.float16(wanted.astype(np.float16).sum())


class Colours(nn.Module):
    """The mean colour of each picture, as long as there are few."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.batches: list[int] = []
        self._most = most

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(batch))
        if len(batch) > self._most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return batch.mean((2, 3))


def test_a_full_memory_is_told_by_an_error_of_its_own() -> None:
    network = engine().wrap(Colours(most=2), Preprocessing())

    with pytest.raises(DeviceMemoryError, match="memory of cpu is too small for 3 pictures of 5x4 pixels"):
        network(np.zeros((3, 4, 5, 3), np.uint8))


class Hungry(nn.Module):
    """Holds a tensor while it runs, and runs out of memory on two pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[weakref.ref[torch.Tensor]] = []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        assert all(each() is None for each in self.held), "the memory of a batch that failed is still taken"
        layer = batch * 2
        self.held.append(weakref.ref(layer))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return layer.mean((2, 3))


@pytest.mark.parametrize("on_cuda", [False, True])
def test_the_memory_of_a_batch_that_failed_is_free_for_its_halves(on_cuda: bool) -> None:
    module = Hungry()
    lanes = Lanes(CudaStandIn(), CudaOnCpu()) if on_cuda else Lanes(torch, Device("cpu"))
    network = BatchingNetwork(TorchNetwork(module, lanes, "f32", Preprocessing()), BatchLimit(4, 4))

    colours = network(np.ones((4, 2, 2, 3), np.uint8))["embedding"]

    np.testing.assert_array_equal(colours, np.full((4, 3), 2.0))
    assert len(module.held) == 6  # four, two, and four times one


def test_an_engine_that_batches_gives_each_thread_its_own() -> None:
    module = Colours(most=4)
    network = engine(max_batch=8).wrap(module, Preprocessing())
    pictures = np.random.default_rng(6).integers(0, 256, (24, 2, 4, 4, 3), np.uint8)

    with ThreadPoolExecutor(12) as pool:
        colours = [each["embedding"] for each in pool.map(network, pictures)]

    np.testing.assert_allclose(colours, pictures.mean((2, 3)), rtol=1e-5)
    assert set(module.batches) <= {2, 4, 8}


def test_an_engine_that_finds_the_size_begins_with_few() -> None:
    module = Colours(most=100)
    network = engine(max_batch="auto").wrap(module, Preprocessing())
    pictures = np.random.default_rng(6).integers(0, 256, (3 * FIRST_BATCH, 4, 4, 3), np.uint8)

    np.testing.assert_allclose(network(pictures)["embedding"], pictures.mean((1, 2)), rtol=1e-5)
    assert module.batches == [FIRST_BATCH] * 3


class Joined(nn.Module):
    """Makes one row of all pictures."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.reshape(1, -1)


def test_outputs_without_a_row_for_each_picture_are_refused() -> None:
    network = engine().wrap(Joined(), Preprocessing(inside=True))

    with pytest.raises(WeightsError, match=r"\(1, 24\)\] for 2 pictures"):
        network(np.zeros((2, 2, 2, 3), np.uint8))


class CudaStandIn:
    """torch on a machine whose CUDA device is its CPU, which writes down what is asked of the device, and by whom."""

    def __init__(self) -> None:
        self.log: list[tuple[int, str]] = []
        self.cuda = SimpleNamespace(
            Stream=lambda device: self._note(f"make a stream on {device}"),
            set_stream=lambda stream: None,
            device=nullcontext,
            Event=self._event,
            synchronize=lambda device: self._note("wait for all"),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def _note(self, what: str) -> None:
        self.log.append((threading.get_ident(), what))

    def empty(self, *shape: Any, pin_memory: bool, **settings: Any) -> torch.Tensor:
        assert pin_memory
        self._note("pin")
        return torch.empty(*shape, **settings)

    def empty_like(self, like: torch.Tensor, *, pin_memory: bool) -> torch.Tensor:
        return self.empty(like.shape, dtype=like.dtype, pin_memory=pin_memory)

    def _event(self, blocking: bool) -> Any:
        assert blocking
        return SimpleNamespace(record=lambda: self._note("mark"), synchronize=lambda: self._note("wait"))


class CudaOnCpu:
    kind = "cuda"
    index = 0

    def __str__(self) -> str:
        return "cpu"


def test_on_cuda_few_threads_run_the_batches_each_on_its_stream_and_wait_for_it() -> None:
    stand_in = CudaStandIn()
    network = TorchNetwork(Colours(most=2), Lanes(stand_in, CudaOnCpu()), "f32", Preprocessing())
    pictures = np.random.default_rng(8).integers(0, 256, (12, 2, 4, 4, 3), np.uint8)

    with ThreadPoolExecutor(6) as pool:
        colours = [each["embedding"] for each in pool.map(network, pictures)]

    np.testing.assert_allclose(colours, pictures.mean((2, 3)), rtol=1e-5)
    assert stand_in.log.pop(0) == (threading.get_ident(), "wait for all")
    lanes = {thread for thread, _ in stand_in.log}
    assert 1 <= len(lanes) <= LANES
    steps = [[what for thread, what in stand_in.log if thread == lane] for lane in lanes]
    assert all(begun == "make a stream on cpu" for begun, *_ in steps)
    assert sum(len(rest) for _, *rest in steps) == 4 * len(pictures)
    assert all(rest == ["pin", "pin", "mark", "wait"] * (len(rest) // 4) for _, *rest in steps)


def test_a_shape_that_comes_often_is_worth_a_search_for_the_quickest_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facecli.runtime.torch_lanes.SEARCH_AFTER", 3)
    lanes = Lanes(torch, Device("cpu"))

    def searched(shape: tuple[int, ...]) -> bool:
        with lanes.exact(shape):
            assert not torch.backends.cudnn.allow_tf32
            return torch.backends.cudnn.benchmark

    assert [searched((2, 8, 8, 3)) for _ in range(5)] == [False, False, False, True, True]
    assert not searched((4, 8, 8, 3))
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize("view", [np.s_[:, :, ::-1], np.s_[:, ::2], np.s_[:]])
def test_pictures_may_be_views_and_read_only(view: Any) -> None:
    pictures = np.random.default_rng(7).integers(0, 256, (2, 4, 6, 3), np.uint8)
    pictures.setflags(write=False)

    colours = engine().wrap(Colours(most=2), Preprocessing())(pictures[view])["embedding"]

    np.testing.assert_allclose(colours, pictures[view].mean((1, 2)), rtol=1e-5)
