"""The models that ship against the originals in the programs they were made for."""

from __future__ import annotations

import csv
import hashlib
import importlib
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from facecli.detect import centerface, yunet
from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import SingleShotDetector
from facecli.embed.cnn import CnnEmbedder
from facecli.geometry import non_maximum_suppression
from facecli.runtime.manifest import models_dir, read_manifest, shipped_models
from facecli.runtime.network import Network
from facecli.runtime.openvino_engine import OpenVinoEngine, import_openvino
from facecli.types import Photo, PixelArray

pytestmark = pytest.mark.slow

CONVERT = Path(__file__).resolve().parents[2] / "models" / "convert"

# Weights kept as float16 have 11 bits; converted with all their bits, only the order of sums differs.
SHIPPED, EXACT = 5e-3, 1e-5

Converted = Callable[[str], Network]


def convert(originals: Path, *options: str, program: Path = CONVERT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(program), str(originals), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session", autouse=True)
def _converters_can_run() -> None:
    pytest.importorskip("tflite", reason="models/convert reads MobileFaceNet with the tflite package")


@pytest.fixture
def in_float32(originals_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Converted]:
    """Convert an original without rounding its weights, and load it."""
    monkeypatch.syspath_prepend(str(CONVERT))
    monkeypatch.setattr(importlib.import_module("graph"), "FLOAT16_FROM_ELEMENTS", math.inf)

    def converted(name: str) -> Network:
        manifest = shipped_models()[name]
        converter: Any = importlib.import_module(name)
        model = converter.convert((originals_dir / manifest.original.file).read_bytes())
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
        return OpenVinoEngine().load(tmp_path / f"{name}.onnx", manifest.preprocessing)

    yield converted
    for file in CONVERT.glob("*.py"):
        if file.stem != "__main__":  # which is pytest's
            sys.modules.pop(file.stem, None)


def shipped(name: str) -> Network:
    manifest = shipped_models()[name]
    return OpenVinoEngine().load(manifest.path, manifest.preprocessing)


def original_of(originals: Path, name: str) -> str:
    return str(originals / shipped_models()[name].original.file)


def in_openvino(model: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Run a model that OpenVINO read from its original form."""
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled([inputs])
    return {next(iter(output.names)): results[output] for output in compiled.outputs}


@pytest.fixture(scope="module")
def group(sample_images: Path) -> PixelArray:
    """The group photo at a size that every detector takes as it is; shape (224, 320, 3), RGB."""
    photo = cv2.resize(cv2.imread(str(sample_images / "group.jpg")), (320, 224), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(photo[:, :, ::-1])


@pytest.fixture(scope="module")
def crops(group: PixelArray) -> PixelArray:
    """Two pictures for 112 x 112 embedders: people, and noise."""
    people = cv2.resize(group, (112, 112), interpolation=cv2.INTER_AREA)
    return np.stack([people, np.random.default_rng(1).integers(0, 256, (112, 112, 3), np.uint8)])


def assert_near(outputs: np.ndarray, wanted: np.ndarray, tolerance: float) -> None:
    np.testing.assert_allclose(outputs, wanted, rtol=0, atol=tolerance * np.abs(wanted).max())


def test_the_originals_give_the_files_that_ship_byte_for_byte(originals_dir: Path) -> None:
    finished = convert(originals_dir, "--check")

    assert (finished.returncode, finished.stderr) == (0, "")
    assert [line.split()[0] for line in finished.stdout.splitlines()] == sorted(shipped_models())
    assert {line.split()[-1] for line in finished.stdout.splitlines()} == {"same"}


def test_an_altered_file_is_noticed_and_built_again(originals_dir: Path, tmp_path: Path) -> None:
    for part in ("convert", "yunet"):
        shutil.copytree(models_dir() / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "yunet" / "yunet.onnx"
    right = file.read_bytes()
    file.write_bytes(right[:-1])

    checked = convert(originals_dir, "--check", program=tmp_path / "convert")
    assert (checked.returncode, checked.stdout.split()[-1]) == (1, "different")
    assert file.read_bytes() == right[:-1]

    built = convert(originals_dir, program=tmp_path / "convert")
    assert (built.returncode, file.read_bytes()) == (0, right)
    manifest = tmp_path / "yunet" / "manifest.toml"
    assert read_manifest(manifest).sha256 == hashlib.sha256(right).hexdigest()
    # Nothing else of a manifest is the converter's to write: what was measured, such as a centre, stays.
    assert manifest.read_text() == (models_dir() / "yunet" / "manifest.toml").read_text()


def test_sface_is_what_opencv_runs(
    originals_dir: Path, crops: PixelArray, in_float32: Converted, tmp_path: Path
) -> None:
    # OpenCV 5 refuses the file because it names its weights among its inputs; that is all that is taken out.
    model = onnx.load(original_of(originals_dir, "sface"))
    pictures = [value for value in model.graph.input if value.name == "data"]
    del model.graph.input[:]
    model.graph.input.extend(pictures)
    onnx.save(model, str(tmp_path / "one-input.onnx"))
    recognizer = cv2.FaceRecognizerSF.create(str(tmp_path / "one-input.onnx"), "")

    wanted = np.concatenate([recognizer.feature(np.ascontiguousarray(crop[:, :, ::-1])) for crop in crops])

    assert_near(in_float32("sface")(crops)["embedding"], wanted, EXACT)
    assert_near(shipped("sface")(crops)["embedding"], wanted, SHIPPED)


def test_mobilefacenet_is_what_its_tflite_file_gives(
    originals_dir: Path, crops: PixelArray, in_float32: Converted
) -> None:
    model = import_openvino().Core().read_model(original_of(originals_dir, "mobilefacenet"))

    (wanted,) = in_openvino(model, (crops.astype(np.float32) - 127.5) / 128.0).values()

    assert wanted.shape == (2, 192)
    # The TFLite file does not end at unit length either.
    assert_near(in_float32("mobilefacenet")(crops)["embedding"], wanted, EXACT)
    assert_near(shipped("mobilefacenet")(crops)["embedding"], wanted, SHIPPED)


def test_centerface_is_what_its_onnx_file_gives(originals_dir: Path, group: PixelArray, in_float32: Converted) -> None:
    model = import_openvino().Core().read_model(original_of(originals_dir, "centerface"))
    model.reshape([1, 3, *group.shape[:2]])

    wanted = in_openvino(model, group.transpose(2, 0, 1)[None].astype(np.float32))

    names = {"537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}
    assert wanted["537"].max() > 0.5
    exact, rounded = in_float32("centerface")(group[None]), shipped("centerface")(group[None])
    for old, new in names.items():
        assert_near(exact[new], wanted[old], EXACT)
        assert_near(rounded[new], wanted[old], SHIPPED)


def test_yunet_finds_what_opencv_finds(originals_dir: Path, group: PixelArray, in_float32: Converted) -> None:
    height, width = group.shape[:2]
    opencv = cv2.FaceDetectorYN.create(original_of(originals_dir, "yunet"), "", (width, height), 0.5, 0.3, 5000)
    found = opencv.detect(np.ascontiguousarray(group[:, :, ::-1]))[1]
    wanted = found.copy()
    wanted[:, 2:4] += wanted[:, :2]  # from sides to the far corner

    # Pixels of a 320 x 224 picture, and confidences.
    for network, tolerance in ((in_float32("yunet"), 1e-3), (shipped("yunet"), 0.05)):
        raw = yunet.decode({name: value[0] for name, value in network(group[None]).items()}, 0.5)
        kept = non_maximum_suppression(raw.boxes_xyxy, raw.scores, 0.3)
        faces = np.column_stack([raw.boxes_xyxy[kept], raw.landmarks_xy[kept].reshape(-1, 10), raw.scores[kept]])
        assert len(faces) == len(wanted) == 4
        np.testing.assert_allclose(faces, wanted, atol=tolerance)


@pytest.mark.parametrize("name", ["sface", "mobilefacenet"])
def test_half_precision_weights_move_no_score(data_dir: Path, in_float32: Converted, name: str) -> None:
    with (data_dir / "lfw_view1_pairs.csv").open() as file:
        pairs = [(row["file_a"], row["file_b"]) for row in csv.DictReader(file)][::5]
    files = sorted({file for pair in pairs for file in pair})
    photos = [Photo(np.ascontiguousarray(cv2.imread(str(data_dir / "lfw_view1" / file))[:, :, ::-1])) for file in files]
    size = DetectionSize(None, 25)
    found = SingleShotDetector(shipped("centerface"), centerface.decode, size=size, threshold=0.5).detect(photos)
    manifest = shipped_models()[name]

    def scores(network: Network) -> np.ndarray:
        embedder = CnnEmbedder(network, model_id=name, template_xy=manifest.template, side_px=112, output="embedding")
        faces = [embedder.align(photo, detections[0]) for photo, detections in zip(photos, found, strict=True)]
        vector = {file: made.vector for file, made in zip(files, embedder.embed(faces), strict=True)}
        return np.array([vector[one] @ vector[other] for one, other in pairs])

    difference = np.abs(scores(shipped(name)) - scores(in_float32(name)))

    assert len(pairs) == 200
    # Measured: 3.7e-4 (SFace), 4.4e-4 (MobileFaceNet). Their thresholds for FMR 1e-2 and 1e-3 are 0.07, 0.10 apart.
    assert difference.max() <= 1e-3
