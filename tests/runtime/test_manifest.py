from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facecli.errors import WeightsError
from facecli.runtime.manifest import (
    Manifest,
    Original,
    format_manifest,
    models_dir,
    models_in,
    read_manifest,
    shipped_models,
)
from facecli.runtime.network import Preprocessing

HASH = "0123456789abcdef" * 4
EMBEDDER = f"""
name = "sface"
kind = "embedder"
architecture = "SFace"
file = "sface.onnx"
sha256 = "{HASH}"
licence = "Apache-2.0"
[original]
file = "face.onnx"
sha256 = "{HASH}"
source = "a wheel"
[input]
size = [112, 96]
mean = [1, 2.5, 3.0]
scale = [4.0, 5.0, 6.0]
bgr = true
inside = true
template = [[38.5, 51.5], [73.5, 51.0], [56.0, 71.0], [41.5, 92.0], [70.0, 92.0]]
[output]
names = ["fc1"]
dimension = 128
"""
DETECTOR = f"""
name = "yunet"
kind = "detector"
architecture = "YuNet"
file = "yunet.onnx"
sha256 = "{HASH}"
licence = "MIT"
[input]
stride = 32
[output]
names = ["a", "b"]
"""


def write(folder: Path, text: str, name: str = "sface") -> Path:
    path = folder / name / "manifest.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_an_embedder_is_read_as_it_is_written(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, EMBEDDER))

    assert manifest == Manifest(
        name="sface",
        kind="embedder",
        architecture="SFace",
        file="sface.onnx",
        sha256=HASH,
        licence="Apache-2.0",
        folder=tmp_path / "sface",
        output_names=("fc1",),
        size_hw=(112, 96),
        preprocessing=Preprocessing((1.0, 2.5, 3.0), (4.0, 5.0, 6.0), bgr=True, inside=True),
        template_xy=((38.5, 51.5), (73.5, 51.0), (56.0, 71.0), (41.5, 92.0), (70.0, 92.0)),
        dimension=128,
        original=Original("face.onnx", HASH, "a wheel"),
    )
    assert manifest.model_id == "sface@0123456789ab"
    assert manifest.path == tmp_path / "sface" / "sface.onnx"
    assert manifest.template.shape == (5, 2)
    assert manifest.template.dtype == np.float32


def test_a_centre_is_part_of_what_a_model_is(tmp_path: Path) -> None:
    text = EMBEDDER.replace("dimension = 128", "dimension = 3\ncentre = [0.25, -0.5, 0]")
    manifest = read_manifest(write(tmp_path, text))

    assert manifest.centre == (0.25, -0.5, 0.0)
    content = HASH.encode() + bytes.fromhex("0000803e 000000bf 00000000")  # float32, the least byte first
    assert manifest.model_id == f"sface@{hashlib.sha256(content).hexdigest()[:12]}"
    assert replace(manifest, centre=(0.25, -0.5, 0.1)).model_id != manifest.model_id
    assert replace(manifest, centre=()).model_id == "sface@0123456789ab"


