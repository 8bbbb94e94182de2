"""The engines are one: what OpenVINO makes of a network, torch makes of it too."""

from __future__ import annotations

import locale
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facecli.detect import centerface, yunet
from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import SingleShotDetector
from facecli.embed.cnn import CnnEmbedder
from facecli.errors import WeightsError
from facecli.runtime.device import Device, cuda_device_count
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Engine, Network, Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.runtime.torch_engine import TorchEngine
from facecli.types import Detection, Photo

EMBEDDERS = ["sface", "mobilefacenet", "dlib-resnet"]
DECODERS = {"centerface": centerface.decode, "yunet": yunet.decode}


def torch_engine(device: str, **settings: Any) -> TorchEngine:
    if device == "cuda" and not cuda_device_count():
        pytest.skip("no CUDA device")
    return TorchEngine(Device("cuda" if device == "cuda" else "cpu"), **settings)


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def in_torch(request: pytest.FixtureRequest) -> Engine:
    return torch_engine(request.param, precision="f32")


@pytest.fixture(scope="module")
def in_openvino() -> Engine:
    pytest.importorskip("openvino", reason="OpenVINO, which torch is compared with, is not installed")
    return OpenVinoEngine(precision="f32")


@pytest.fixture(scope="module")
def photos(sample_images: Path) -> list[Photo]:
    files = [sample_images / "group.jpg", *sorted((sample_images / "known").rglob("*.jpg"))]
    return [Photo(np.ascontiguousarray(cv2.imread(str(file), cv2.IMREAD_COLOR)[:, :, ::-1])) for file in files]


def load(engine: Engine, name: str) -> Network:
    manifest = shipped_models()[name]
    return engine.load(manifest.path, manifest.preprocessing)


def detected(engine: Engine, name: str, photos: list[Photo]) -> list[list[Detection]]:
    size = DetectionSize(None, 25)
    return SingleShotDetector(load(engine, name), DECODERS[name], size=size, threshold=0.5).detect(photos)


@pytest.fixture(scope="module")
def faces(in_openvino: Engine, photos: list[Photo]) -> list[tuple[Photo, Detection]]:
    found = detected(in_openvino, "centerface", photos)
    return [(photo, detection) for photo, detections in zip(photos, found, strict=True) for detection in detections]


@pytest.mark.parametrize("name", EMBEDDERS)
def test_embeddings_agree(
    in_openvino: Engine, in_torch: Engine, faces: list[tuple[Photo, Detection]], name: str
) -> None:
    manifest = shipped_models()[name]
    assert manifest.size_hw is not None

    def vectors(engine: Engine) -> np.ndarray:
        embedder = CnnEmbedder(
            load(engine, name),
            model_id=manifest.model_id,
            template_xy=manifest.template,
            side_px=manifest.size_hw[0],
            output=manifest.output_names[0],
        )
        aligned = [embedder.align(photo, detection) for photo, detection in faces]
        return np.stack([embedding.vector for embedding in embedder.embed(aligned)])

    cosines = (vectors(in_openvino) * vectors(in_torch)).sum(1)

    assert len(cosines) >= 7
    # A gallery made on one device is searched on another: no score may move by what a threshold could notice.
    assert cosines.min() >= 0.9999


@pytest.mark.parametrize("name", list(DECODERS))
def test_detections_agree(in_openvino: Engine, in_torch: Engine, photos: list[Photo], name: str) -> None:
    for here, there in zip(detected(in_openvino, name, photos), detected(in_torch, name, photos), strict=True):
        assert len(here) == len(there) >= 1
        for one, other in zip(here, there, strict=True):
            np.testing.assert_allclose(one.box_xyxy, other.box_xyxy, atol=0.5)
            np.testing.assert_allclose(one.landmarks_xy, other.landmarks_xy, atol=0.5)
            assert one.confidence == pytest.approx(other.confidence, abs=1e-3)


@pytest.mark.parametrize("name", [*EMBEDDERS, *DECODERS])
def test_outputs_are_those_of_the_manifest(in_openvino: Engine, in_torch: Engine, name: str) -> None:
    manifest = shipped_models()[name]
    pictures = np.random.default_rng(4).integers(0, 256, (2, *(manifest.size_hw or (64, 96)), 3), np.uint8)

    for engine in (in_openvino, in_torch):
        outputs = load(engine, name)(pictures)
        assert set(outputs) == set(manifest.output_names), engine.name
        assert {value.dtype for value in outputs.values()} == {np.dtype(np.float32)}
        assert {value.shape[0] for value in outputs.values()} == {2}
        if manifest.dimension:
            assert outputs[manifest.output_names[0]].shape == (2, manifest.dimension)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_picture_gives_the_same_in_any_batch(in_openvino: Engine, in_torch: Engine, name: str) -> None:
    manifest = shipped_models()[name]
    pictures = np.random.default_rng(4).integers(0, 256, (5, *(manifest.size_hw or ()), 3), np.uint8)

    for engine in (in_openvino, in_torch):
        network = load(engine, name)
        alone = np.concatenate([network(picture[None])["embedding"] for picture in pictures])
        together = network(pictures)["embedding"]
        # Sizes of batches choose kernels, which sum in another order.
        np.testing.assert_allclose(alone, together, rtol=1e-3, atol=1e-4 * np.abs(alone).max())


