from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from facecli.errors import ConfigError, WeightsError
from facecli.runtime.fusion import Fusion, all_fusions, find_fusion, read_fusion
from facecli.runtime.manifest import models_dir, shipped_models
from facecli.runtime.weights import catalogue, find

MINE = """
name = "mine"
architecture = "two of them"
licence = "as its parts"
parts = [["sface", 3], ["mobilefacenet", 0.5]]
"""


def write(cache_dir: Path, text: str = MINE, name: str = "mine") -> Path:
    path = cache_dir / name / "fusion.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text, "utf-8")
    return path


def test_the_one_that_ships(tmp_path: Path) -> None:
    fusion = find_fusion("fusion", cache_dir=tmp_path)

    assert fusion is not None
    assert (fusion.folder, fusion.ships, fusion.dimension) == (models_dir() / "fusion", True, 128 + 192)
    assert fusion.part_names == "sface and mobilefacenet"
    assert [part.weight for part in fusion.parts] == [2.5, 1.0]
    assert [part.manifest for part in fusion.parts] == [shipped_models()[name] for name in ("sface", "mobilefacenet")]


def test_a_users_own_is_found_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path)

    fusion = find_fusion("mine", cache_dir=tmp_path)

    assert fusion == read_fusion(path, cache_dir=tmp_path)
    assert fusion is not None
    assert (fusion.name, fusion.architecture, fusion.licence) == ("mine", "two of them", "as its parts")
    assert (fusion.folder, fusion.ships) == (tmp_path / "mine", False)
    assert [each.name for each in all_fusions(tmp_path)] == ["fusion", "mine"]


@pytest.mark.parametrize("name", ["sface", "facenet-vggface2", "nobody", "../mine", "onnx:x.onnx"])
def test_other_names_are_no_fusion(tmp_path: Path, name: str) -> None:
    write(tmp_path / "models")

    assert find_fusion(name, cache_dir=tmp_path / "models") is None


@pytest.mark.parametrize("name", ["sface", "fusion"])
def test_none_takes_the_place_of_what_ships(tmp_path: Path, name: str) -> None:
    write(tmp_path, MINE.replace("mine", name), name)

    assert [(each.name, each.ships) for each in all_fusions(tmp_path)] == [("fusion", True)]


def test_its_id_is_that_of_its_parts_and_weights(tmp_path: Path) -> None:
    def model_id(old: str = "", new: str = "") -> str:
        path = write(tmp_path / str(len(list(tmp_path.iterdir()))), MINE.replace(old, new))
        return read_fusion(path, cache_dir=tmp_path).model_id

    sface, mobilefacenet = shipped_models()["sface"].model_id, shipped_models()["mobilefacenet"].model_id
    content = f"{sface} 3.0\n{mobilefacenet} 0.5"
    assert model_id() == f"mine@{hashlib.sha256(content.encode()).hexdigest()[:12]}"
    assert model_id('"as its parts"', '"another text"') == model_id()
    others = [
        model_id("3]", "3.1]"),
        model_id('"sface"', '"arcface-r50"'),
        model_id(', ["mob', ', ["sface-fp32", 1], ["mob'),
    ]
    assert len({model_id(), *others}) == 4


def test_a_part_that_was_not_pulled_is_described_by_the_catalogue(tmp_path: Path) -> None:
    fusion = read_fusion(write(tmp_path, MINE.replace('"sface"', '"arcface-r50"')), cache_dir=tmp_path)

    assert fusion.parts[0].manifest == catalogue()["arcface-r50"].manifest
    assert fusion.dimension == 512 + 192


PAIRS = "parts must be two or more [name, weight] pairs, all names different, weights above 0 and up to 1000"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mine"', '"other"', "name must be that of its folder, 'mine'"),
        ('licence = "as its parts"', "", "licence is missing; it must be a text"),
        ("licence", 'sha256 = ""\nlicence', "unknown key sha256"),
        (', ["mobilefacenet", 0.5]', "", PAIRS),
        ('"mobilefacenet", 0.5', '"sface", 0.5', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet"', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet", 0', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet", -1', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet", nan', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet", 1001', PAIRS),
        ('"mobilefacenet", 0.5', '"mobilefacenet", "1"', PAIRS),
        ('"mobilefacenet", 0.5', "1, 0.5", PAIRS),
        ('[["sface", 3], ["mobilefacenet", 0.5]]', "3", PAIRS),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in MINE
    path = write(tmp_path, MINE.replace(old, new, 1))

    with pytest.raises(WeightsError) as caught:
        read_fusion(path, cache_dir=tmp_path)

    assert caught.value.message == f"{path}: {message}"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("dlib-resnet", "sface and dlib-resnet in {} take different crops of a face"),
        ("facenet-vggface2", "sface and facenet-vggface2 in {} take different crops of a face"),
        ("yunet", "yunet in {} finds faces, it does not embed them"),
        ("nobody", "there is no model called 'nobody'"),
        ("mine", "there is no model called 'mine'"),  # nor can a fusion be a part
    ],
)
def test_parts_that_do_not_go_together_are_named(tmp_path: Path, part: str, message: str) -> None:
    path = write(tmp_path, MINE.replace("mobilefacenet", part))

    with pytest.raises(ConfigError) as caught:
        read_fusion(path, cache_dir=tmp_path)

    assert caught.value.message == message.format(path)


def test_crops_of_one_size_and_another_template_are_different(tmp_path: Path) -> None:
    fusion = read_fusion(write(tmp_path), cache_dir=tmp_path)
    first, second = fusion.parts
    moved = replace(second.manifest, template_xy=((38.0, 51.0), *second.manifest.template_xy[1:]))

    with pytest.raises(ConfigError, match="take different crops"):
        Fusion("mine", "", "", tmp_path, (first, replace(second, manifest=moved)))


def test_a_misspelt_name_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find("fusoin", cache_dir=tmp_path)

    assert caught.value.hint == "Did you mean 'fusion'?"
