from __future__ import annotations

import hashlib
import stat
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from facecli.errors import ConfigError, UsageError, WeightsError
from facecli.runtime import imported
from facecli.runtime.imported import import_model
from facecli.runtime.manifest import MANIFEST_FILE, read_manifest
from facecli.runtime.weights import catalogue, resolve

PICKLE = b"\x80\x02}q\x00."  # an empty dict as torch saved it before 1.6


def network(
    path: Path, *, sides: tuple[int | str, ...] = ("N", 3, 112, 112), dimension: int | str = 7, outputs: int = 1
) -> Path:
    """An ONNX file with the shapes of an embedder; it is never run."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, sides)
    made = [helper.make_tensor_value_info(f"y{n}", TensorProto.FLOAT, ("N", dimension)) for n in range(outputs)]
    nodes = [helper.make_node("Flatten", ["x"], [value.name]) for value in made]
    onnx.save(helper.make_model(helper.make_graph(nodes, "net", [given], made)), str(path))
    return path


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_an_embedder_in_onnx_is_stored_with_what_its_file_says(tmp_path: Path, cache_dir: Path) -> None:
    file = network(tmp_path / "Some File.ONNX")

    model = import_model(file, name="mine", cache_dir=cache_dir)

    like = catalogue()["arcface-r50"].manifest
    manifest = model.manifest
    assert not model.from_catalogue
    assert (manifest.size_hw, manifest.output_names, manifest.dimension) == ((112, 112), ("y0",), 7)
    assert (manifest.preprocessing, manifest.template_xy) == (like.preprocessing, like.template_xy)
    assert manifest.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert manifest.licence == "unknown"
    assert manifest.path.read_bytes() == file.read_bytes()
    assert stat.S_IMODE(manifest.path.stat().st_mode) == 0o600
    assert list(cache_dir.iterdir()) == [cache_dir / "mine"]
    assert resolve("mine", cache_dir=cache_dir) == (cache_dir / "mine" / "mine.onnx", manifest)


def test_it_is_run_like_the_model_that_is_named(tmp_path: Path, cache_dir: Path) -> None:
    model = import_model(network(tmp_path / "net.onnx"), name="mine", cache_dir=cache_dir, like="sface-fp32")

    assert model.manifest.preprocessing == catalogue()["sface-fp32"].manifest.preprocessing
    assert model.manifest.architecture == "imported ONNX file, run like sface-fp32"


def test_importing_again_replaces_it(tmp_path: Path, cache_dir: Path) -> None:
    import_model(network(tmp_path / "net.onnx"), name="mine", cache_dir=cache_dir)

    import_model(network(tmp_path / "net.onnx", dimension=9), name="mine", cache_dir=cache_dir)

    assert resolve("mine", cache_dir=cache_dir)[1].dimension == 9


@pytest.mark.parametrize("name", [None, "some-other-name"])
def test_a_file_of_the_catalogue_is_known_by_its_content(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    file = tmp_path / "renamed.bin"
    file.write_bytes(b"the right bytes")
    entry = catalogue()["facenet-vggface2"]
    known = replace(entry, manifest=replace(entry.manifest, sha256=hashlib.sha256(b"the right bytes").hexdigest()))
    monkeypatch.setattr(imported, "catalogue", lambda: {known.name: known})

    model = import_model(file, name=name, cache_dir=cache_dir)

    assert model.from_catalogue
    assert model.manifest.path == cache_dir / "facenet-vggface2" / "20180402-114759-vggface2.pt"
    assert model.manifest.path.read_bytes() == b"the right bytes"
    assert read_manifest(model.manifest.folder / MANIFEST_FILE) == model.manifest


@pytest.mark.parametrize("content", [PICKLE, b"PK\x03\x04zip"])
def test_a_state_dict_of_unknown_hash_is_recorded(tmp_path: Path, cache_dir: Path, content: bytes) -> None:
    file = tmp_path / "casia.pt"
    file.write_bytes(content)

    model = import_model(file, name="facenet-casia", cache_dir=cache_dir)

    assert model.manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert resolve("facenet-casia", cache_dir=cache_dir)[0].read_bytes() == content


def test_nothing_is_unpickled(tmp_path: Path, cache_dir: Path) -> None:
    trap = tmp_path / "sprung"
    file = tmp_path / "casia.pt"
    file.write_bytes(b"\x80\x02cos\nmkdir\nX" + len(str(trap)).to_bytes(4, "little") + str(trap).encode() + b"\x85R.")

    import_model(file, name="facenet-casia", cache_dir=cache_dir)

    assert not trap.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("facenet-vggface2", PICKLE, "is not the file that the catalogue knows as 'facenet-vggface2'"),
        ("facenet-casia", b"<html>not found</html>", "is no PyTorch state dict"),
        ("mine", PICKLE, "is of no form that can be imported"),
    ],
)
def test_state_dicts_of_other_models_are_refused(
    tmp_path: Path, cache_dir: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / "file.pt"
    file.write_bytes(content)

    with pytest.raises(WeightsError, match=message):
        import_model(file, name=name, cache_dir=cache_dir)

    assert list(cache_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"sides": ("N", 3, 160, 160)}, "takes crops of 160x160 pixels, 'arcface-r50' of 112x112"),
        ({"sides": ("N", 112, 112, 3)}, r"does not take pictures of shape \(N, 3, H, W\)"),
        ({"sides": ("N", 3, "H", "W")}, r"does not take pictures of shape \(N, 3, H, W\)"),
        ({"dimension": "D"}, r"does not give one vector of shape \(N, D\)"),
        ({"outputs": 2}, r"does not give one vector of shape \(N, D\)"),
    ],
)
def test_networks_of_another_shape_are_refused(
    tmp_path: Path, cache_dir: Path, kind: dict[str, object], message: str
) -> None:
    file = network(tmp_path / "net.onnx", **kind)

    with pytest.raises(WeightsError, match=rf"net\.onnx {message}"):
        import_model(file, name="mine", cache_dir=cache_dir)

    assert list(cache_dir.iterdir()) == []


def test_weights_in_other_files_are_refused(tmp_path: Path, cache_dir: Path) -> None:
    file = network(tmp_path / "net.onnx")
    model = onnx.load(str(file))
    outside = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT)
    outside.data_location = TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="../../etc/passwd")
    file.write_bytes(model.SerializeToString())

    with pytest.raises(WeightsError, match="keeps its weights in other files"):
        import_model(file, name="mine", cache_dir=cache_dir)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"not a network"])
def test_what_is_no_onnx_is_refused(tmp_path: Path, cache_dir: Path, content: bytes) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(content)

    with pytest.raises(WeightsError, match=r"net\.onnx (is not a valid ONNX file|does not take pictures)"):
        import_model(file, name="mine", cache_dir=cache_dir)


@pytest.mark.parametrize(
    ("name", "like", "message"),
    [
        ("sface", "arcface-r50", "'sface' is the name of a model that ships with facecli"),
        ("../up", "arcface-r50", "'../up' is no name for a model"),
        ("mine", "yunet-fp32", "'yunet-fp32' is a detector: only embedders can be imported"),
        ("mine", "nobody", "there is no model called 'nobody'"),
    ],
)
def test_names_that_do_not_serve_are_refused(
    tmp_path: Path, cache_dir: Path, name: str, like: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        import_model(network(tmp_path / "net.onnx"), name=name, cache_dir=cache_dir, like=like)

    assert caught.value.message == message


def test_a_model_that_scales_inside_its_graph_is_no_example(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = catalogue()["sface-fp32"].manifest
    inside = replace(example, preprocessing=replace(example.preprocessing, inside=True))
    monkeypatch.setattr(imported, "find", lambda name, *, cache_dir: inside)

    with pytest.raises(ConfigError, match="'sface' scales its pictures inside its own graph"):
        import_model(network(tmp_path / "net.onnx"), name="mine", cache_dir=cache_dir, like="sface")


def test_an_unknown_file_needs_a_name(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(UsageError) as caught:
        import_model(network(tmp_path / "net.onnx"), name=None, cache_dir=cache_dir)

    assert caught.value.hint == "Add: --name NAME"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, cache_dir: Path) -> None:
    with pytest.raises(WeightsError, match=r"net\.onnx cannot be imported: No such file or directory"):
        import_model(tmp_path / "net.onnx", name="mine", cache_dir=cache_dir)