def test_a_detector_has_a_stride_and_plain_preprocessing(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, DETECTOR, "yunet"))

    assert (manifest.stride, manifest.size_hw, manifest.dimension) == (32, None, None)
    assert manifest.preprocessing == Preprocessing()
    assert manifest.template.shape == (0, 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "embedder"', 'kind = "judge"', 'kind must be "embedder" or "detector"'),
        ('name = "sface"', 'name = "other"', "name must be that of its folder, 'sface'"),
        ('name = "sface"', 'name = "../sface"', "name must be a word in lower-case letters, digits and .-_"),
        ('name = "sface"', "name = 3", "name must be a word in lower-case letters, digits and .-_"),
        ('file = "sface.onnx"', 'file = "../x.onnx"', "file must be a file name without a folder"),
        ('file = "sface.onnx"', 'file = ".."', "file must be a file name without a folder"),
        (f'sface.onnx"\nsha256 = "{HASH}"', 'sface.onnx"\nsha256 = "abc"', "sha256 must be 64 hex digits"),
        (f'sface.onnx"\nsha256 = "{HASH}"', 'sface.onnx"\nsha256 = ""', "sha256 must be 64 hex digits"),
        ('licence = "Apache-2.0"\n', "", "licence is missing; it must be a text"),
        ('licence = "Apache-2.0"\n', 'license = "MIT"\nlicence = "MIT"\n', "unknown key license"),
        ("size = [112, 96]", "size = [112]", "input.size must be [height, width] in pixels"),
        ("size = [112, 96]", "size = [112, true]", "input.size must be [height, width] in pixels"),
        ("size = [112, 96]", "size = [112, 0]", "input.size must be [height, width] in pixels"),
        ("size = [112, 96]", "size = [112, 96]\nstride = 8", "unknown key input.stride"),
        ("mean = [1, 2.5, 3.0]", "mean = [1, 2]", "input.mean must be three numbers"),
        ("mean = [1, 2.5, 3.0]", "mean = [1, 2, nan]", "input.mean must be three numbers"),
        ("scale = [4.0", "scale = [0.0", "input.scale must be three numbers other than 0"),
        ("bgr = true", "bgr = 1", "input.bgr must be true or false"),
        ("[38.5, 51.5], ", "", "input.template must be five [x, y] pairs"),
        ("[38.5, 51.5], ", "[38.5], ", "input.template must be five [x, y] pairs"),
        ('names = ["fc1"]', "names = [1]", "output.names must be a list of names"),
        ("dimension = 128", "dimension = 0", "output.dimension must be a whole number above 0"),
        ("dimension = 128", "dimension = 1.5", "output.dimension must be a whole number above 0"),
        (
            "dimension = 128",
            "dimension = 2\ncentre = [0.5]",
            "output.centre must be 2 numbers from -1 to 1, one for each of dimension",
        ),
        (
            "dimension = 128",
            "dimension = 2\ncentre = [0.5, 1.5]",
            "output.centre must be 2 numbers from -1 to 1, one for each of dimension",
        ),
        (
            "dimension = 128",
            "dimension = 2\ncentre = [0.5, nan]",
            "output.centre must be 2 numbers from -1 to 1, one for each of dimension",
        ),
        ('[original]\nfile = "face.onnx"', "[original]", "original.file is missing; it must be a text"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in EMBEDDER
    path = write(tmp_path, EMBEDDER.replace(old, new, 1))

    with pytest.raises(WeightsError) as caught:
        read_manifest(path)

    assert caught.value.message == f"{path}: {message}"


def test_a_value_where_a_table_belongs_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, DETECTOR.replace("[input]\nstride = 32", "input = 32\n"), "yunet")

    with pytest.raises(WeightsError, match="input must be a table"):
        read_manifest(path)


def test_a_detector_takes_no_keys_of_an_embedder(tmp_path: Path) -> None:
    path = write(tmp_path, DETECTOR + "dimension = 3\ncentre = [0.1, 0.2, 0.3]\n", "yunet")

    with pytest.raises(WeightsError, match=r"unknown key output\.centre, output\.dimension"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("content", "message"), [(b"name = ", "is not valid TOML"), (b"\xff\xfe", "is not valid TOML")]
)
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "manifest.toml"
    path.write_bytes(content)

    with pytest.raises(WeightsError, match=message):
        read_manifest(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"manifest\.toml cannot be read: No such file"):
        read_manifest(tmp_path / "manifest.toml")


def test_a_folder_of_models_is_read_by_name(tmp_path: Path) -> None:
    write(tmp_path, EMBEDDER)
    write(tmp_path, DETECTOR, "yunet")
    (tmp_path / "convert").mkdir()

    assert list(models_in(tmp_path)) == ["sface", "yunet"]
    assert models_in(tmp_path / "absent") == {}


def test_a_model_without_a_hash_has_no_id(tmp_path: Path) -> None:
    manifest = replace(read_manifest(write(tmp_path, EMBEDDER)), sha256="")

    with pytest.raises(WeightsError) as caught:
        _ = manifest.model_id

    assert caught.value.hint == "Run: facecli models pull sface"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
numbers = st.floats(allow_nan=False, allow_infinity=False)
manifests = st.builds(
    Manifest,
    name=st.just("sface"),
    kind=st.just("embedder"),
    architecture=texts,
    file=st.just("sface.onnx"),
    sha256=st.just(HASH),
    licence=texts,
    folder=st.just(Path()),
    output_names=st.lists(texts).map(tuple),
    size_hw=st.tuples(st.integers(1, 999), st.integers(1, 999)),
    preprocessing=st.builds(
        Preprocessing,
        mean=st.tuples(numbers, numbers, numbers),
        scale=st.tuples(*[numbers.filter(bool)] * 3),
        bgr=st.booleans(),
        inside=st.booleans(),
    ),
    template_xy=st.tuples(*[st.tuples(numbers, numbers)] * 5),
    dimension=st.just(3),
    centre=st.just(()) | st.tuples(*[st.floats(-1, 1)] * 3),
    original=st.none() | st.builds(Original, texts, st.just(HASH), texts),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(manifest=manifests)
def test_what_is_written_is_read_back(tmp_path: Path, manifest: Manifest) -> None:
    path = write(tmp_path, format_manifest(manifest))

    assert read_manifest(path) == replace(manifest, folder=path.parent)


def test_every_model_that_ships_is_described_in_full() -> None:
    models = shipped_models()

    assert {"sface", "centerface", "yunet"} <= set(models)
    for name, manifest in models.items():
        assert manifest.folder == models_dir() / name
        assert manifest.path.is_file()
        assert manifest.original is not None
