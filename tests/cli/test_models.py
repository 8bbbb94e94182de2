from __future__ import annotations

import shutil
import socket
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facecli.runtime import manifest
from facecli.runtime import weights as weights_module

SHIPPED = {"centerface", "dlib-resnet", "fusion", "mobilefacenet", "sface", "yunet"}


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACECLI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def mean_colours(tmp_path: Path) -> Path:
    """A network that gives the mean of each colour, which is an embedder as far as its shapes go."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3, 112, 112))
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 3))
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    model = helper.make_model(
        helper.make_graph(nodes, "net", [given], [made]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(model, str(tmp_path / "mean.onnx"))
    return tmp_path / "mean.onnx"


def test_list(run, own_cache: Path) -> None:
    done = run("models", "list", "-f", "jsonl")

    where = {each["name"]: each["where"] for each in done.records}
    assert (done.code, done.err) == (0, "")
    assert {name for name, place in where.items() if place == "ships with facecli"} == SHIPPED
    assert {"facenet-vggface2", "arcface-r50"} <= {name for name, place in where.items() if place == "can be pulled"}
    assert all(each["licence"] and each["sha256"] is not None for each in done.records)


def test_verify(run, own_cache: Path) -> None:
    done = run("models", "verify", "-f", "jsonl")

    assert (done.code, done.err) == (0, "")
    assert {each["name"]: each["answer"] for each in done.records} == dict.fromkeys(SHIPPED, "unaltered")


@pytest.fixture
def own_fusion(own_cache: Path) -> Path:
    folder = own_cache / "models" / "mine"
    folder.mkdir(parents=True)
    text = 'name = "mine"\narchitecture = "two"\nlicence = "theirs"\nparts = [["sface", 1], ["mean", 1]]\n'
    (folder / "fusion.toml").write_text(text)
    return folder


def test_a_fusion_is_listed_and_verified_by_its_parts(run, own_cache: Path) -> None:
    listed, verified = run("models", "list", "-f", "jsonl"), run("models", "verify", "-f", "jsonl")

    row = next(each for each in listed.records if each["name"] == "fusion")
    assert (row["kind"], row["dimension"], row["licence"]) == ("embedder", 320, "Apache-2.0 and MIT")
    assert row["note"] == "no weights of its own: those of sface and mobilefacenet"
    paths = {each["name"]: each["path"] for each in verified.records}
    assert paths["fusion"] == f"{paths['sface']} and {paths['mobilefacenet']}"


def test_a_users_own_fusion(run, own_cache: Path, own_fusion: Path, mean_colours: Path, macron: Path) -> None:
    without = run("embed", macron, "--embedder", "mine")
    run("models", "import", mean_colours, "--name", "mean")
    listed = run("models", "list", "-f", "jsonl")
    embedded = run("embed", macron, "--embedder", "mine", "-f", "jsonl")
    pulled = run("models", "pull", "mine")
    stored = own_cache / "models" / "mean" / "mean.onnx"
    stored.write_bytes(stored.read_bytes() + b" ")
    altered = run("models", "verify", "-f", "jsonl")

    assert (without.code, without.err.splitlines()[0]) == (2, "error: there is no model called 'mean'")
    row = next(each for each in listed.records if each["name"] == "mine")
    assert (row["where"], row["dimension"]) == ("on this machine", 131)
    assert len(embedded.records[0]["faces"][0]["embedding"]) == 131
    assert (pulled.code, pulled.err) == (0, "mine is made of sface and mean; there is nothing else to fetch\n")
    answers = {each["name"]: each["answer"] for each in altered.records}
    assert altered.code == 4
    assert answers["mine"] == answers["mean"] != "unaltered"
    assert answers["fusion"] == "unaltered"


def test_a_fusion_whose_part_was_not_pulled_says_how_to_get_it(
    run, own_cache: Path, own_fusion: Path, macron: Path
) -> None:
    file = own_fusion / "fusion.toml"
    file.write_text(file.read_text().replace('"mean"', '"arcface-r50"'))

    embedded, verified = run("embed", macron, "--embedder", "mine"), run("models", "verify", "-f", "jsonl")

    assert (embedded.code, embedded.out) == (4, "")
    assert embedded.err.splitlines() == [
        "error: weights of 'arcface-r50' are not on this machine",
        "  hint: Run: facecli models pull arcface-r50",
    ]
    assert (verified.code, verified.records[-1]["answer"]) == (0, "no weights of arcface-r50 here")


def test_an_imported_network_is_listed_used_and_verified(
    run, own_cache: Path, mean_colours: Path, macron: Path
) -> None:
    imported = run("models", "import", mean_colours, "--name", "mean")
    listed = run("models", "list", "-f", "jsonl")
    embedded = run("embed", macron, "--embedder", "mean", "-f", "jsonl")
    sound = run("models", "verify")
    stored = own_cache / "models" / "mean" / "mean.onnx"
    stored.write_bytes(stored.read_bytes() + b" ")
    altered = run("models", "verify", "-f", "jsonl")
    refused = run("embed", macron, "--embedder", "mean")

    assert (imported.code, imported.out) == (0, "")
    assert imported.err == f"mean: not in the catalogue, recorded, in {stored}\n"
    assert {each["name"]: each["where"] for each in listed.records}["mean"] == "imported"
    vector = embedded.records[0]["faces"][0]["embedding"]
    assert (len(vector), round(float(np.linalg.norm(vector)), 5)) == (3, 1)
    assert sound.code == 0
    assert altered.code == 4
    assert [each["name"] for each in altered.records if each["answer"] != "unaltered"] == ["mean"]
    assert refused.code == 4


def test_an_imported_embedder_needs_a_threshold_to_name_anybody(
    run, own_cache: Path, mean_colours: Path, macron: Path, tmp_path: Path
) -> None:
    gallery = tmp_path / "mean.db"
    run("models", "import", mean_colours, "--name", "mean")
    run("enroll", "Emmanuel", macron, "--embedder", "mean", "-g", gallery)

    without = run("identify", macron, "--embedder", "mean", "-g", gallery)
    given = run("identify", macron, "--embedder", "mean", "-g", gallery, "--threshold", "0.9", "-f", "jsonl")

    assert without.code == 2
    assert without.err.startswith("error: no rate can be promised for mean: its scores have not been measured\n")
    assert (given.code, given.records[0]["faces"][0]["name"]) == (0, "Emmanuel")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["import", "absent.onnx", "--name", "x"], 4, "absent.onnx cannot be imported"),
        (["import", "text.onnx"], 2, "text.onnx is no file of the catalogue and needs a name"),
        (["import", "text.onnx", "--name", "sface"], 2, "'sface' is the name of a model that ships with facecli"),
        (["import", "text.onnx", "--name", "../x"], 2, "'../x' is no name for a model"),
        (["pull", "nope"], 2, "there is no model called 'nope'"),
    ],
)
def test_what_cannot_be(run, own_cache: Path, home: Path, words: list[str], code: int, message: str) -> None:
    (home / "text.onnx").write_text("no network")

    done = run("models", *words)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"error: {message}")
    assert not list(own_cache.rglob("*.onnx"))


@pytest.mark.parametrize("words", [["--offline", "models", "pull"], ["models", "pull", "--offline"]])
def test_offline_opens_no_socket(run, own_cache: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    def forbidden(*arguments: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)

    done = run(*words, "arcface-r50")

    licence, error, hint = done.err.splitlines()
    assert (done.code, done.out) == (4, "")
    assert licence.startswith("arcface-r50: non-commercial research only")
    assert error == "error: 'arcface-r50' cannot be fetched offline"
    assert hint.startswith("  hint: ")


def test_pulling_what_ships_fetches_nothing(run, own_cache: Path) -> None:
    done = run("--offline", "models", "pull", "sface")

    assert (done.code, done.err) == (0, "sface ships with facecli; there is nothing to fetch\n")


def test_altered_weights_name_nobody(run, gallery: Path, macron: Path, tmp_path: Path, monkeypatch) -> None:
    models = shutil.copytree(manifest.models_dir(), tmp_path / "models")
    weights = models / "sface" / "sface.onnx"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    for module in (manifest, weights_module):
        monkeypatch.setattr(module, "models_dir", lambda: models)

    identified, verified = run("identify", macron), run("models", "verify", "-q")

    assert (identified.code, verified.code) == (4, 4)
    assert identified.err.startswith(f"error: {weights} ")
