"""Vectors from elsewhere: .npz and .csv files, from anybody."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from archives import unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facecli.archive.tables import VectorTable, read_table
from facecli.errors import ConfigError, InputError, ModelMismatchError, UsageError
from facecli.runtime.manifest import Manifest
from facecli.services.gallery_import import import_content
from facecli.services.vector_import import known_model, model_of_table, table_content

VECTORS = np.stack([unit(1), unit(2), unit(3)])
NAMES = ["Ana", "Bo", "Ana"]


def manifest(name="sface", sha="1" * 64, dimension=8, centre=()) -> Manifest:
    return Manifest(name, "embedder", "", "w.onnx", sha, "", Path(), (), dimension=dimension, centre=centre)


SFACE = manifest()


def resolve(name: str) -> Manifest:
    if name != "sface":
        raise ConfigError(f"there is no model called {name!r}")
    return SFACE


def npz(path: Path, **arrays) -> Path:
    np.savez(path, **{"embeddings": VECTORS, "names": np.array(NAMES), **arrays})
    return path


def table_of(rows: list[list[object]], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert caught.value.code == "bad_table"
    return caught.value.message.removeprefix(f"{path} cannot be imported: ")


def same(table: VectorTable, **said) -> None:
    assert table.vectors.tobytes() == VECTORS.tobytes()
    assert list(table.names) == NAMES
    for key, value in said.items():
        found = getattr(table, key)
        assert (list(found) if isinstance(value, list) else found) == value


def test_a_numpy_file(tmp_path):
    same(
        read_table(npz(tmp_path / "a.npz")),
        sources=["a.npz#1", "a.npz#2", "a.npz#3"],
        qualities=[1.0, 1.0, 1.0],
        model=None,
    )
    given = npz(
        tmp_path / "b.npz",
        sources=np.array(["x.jpg", "y.jpg", "z.jpg"]),
        qualities=np.array([0.5, 1, 0], np.float32),
        model=np.array("sface"),
        other=np.arange(5),
    )
    same(read_table(given), sources=["x.jpg", "y.jpg", "z.jpg"], qualities=[0.5, 1.0, 0.0], model="sface")
    np.savez_compressed(tmp_path / "c.npz", embeddings=np.asfortranarray(VECTORS), names=np.array(NAMES, "S"))
    same(read_table(tmp_path / "c.npz"))


@pytest.mark.parametrize("kind", ["columns", "json", "blanks"])
def test_a_csv_file(tmp_path, kind):
    exact = VECTORS.astype(np.float64)
    if kind == "columns":
        header, cells = [f"e{each}" for each in range(8)], [row.tolist() for row in exact]
    elif kind == "json":
        header, cells = ["embedding"], [[json.dumps(row.tolist())] for row in exact]
    else:
        header, cells = ["embedding"], [[" ".join(map(repr, row.tolist()))] for row in exact]
    rows = [
        ["quality", "Name", *header, "path"],
        *([0.5, name, *row, ""] for name, row in zip(NAMES, cells, strict=True)),
    ]
    same(
        read_table(table_of(rows, tmp_path / "a.csv")),
        qualities=[0.5] * 3,
        sources=["a.csv#1", "a.csv#2", "a.csv#3"],
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"names": np.array(["Ana", None, "Bo"], object)}, "names.npy holds Python objects"),
        ({"names": np.array(["Ana"])}, "it holds 3 vectors and 1 names"),
        ({"names": np.arange(3)}, "its names are int64 of shape (3,), not a list of texts"),
        ({"names": np.array([["a"], ["b"], ["c"]])}, "its names are <U1 of shape (3, 1)"),
        (
            {"embeddings": np.arange(24).reshape(3, 8)},
            "its embeddings are int64 of shape (3, 8), not",
        ),
        ({"embeddings": np.zeros(3)}, "its embeddings are float64 of shape (3,)"),
        ({"embeddings": np.zeros((0, 8))}, "it holds no vectors"),
        ({"embeddings": np.zeros((3, 0))}, "its vectors have 0 numbers"),
        ({"embeddings": VECTORS * [[1], [np.nan], [1]]}, "vector 2, of 'Bo', has a number that is infinite or none"),
        ({"embeddings": VECTORS.astype(np.float64) * 1e300}, "vector 1, of 'Ana', has a number that is infinite"),
        ({"embeddings": VECTORS * [[1], [1], [0]]}, "vector 3, of 'Ana', has nothing but zeros"),
        ({"qualities": np.array([1, 2, 3])}, "vector 2, of 'Bo', has a quality that is not from 0 to 1"),
        ({"qualities": np.array(["a", "b", "c"])}, "its qualities are not a list of numbers"),
        ({"model": np.array(["a", "b"])}, "its model is not one text"),
    ],
)
def test_numpy_files_that_cannot_be(tmp_path, arrays, words):
    assert refusal(npz(tmp_path / "a.npz", **arrays)).startswith(words)


def header(**facts) -> bytes:
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (3, 8), **facts}).encode()
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "it is no sound file of numpy's"),
        (b"\x93NUMPY\7\0", "embeddings.npy is an array of version 7"),
        (header(), "embeddings.npy says that it has shape (3, 8), and holds something else"),
        (header(shape=(10**9, 10**9)), "embeddings.npy says that it has shape"),
        (header(shape=(-1, -24)) + b"x" * 96, "it is no sound file of numpy's"),
        (header(shape=(2,) * 40), "embeddings.npy says that it has shape"),
        (header(descr="|O") + b"x" * 96, "embeddings.npy holds Python objects"),
        (header(descr="nonsense"), "it is no sound file of numpy's"),
        (b"\x93NUMPY\1\0\x05\x00" + b"os.x(", "it is no sound file of numpy's"),
    ],
)
def test_arrays_that_lie(tmp_path, octets, words):
    path = tmp_path / "a.npz"
    with ZipFile(path, "w") as file:
        file.writestr("embeddings.npy", octets)
    assert refusal(path).startswith(words)


def test_a_numpy_file_that_would_become_huge(tmp_path):
    path = tmp_path / "a.npz"
    with ZipFile(path, "w", ZIP_DEFLATED) as file:
        file.writestr("embeddings.npy", header(shape=(3, 10**7)) + b"\0" * 12 * 10**7)
    assert path.stat().st_size < 200_000
    assert "would become 120,0" in refusal(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "its first line names no column called name"),
        ("a,b\n", "its first line names no column called name"),
        ("name,name,e0\n", "its first line names the column name twice"),
        ("name,quality\nAna,1\n", "its first line names neither a column called embedding, nor e0"),
        ("name,e0,e1\n", "it holds no vectors"),
        ("name,e0,e1\nAna,1\n", "row 2 has 2 columns, and the first 3"),
        ("name,e0,e1\nAna,1,x\n", "row 2, of 'Ana', has what is no number"),
        ("name,e0,e1\nAna,1,inf\n", "vector 1, of 'Ana', has a number that is infinite or none"),
        ("name,embedding\nAna,[1\n", "row 2, of 'Ana', has what is no number"),
        ('name,embedding\nAna,"[1,""2""]"\n', "row 2, of 'Ana', has what is no number (not a list of numbers)"),
        ("name,embedding\nAna,1 2\nBo,1 2 3\n", "row 3 has a vector of 3 numbers, and the first 2"),
        ("name,embedding\nAna,\n", "its vectors have 0 numbers"),
        ("name,embedding,model\nAna,1,a\nBo,1,b\n", "it holds vectors of several models: a, b"),
        ("name" + ",x" * 900_000 + "\n", "the row at line 1 is longer than 1,638,400 letters"),
        ('name,e0\n"' + "Ana\n" * 500_000, "the row at line"),
        ("name,e0\nAna," + "1" * 400 + "\n", "vector 1, of 'Ana', has a number that is infinite"),
    ],
)
def test_csv_files_that_cannot_be(tmp_path, text, words):
    path = tmp_path / "a.csv"
    path.write_text(text)
    assert refusal(path).startswith(words)


def test_a_csv_file_that_is_no_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"name,e0\n\xff,1\n")
    assert refusal(path) == "it is no text in UTF-8 (invalid start byte at byte 8)"


def test_a_field_limit_is_put_back(tmp_path):
    before = csv.field_size_limit()
    read_table(table_of([["name", "e0"], ["Ana", 1]], tmp_path / "a.csv"))
    assert csv.field_size_limit() == before


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".npz", ".csv"]))
def test_random_bytes_are_read_or_refused(tmp_path, data, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        stream = io.BytesIO()
        np.savez(stream, embeddings=VECTORS, names=np.array(NAMES))
        octets = bytearray(stream.getvalue())
    else:
        octets = bytearray(b'name,embedding,quality\nAna,"[0.6,0.8]",1\nBo,0.8 0.6,0.5\n')
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(octets)
    try:
        table = read_table(path)
    except InputError as error:
        found = error.message
        assert found.startswith(str(path))  # either it is read or it is refused
    else:
        assert np.isfinite(table.vectors).all()


def table(vectors=VECTORS, names=NAMES, model=None) -> VectorTable:
    return VectorTable(
        "a.csv", np.asarray(vectors, np.float32), names, ["x.jpg"] * len(names), [1.0] * len(names), model
    )


def test_unit_vectors_become_templates(gallery):
    imported = import_content(gallery, table_content(table(), SFACE, is_raw=False))
    assert [(each.name, each.added) for each in imported.people] == [("Ana", 2), ("Bo", 1)]
    assert [each.embedding.vector.tobytes() for each in gallery.templates()] == [row.tobytes() for row in VECTORS]
    again = import_content(gallery, table_content(table(), SFACE, is_raw=False))
    assert [(each.added, each.already) for each in again.people] == [(0, 2), (0, 1)]


def test_other_vectors_are_refused_unless_they_are_raw():
    with pytest.raises(InputError, match=r"vector 1 of a.csv, of Ana, has length 1.4, not 1") as caught:
        table(VECTORS * 1.4).units(is_raw=False)
    assert "--raw" in caught.value.hint
    np.testing.assert_allclose(table(VECTORS * 1.4).units(is_raw=True), VECTORS, atol=1e-6)


def test_raw_vectors_lose_the_centre_of_their_model():
    centre = (0.1,) * 8
    expected = VECTORS - np.float32(0.1)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    (_, template), *_ = table_content(table(VECTORS * 3), manifest(centre=centre), is_raw=True).templates
    np.testing.assert_allclose(template.vector, expected[0], atol=1e-6)


def test_names_are_as_a_gallery_keeps_them():
    content = table_content(table(names=[" Ana", "e\u0301", "Ana"]), SFACE, is_raw=False)
    assert [person.name for person in content.people] == ["Ana", "\xe9"]
    with pytest.raises(InputError, match=r"a.csv .* the name of vector 2 cannot be one: a name is empty"):
        table_content(table(names=["Ana", "", "Bo"]), SFACE, is_raw=False)


def test_somebody_has_to_say_which_model_it_was():
    assert model_of_table(table(), "sface", resolve) is SFACE
    assert model_of_table(table(model="sface"), None, resolve) is SFACE
    assert model_of_table(table(model=SFACE.model_id), "sface", resolve) is SFACE
    with pytest.raises(UsageError, match=r"which model do the vectors of a.csv come from\?"):
        model_of_table(table(), None, resolve)
    with pytest.raises(ConfigError, match="no model called 'other'"):
        model_of_table(table(), "other", resolve)
    with pytest.raises(ModelMismatchError, match="come from sface@222222222222, and here is sface@111111111111"):
        model_of_table(table(model="sface@222222222222"), None, resolve)
    with pytest.raises(ModelMismatchError, match="vectors of 7 numbers, and sface@111111111111 gives 8"):
        model_of_table(table(VECTORS[:, :7]), "sface", resolve)


def test_a_model_id_from_a_file_names_no_path():
    def refuse(name):
        raise AssertionError(name)

    assert known_model("onnx:/etc/passwd@1", refuse) is None
    assert known_model("../sface@1", refuse) is None