def test_a_network_serves_several_threads(in_openvino: Engine, in_torch: Engine) -> None:
    pictures = np.random.default_rng(5).integers(0, 256, (8, 1, 112, 112, 3), np.uint8)

    for engine in (in_openvino, in_torch):
        network = load(engine, "mobilefacenet")
        in_turn = [network(picture)["embedding"] for picture in pictures]
        with ThreadPoolExecutor(4) as pool:
            at_once = list(pool.map(lambda picture, network=network: network(picture)["embedding"], pictures))
        np.testing.assert_allclose(at_once, in_turn, atol=1e-4 * np.abs(in_turn).max())


def test_outputs_stay_when_the_network_runs_again(in_openvino: Engine, in_torch: Engine) -> None:
    dark, light = (np.full((1, 112, 112, 3), level, np.uint8) for level in (20, 220))

    for engine in (in_openvino, in_torch):
        network = load(engine, "mobilefacenet")
        first = network(dark)["embedding"]
        before = first.copy()
        network(light)
        assert np.array_equal(first, before), engine.name


@pytest.mark.parametrize("bgr", [False, True])
def test_preprocessing_is_done_outside_a_graph_that_does_not(
    in_openvino: Engine, in_torch: Engine, tmp_path: Path, bgr: bool
) -> None:
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 2, 2))
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 12))
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "as-it-comes", [given], [made])
    file = tmp_path / "as-it-comes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    pictures = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    preprocessing = Preprocessing(mean=(10.0, 20.0, 30.0), scale=(2.0, 4.0, 8.0), bgr=bgr)

    scaled = (pictures.astype(np.float32) - [10, 20, 30]) / [2, 4, 8]
    wanted = scaled[..., :: -1 if bgr else 1].transpose(0, 3, 1, 2).reshape(2, 12)

    for engine in (in_openvino, in_torch):
        np.testing.assert_allclose(engine.load(file, preprocessing)(pictures)["y"], wanted, rtol=1e-6)


@pytest.mark.parametrize("inside", [False, True])
def test_what_is_no_network_is_refused_by_name(
    in_openvino: Engine, in_torch: Engine, tmp_path: Path, inside: bool
) -> None:
    file = tmp_path / "page.onnx"
    file.write_bytes(b"<html>not found</html>")

    for engine in (in_openvino, in_torch):
        for path in (file, tmp_path / "absent.onnx"):
            with pytest.raises(WeightsError, match=path.name):
                engine.load(path, Preprocessing(inside=inside))


def test_names() -> None:
    assert OpenVinoEngine().name == "openvino:cpu"
    assert TorchEngine(Device("cpu")).name == "torch:cpu"


@pytest.mark.parametrize("name", EMBEDDERS)
def test_company_changes_no_vector(in_torch: Engine, faces: list[tuple[Photo, Detection]], name: str) -> None:
    alone = load(in_torch, name)
    device = "cuda" if "cuda" in in_torch.name else "cpu"
    merged = load(torch_engine(device, precision="f32", max_batch=8), name)
    manifest = shipped_models()[name]
    assert manifest.size_hw is not None
    crops = [cv2.resize(photo.pixels, manifest.size_hw[::-1], interpolation=cv2.INTER_AREA)[None] for photo, _ in faces]

    with ThreadPoolExecutor(len(crops)) as pool:
        together = np.concatenate([each["embedding"] for each in pool.map(merged, crops)])

    in_turn = np.concatenate([alone(crop)["embedding"] for crop in crops])
    lengths = np.linalg.norm(in_turn, axis=1) * np.linalg.norm(together, axis=1)
    assert ((in_turn * together).sum(1) / lengths).min() >= 0.99999


def test_networks_that_load_at_once_leave_the_locale_as_it_was() -> None:
    before = locale.setlocale(locale.LC_CTYPE)
    manifests = [shipped_models()[name] for name in ("centerface", "sface", "mobilefacenet")]
    for _ in range(4):  # without a lock the second round left it at "C" when this was tried
        engine = OpenVinoEngine()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(engine.load, [each.path for each in manifests], [each.preprocessing for each in manifests]))
        assert locale.setlocale(locale.LC_CTYPE) == before


AT_ONCE = """
import sys, threading
from pathlib import Path
import numpy as np
from facecli.runtime.network import Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine
network = OpenVinoEngine(streams=2).load(Path(sys.argv[1]), Preprocessing(inside=True))
pictures = np.zeros((1, 112, 112, 3), np.uint8)
threads = [threading.Thread(target=network, args=(pictures,)) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_threads_that_run_their_first_picture_at_once_do_not_wait_for_each_other_for_ever() -> None:
    path = shipped_models()["sface"].path
    for _ in range(3):  # without a lock four of ten hung
        subprocess.run([sys.executable, "-c", AT_ONCE, str(path)], check=True, timeout=60)
