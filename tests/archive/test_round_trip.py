"""What is exported and imported again is the same, to the byte."""

from __future__ import annotations

import io
import json
from zipfile import ZipFile

import numpy as np
import pytest
from archives import contents, export, import_archive, new_template
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.errors import FacecliError, InputError, UnknownPersonError, UsageError
from facecli.gallery.consent import Consent
from facecli.gallery.names import normalise_name
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.types import Crop, Embedding


def _is_name(text: str) -> bool:
    try:
        return normalise_name(text) == text
    except InputError:
        return False


names = st.text(min_size=1, max_size=12).filter(_is_name)
# Bytes of a file name that os.fsdecode gives, UTF-8 or not.
sources = st.binary(min_size=1, max_size=20).map(lambda octets: octets.decode("utf-8", "surrogateescape"))
sides = st.floats(0, 5000, width=32)


@st.composite
def templates(draw):
    dimensions = {"sface@1": 4, "mobilefacenet@2": 6}
    model_id = draw(st.sampled_from(sorted(dimensions)))
    seed = draw(st.integers(0, 2**32 - 1))
    vector = np.random.default_rng(seed).standard_normal(dimensions[model_id]).astype(np.float32)
    left, top = draw(sides), draw(sides)
    box = np.array((left, top, left + draw(st.floats(1, 500, width=32)), top + 30), np.float32)
    photo = draw(st.integers(0, 6))
    # One photo, one crop: as a gallery keeps them.
    crop = Crop(b"\xff\xd8\xff" + bytes([photo]) * 9, np.arange(10, dtype=np.float32).reshape(5, 2) / 3 + photo)
    return NewTemplate(
        Embedding(vector / np.linalg.norm(vector), model_id),
        draw(st.floats(0, 1)),
        draw(sources),
        f"hash {photo}",
        box,
        crop if draw(st.booleans()) else None,
    )


changes = st.lists(
    st.tuples(
        st.sampled_from(["enrol", "enrol", "not", "remove", "consent"]),
        st.integers(0, 3),
        st.lists(templates(), min_size=1, max_size=3),
    ),
    max_size=8,
)


def change(gallery: Gallery, kind: str, name: str, new: list[NewTemplate]) -> None:
    try:
        if kind in ("enrol", "not"):
            gallery.add_templates(name, new, is_negative=kind == "not")
        elif kind == "remove":
            gallery.remove_person(name)
        else:
            with gallery.edit("people consent") as edit:
                edit.set_consent(edit.person(name).person_id, Consent("form", 'in the "blue" folder, café', None).text)
    except UnknownPersonError:
        pass


@settings(max_examples=60, deadline=None)
@given(people=st.lists(names, min_size=4, max_size=4, unique=True), made=changes)
def test_a_gallery_comes_back_from_its_archive(tmp_path_factory, people, made):
    path = tmp_path_factory.mktemp("archive") / "a.zip"
    with Gallery.open(":memory:") as first, Gallery.open(":memory:") as second:
        for kind, number, new in made:
            change(first, kind, people[number], new)
        exported = export(first)
        path.write_bytes(exported)
        import_archive(second, path)
        assert export(second) == exported
        assert contents(second) == contents(first)
        assert second.info(check=True).problems == ()
        assert sorted(each.text for each in second.consents().values()) == sorted(
            each.text for each in first.consents().values()
        )


def test_times_and_odd_file_names_survive(gallery, other, tmp_path, monkeypatch):
    monkeypatch.setattr("facecli.gallery.store._now", lambda: "2020-01-01T00:00:00Z")
    gallery.add_templates("Ana", [new_template(1, source="caf\udce9/\udcff.jpg")])
    monkeypatch.undo()
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery))
    import_archive(other, path)
    (ana,), (template,) = other.people(), other.templates()
    assert (ana.created_at, template.created_at) == ("2020-01-01T00:00:00Z",) * 2
    assert template.source == "caf\udce9/\udcff.jpg"
    other.rename_person("Ana", "Bo")
    assert other.get_person("Bo").created_at == "2020-01-01T00:00:00Z"


