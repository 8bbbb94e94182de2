from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from facecli.embed.cnn import CnnEmbedder
from facecli.embed.onnx_file import _name, manifest_for
from facecli.errors import WeightsError
from facecli.runtime.device import Device
from facecli.runtime.manifest import NAME_PATTERN
from facecli.runtime.network import Engine, Preprocessing
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.runtime.torch_engine import TorchEngine
from facecli.types import AlignedFace, Detection

DIMENSION = 16


def arcface_like(
    path: Path,
    *,
    side: int = 112,
    batch: int | str = 1,
    shape: tuple[int | str, ...] | None = None,
    element: int = TensorProto.FLOAT,
    flatten: str = "Flatten",
) -> Path:
    """A small random network with the operators and the declared shapes of an ArcFace file."""
    random = np.random.default_rng(5)
    dtype = helper.tensor_dtype_to_np_dtype(element)
    rows = -(-side // 4)
    values = {
        "w1": random.normal(0, 0.2, (8, 3, 3, 3)),
        "slope": random.uniform(0.1, 0.4, (8, 1, 1)),
        "gamma": random.uniform(0.5, 1.5, 8),
        "beta": random.normal(0, 0.1, 8),
        "mean": random.normal(0, 0.1, 8),
        "variance": random.uniform(0.5, 1.5, 8),
        "w2": random.normal(0, 0.2, (4, 8, 3, 3)),
        "w3": random.normal(0, 0.05, (DIMENSION, 4 * rows * rows)),
        "b3": random.normal(0, 0.1, DIMENSION),
    }
    constants = [numpy_helper.from_array(value.astype(dtype), name) for name, value in values.items()]
    constants.append(numpy_helper.from_array(np.array([1, -1], np.int64), "flat"))
    strided = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["input.1", "w1"], ["c1"], **strided),
        helper.make_node("PRelu", ["c1", "slope"], ["p1"]),
        helper.make_node("BatchNormalization", ["p1", "gamma", "beta", "mean", "variance"], ["n1"], epsilon=2e-5),
        helper.make_node("Conv", ["n1", "w2"], ["c2"], **strided),
        helper.make_node(flatten, ["c2"] if flatten == "Flatten" else ["c2", "flat"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["683"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "arcface-like",
        [helper.make_tensor_value_info("input.1", element, shape or (batch, 3, side, side))],
        [helper.make_tensor_value_info("683", element, (batch, DIMENSION))],
        constants,
    )
    # ONNX's reference evaluator takes a BatchNormalization before opset 14 for one in training.
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=7), str(path))
    return path


@pytest.fixture(params=["openvino", "torch"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return OpenVinoEngine() if request.param == "openvino" else TorchEngine(Device("cpu"))


def test_the_manifest_says_what_the_file_says_and_arcface_means(tmp_path: Path) -> None:
    file = arcface_like(tmp_path / "My Glint360k R50.onnx")

    manifest = manifest_for(file)

    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (manifest.name, manifest.model_id) == ("onnx-my-glint360k-r50", f"onnx-my-glint360k-r50@{sha256[:12]}")
    assert (manifest.kind, manifest.path, manifest.output_names) == ("embedder", file, ("683",))
    assert (manifest.size_hw, manifest.dimension) == ((112, 112), DIMENSION)
    assert manifest.preprocessing == Preprocessing(mean=(127.5,) * 3, scale=(127.5,) * 3)
    assert manifest.template[0].tolist() == pytest.approx([38.2946, 51.6963])
    assert manifest.original is None


def test_another_size_scales_the_template(tmp_path: Path) -> None:
    manifest = manifest_for(arcface_like(tmp_path / "large.onnx", side=224))

    assert manifest.size_hw == (224, 224)
    np.testing.assert_allclose(manifest.template[4], [2 * 70.7299, 2 * 92.2041], rtol=1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"batch": "N"},
        {"flatten": "Reshape"},  # as torch exports a fixed batch: [1, -1]
        {"element": TensorProto.FLOAT16},
    ],
    ids=str,
)
def test_both_engines_run_it_as_the_reference_does(tmp_path: Path, engine: Engine, kind: dict[str, object]) -> None:
    file = arcface_like(tmp_path / "net.onnx", **kind)
    manifest = manifest_for(file)
    pictures = np.random.default_rng(6).integers(0, 256, (3, 112, 112, 3), np.uint8)

    outputs = engine.load(manifest.path, manifest.preprocessing)(pictures)

    element = np.float16 if kind.get("element") else np.float32
    planes = ((pictures.transpose(0, 3, 1, 2) - 127.5) / 127.5).astype(element)
    session = onnx.reference.ReferenceEvaluator(str(file))
    wanted = np.concatenate([session.run(None, {"input.1": plane[None]})[0] for plane in planes])
    assert outputs["683"].dtype == np.float32
    # float32 sums of 3,136 terms differ by their order; half precision carries eleven bits.
    tolerance = 1e-4 if element == np.float32 else 2e-2
    np.testing.assert_allclose(outputs["683"], wanted, atol=tolerance)


def test_it_embeds_faces(tmp_path: Path, engine: Engine) -> None:
    manifest = manifest_for(arcface_like(tmp_path / "net.onnx"))
    embedder = CnnEmbedder(
        engine.load(manifest.path, manifest.preprocessing),
        model_id=manifest.model_id,
        template_xy=manifest.template,
        side_px=112,
        output=manifest.output_names[0],
    )
    pixels = np.random.default_rng(7).integers(0, 256, (112, 112, 3), np.uint8)
    detection = Detection(np.array([0, 0, 112, 112]), manifest.template, 1.0)
    face = AlignedFace(pixels, np.eye(2, 3, dtype=np.float32), detection)

    first, second = embedder.embed([face, AlignedFace(pixels[:, ::-1], face.matrix, detection)])

    assert (first.vector.shape, first.model_id) == ((DIMENSION,), manifest.model_id)
    # Averaged with its mirror image, a face and its mirror image are the same.
    np.testing.assert_allclose(first.vector, second.vector, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"shape": (1, 112, 112, 3)}, r"does not take pictures of shape \(N, 3, H, W\)"),
        ({"shape": (1, 3, 112, 96)}, "takes crops of 96x112 pixels, which are not square"),
        ({"shape": (1, 3, "H", "W")}, r"does not take pictures of shape \(N, 3, H, W\)"),
    ],
)
def test_other_networks_are_refused_by_name(tmp_path: Path, kind: dict[str, object], message: str) -> None:
    file = arcface_like(tmp_path / "net.onnx", **kind)

    with pytest.raises(WeightsError, match=rf"net\.onnx {message}"):
        manifest_for(file)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "page.onnx"
    file.write_bytes(b"<html>not found</html>")

    with pytest.raises(WeightsError, match=r"page\.onnx is not a valid ONNX file"):
        manifest_for(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.onnx cannot be read: No such file"):
        manifest_for(tmp_path / "absent.onnx")


@given(st.text(max_size=100))
def test_any_stem_makes_a_name(stem: str) -> None:
    assert NAME_PATTERN.fullmatch(_name(stem))