def test_what_is_in_it(gallery):
    gallery.add_templates("Ana", [new_template(1, crop=True), new_template(2, source="\udcff.jpg")])
    with ZipFile(io.BytesIO(export(gallery))) as file:
        assert [info.filename for info in file.infolist()] == [
            "people.jsonl",
            "templates-1.jsonl",
            "vectors-1.safetensors",
            "crops/1.jpg",
            "crops.jsonl",
            "manifest.json",
        ]
        lines = [json.loads(line) for line in file.read("templates-1.jsonl").splitlines()]
        manifest = json.loads(file.read("manifest.json"))
    assert [line["source"] for line in lines] == ["1.jpg", {"base64": "/y5qcGc="}]
    assert [line["crop"] for line in lines] == [1, None]
    assert (manifest["people"], manifest["templates"], manifest["crops"]) == (1, 2, 1)
    assert manifest["parts"] == [{"model_id": "sface@1", "dimension": 8, "templates": 2}]


def test_some_people_alone(gallery, other, tmp_path):
    for name, number in (("Ana", 1), ("Bo", 2), ("Cy", 3)):
        gallery.add_templates(name, [new_template(number, crop=True)])
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery, "Cy", " Ana"))
    assert b"Bo" not in path.read_bytes()
    import_archive(other, path)
    assert contents(other) == [row for row in contents(gallery) if row[0] != "Bo"]
    with pytest.raises(UnknownPersonError):
        export(gallery, "Nobody")
    with pytest.raises(UsageError, match="names everybody"):
        export(gallery, "Ana", with_history=True)


def test_who_was_removed_is_not_in_it(gallery):
    gallery.add_templates("Ana", [new_template(1)])
    gallery.add_templates("Bo", [new_template(2)])
    gallery.remove_person("Bo")
    assert b"Bo" not in export(gallery)
    assert new_template(2).embedding.vector.tobytes() not in export(gallery)


def test_without_crops(gallery):
    gallery.add_templates("Ana", [new_template(1, crop=True)])
    assert b"\xff\xd8\xff" in export(gallery)
    assert b"\xff\xd8\xff" not in export(gallery, with_crops=False)


def test_the_history_is_there_for_information(gallery, other, tmp_path):
    gallery.add_templates("Ana", [new_template(1)])
    gallery.remove_person("Ana")
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery, with_history=True))
    with ZipFile(path) as file:
        lines = [json.loads(line) for line in file.read("history.jsonl").splitlines()]
    assert [line["command"] for line in lines if "command" in line] == ["enroll", "people remove"]
    assert {"event": 1, "subject": "name", "id": 1, "before": None, "after": "Ana"} in lines
    import_archive(other, path)
    assert (other.people(), other.events()) == ([], [])


def test_an_empty_gallery_is_an_archive_too(gallery, other, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery))
    assert import_archive(other, path).people == []
    assert other.events() == []


def test_parts_are_as_large_as_their_limit(gallery, other, tmp_path, monkeypatch):
    for module in ("format", "writer"):
        monkeypatch.setattr(f"facecli.archive.{module}.part_rows", lambda dimension: 2)
    monkeypatch.setattr("facecli.archive.lines.part_rows", lambda dimension: 2)
    gallery.add_templates("Ana", [new_template(number) for number in range(5)])
    path = tmp_path / "a.zip"
    path.write_bytes(export(gallery))
    with ZipFile(path) as file:
        assert "templates-3.jsonl" in file.namelist()
        assert "templates-4.jsonl" not in file.namelist()
    import_archive(other, path)
    assert contents(other) == contents(gallery)


def test_a_damaged_gallery_is_not_exported(gallery):
    gallery.add_templates("Ana", [new_template(1)])
    gallery._connection.execute("UPDATE templates SET quality = 0.1")
    with pytest.raises(FacecliError, match="facts of template 1 do not have their checksum"):
        export(gallery)
