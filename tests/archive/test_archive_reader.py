"""Archives from anybody: whatever is wrong is said in one sentence that names archive and member."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
import pytest
from archives import JPEG, SINCE, archived, contents, import_archive, new_template, unit, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from facecli.archive.format import ArchivedPerson
from facecli.archive.reader import ArchiveReader
from facecli.errors import FacecliError, InputError
from facecli.gallery.store import Gallery
from facecli.types import Crop

CROP = Crop(JPEG + b"abc", np.arange(10, dtype=np.float32).reshape(5, 2))


def members(path: Path) -> dict[str, bytes]:
    with ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def pack(path: Path, content: dict[str, bytes], *, kind: int = ZIP_STORED) -> Path:
    """Write members as they are, with the manifest as it is."""
    with ZipFile(path, "w", kind) as file:
        for name, octets in content.items():
            file.writestr(ZipInfo(name), octets, kind)
    return path


def repack(path: Path, **replaced: bytes) -> Path:
    """Replace members (people_jsonl=…) and make the manifest's SHA-256 right for them."""
    content = members(path)
    names = {name.replace(".", "_").replace("-", "_").replace("/", "_"): name for name in content}
    for key, octets in replaced.items():
        content[names[key]] = octets
    if "manifest_json" not in replaced:
        manifest = json.loads(content["manifest.json"])
        manifest["sha256"] = {name: hashlib.sha256(content[name]).hexdigest() for name in manifest["sha256"]}
        content["manifest.json"] = json.dumps(manifest).encode()
    return pack(path, content)


def manifest_with(path: Path, **changed) -> bytes:
    return json.dumps({**json.loads(members(path)["manifest.json"]), **changed}).encode()


def line_with(path: Path, name: str, /, **changed) -> bytes:
    """Return a member whose first line has other values."""
    first, *others = members(path)[name].splitlines(keepends=True)
    value = {**json.loads(first), **changed}
    return b"".join([json.dumps({k: v for k, v in value.items() if v != "gone"}).encode() + b"\n", *others])


def refusal(path: Path, gallery: Gallery) -> str:
    """Import what must be refused, and return why."""
    before = contents(gallery), gallery.people(), gallery.events()
    with pytest.raises(InputError) as caught:
        import_archive(gallery, path)
    assert (contents(gallery), gallery.people(), gallery.events()) == before
    assert caught.value.code in ("bad_archive", "archive_newer")
    assert caught.value.message.startswith(str(path))
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{path} ").removeprefix("cannot be imported: ")


def test_a_sound_one_is_read(archive):
    with ArchiveReader(archive) as reader:
        assert [person.name for person in reader.people()] == ["Ana", "Bo"]
        assert [(model_id, each.person) for model_id, each in reader.templates()] == [
            ("sface@1", 1),
            ("sface@1", 1),
            ("sface@1", 2),
        ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../../people.jsonl", "holds '../../people.jsonl', which no archive of a gallery has"),
        ("/etc/passwd", "which no archive of a gallery has"),
        ("crops/../../x.jpg", "which no archive of a gallery has"),
        ("crops/", "which no archive of a gallery has"),
        ("crops/0.jpg", "which no archive of a gallery has"),
        ("PEOPLE.jsonl", "which no archive of a gallery has"),
        ("templates-2.jsonl", "holds templates-2.jsonl, which it does not count"),
        ("crops/1.jpg", "holds crops/1.jpg, which it does not count"),
        ("history.jsonl", "holds history.jsonl, which it does not count"),
    ],
)
def test_members_that_it_must_not_have(archive, gallery, name, words):
    assert words in refusal(pack(archive, {**members(archive), name: b"x"}), gallery)


@pytest.mark.parametrize("name", ["people.jsonl", "crops.jsonl", "templates-1.jsonl", "vectors-1.safetensors"])
def test_members_that_are_missing_or_altered(archive, gallery, name):
    content = members(archive)
    altered = {**content, name: content[name] + b" "}
    assert refusal(pack(archive, altered), gallery) == f"{name} does not have the SHA-256 that the archive says"
    del content[name]
    assert refusal(pack(archive, content), gallery) == f"it has no {name}"


def test_a_member_twice(archive, gallery):
    content = members(archive)
    content["people.jsonm"] = b""
    octets = pack(archive, content).read_bytes()
    archive.write_bytes(octets.replace(b"people.jsonm", b"people.jsonl"))
    assert refusal(archive, gallery) == "people.jsonl is there twice"


def test_links_are_no_members(archive, gallery):
    content = members(archive)
    with ZipFile(archive, "w") as file:
        for name, octets in content.items():
            info = ZipInfo(name)
            info.external_attr = (0o120777 if name == "people.jsonl" else 0o100600) << 16
            file.writestr(info, octets)
    assert refusal(archive, gallery) == "people.jsonl is no plain file"


def test_nothing_is_compressed(archive, gallery):
    """So nothing becomes larger than it is."""
    content = members(archive)
    bomb = pack(archive, {**content, "people.jsonl": b"\n" * 10**7}, kind=ZIP_DEFLATED)
    assert bomb.stat().st_size < 20_000
    assert "is compressed, which an archive of a gallery never is" in refusal(bomb, gallery)


def test_members_that_share_their_bytes(archive, gallery, monkeypatch):
    """Like Fifield's zip bomb, whose many members are one. Newer Pythons refuse it when it is opened."""
    crops = 50
    people = members(archive)
    manifest = json.loads(people["manifest.json"])
    manifest["crops"] = crops
    image = b"\xff\xd8\xff" + b"x" * 10_000
    with ZipFile(archive, "w") as file:
        for name, octets in {**people, "manifest.json": json.dumps(manifest).encode(), "crops/1.jpg": image}.items():
            file.writestr(ZipInfo(name), octets)
        only = file.getinfo("crops/1.jpg")
        for number in range(2, crops + 1):
            info = ZipInfo(f"crops/{number}.jpg")
            info.header_offset, info.CRC = only.header_offset, only.CRC
            info.compress_size = info.file_size = only.file_size
            file.filelist.append(info)
            file.NameToInfo[info.filename] = info
    assert refusal(archive, gallery) == "its members overlap"


def test_a_directory_of_millions_is_not_read(archive, gallery):
    octets = bytearray(archive.read_bytes())
    struct.pack_into("<HH", octets, len(octets) - 14, 65_535, 65_535)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 10**7, 10**7, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(octets) - 22, 1)
    archive.write_bytes(octets[:-22] + end64 + locator + octets[-22:])
    assert refusal(archive, gallery) == "it says that it has 10,000,000 members, and 1,000,000 are allowed"


@pytest.mark.parametrize("octets", [b"", b"PK", b"PK\5\6", b"no zip file at all, but long enough for one"])
def test_what_is_no_zip_file(tmp_path, gallery, octets):
    path = tmp_path / "a.zip"
    path.write_bytes(octets)
    assert refusal(path, gallery) == "it is no zip file, or the end of it is missing"


def test_a_zip_file_of_something_else(tmp_path, gallery):
    assert "which no archive of a gallery has" in refusal(pack(tmp_path / "a.zip", {"photo.jpg": b"x"}), gallery)
    assert "no manifest.json" in refusal(pack(tmp_path / "b.zip", {"people.jsonl": b"x"}), gallery)


def test_a_truncated_one(archive, gallery):
    octets = archive.read_bytes()
    for size in range(0, len(octets), 97):
        archive.write_bytes(octets[:size])
        refusal(archive, gallery)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"format": "other"}, "its manifest.json has a format that is not facecli-gallery"),
        ({"version": "1"}, "its manifest.json has a version that is not a number from 1 to"),
        ({"people": 3}, "people.jsonl has 2 lines, and the archive says 3"),
        ({"people": 10**400}, "its manifest.json has a people that is not a number"),
        ({"people": True}, "its manifest.json has a people that is not a number"),
        ({"templates": 2}, "its manifest.json has parts that do not hold as many templates as it says"),
        ({"crops": 1}, "it has no crops/1.jpg"),
        ({"crops": 10**9}, "its manifest.json has a crops that is not a number from 0 to 1,000,000"),
        ({"note": 1}, "its manifest.json has an unknown 'note'"),
        ({"parts": 1}, "its manifest.json has a parts that is not a list"),
        ({"parts": []}, "its manifest.json has a sha256 that has an unknown 'templates-1.jsonl'"),
        (
            {"parts": [{"model_id": "sface@1", "dimension": 10**6, "templates": 3}]},
            "its manifest.json has a part that has a dimension that is not a number from 1 to 65,536",
        ),
        (
            {"parts": [{"model_id": "sface@1", "dimension": 8, "templates": 65_537}]},
            "its manifest.json has a part that has a templates that is not a number from 1 to 65,536",
        ),
        (
            {"parts": [{"model_id": "", "dimension": 8, "templates": 3}]},
            "its manifest.json has a part that has a model_id that is not a text",
        ),
        (
            {"parts": [{"model_id": "sface@1", "dimension": 9, "templates": 3}]},
            "vectors-1.safetensors holds float32 of shape (3, 8), expected float32 of (3, 9)",
        ),
        ({"sha256": {}}, "its manifest.json has a sha256 that has no people.jsonl"),
    ],
)
def test_manifests_that_lie(archive, gallery, changed, words):
    assert refusal(repack(archive, manifest_json=manifest_with(archive, **changed)), gallery).startswith(words)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"{", "manifest.json is no JSON"),
        (b"\xff", "manifest.json is no JSON"),
        (b"[]", "its manifest.json is no JSON object"),
        (b"[" * 100_000, "manifest.json is no JSON (it is nested too deeply)"),
        (b'{"format": 1, "format": 2}', "manifest.json is no JSON ('format' is there twice)"),
        (b'{"format": NaN}', "manifest.json is no JSON (NaN is no number)"),
        (b" " * (4 * 2**20 + 1), "manifest.json has 4,194,305 bytes, and 4,194,304 are allowed"),
    ],
)
def test_manifests_that_are_none(archive, gallery, octets, words):
    assert refusal(repack(archive, manifest_json=octets), gallery).startswith(words)


def test_an_archive_from_the_future(archive, gallery):
    repack(archive, manifest_json=manifest_with(archive, version=2))
    assert refusal(archive, gallery) == "is an archive of version 2, and this facecli knows 1 at most"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"person": 2}, "has a person that is not a number from 1 to 1"),
        ({"name": ""}, "has a name that is not a text"),
        ({"name": "A\ud800"}, "has a name that is not a text"),
        ({"name": ["Ana"]}, "has a name that is not a text"),
        ({"name": "gone"}, "has no name"),
        ({"created_at": "yesterday"}, "has a created_at that is not a time like 2025-01-31T12:00:00Z"),
        ({"consent": {"why": "x"}}, "has a consent that has an unknown 'why'"),
        ({"consent": "x"}, "has a consent that is no JSON object"),
        ({"age": 3}, "has an unknown 'age'"),
    ],
)
def test_people_that_cannot_be(archive, gallery, changed, words):
    repack(archive, people_jsonl=line_with(archive, "people.jsonl", **changed))
    assert refusal(archive, gallery).startswith(f"line 1 of people.jsonl {words}")


@pytest.mark.parametrize(
    ("people", "words"),
    [
        (["Ana", "Ana"], "Ana is in it twice"),
        (["Ana\u202e"], "the name 'Ana\\u202e' holds the control character U+202E"),
        ([" Ana"], "the name ' Ana' is not as a gallery keeps it"),
        (["e\u0301"], "the name 'e\\u0301' is not as a gallery keeps it"),
        (["A" * 201], "the name that starts with"),
        ([ArchivedPerson("Ana", "2025-01-01T00:00:00Z", {"expires": "soon"})], "the consent of Ana cannot be read"),
        ([ArchivedPerson("Ana", "2025-01-01T00:00:00Z", {})], "the consent of Ana cannot be read"),
    ],
)
def test_names_and_consents_that_a_gallery_refuses(tmp_path, gallery, people, words):
    assert refusal(write(tmp_path / "a.zip", people=people), gallery).startswith(words)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"person": 0}, "has a person that is not a number from 1 to 2"),
        ({"person": 3}, "has a person that is not a number from 1 to 2"),
        ({"person": 1.0}, "has a person that is not a number from 1 to 2"),
        ({"quality": 1.5}, "has a quality that is not a number from 0 to 1"),
        ({"quality": "1"}, "has a quality that is not a number from 0 to 1"),
        ({"source": {"base64": "?"}}, "has a source that is no base64"),
        ({"source": {"base64": 3}}, "has a source that is no base64"),
        ({"source": {"hex": "00"}}, "has a source that is not a text, or base64"),
        ({"source": "x" * 65_537}, "has a source that is not a text, or base64"),
        ({"content_hash": ""}, "has a content_hash that is not a text"),
        ({"box": [1, 2, 3]}, "has a box that is not 4 numbers"),
        ({"box": [1, 2, 1, 3]}, "has a box that is empty"),
        ({"box": [1, 2, 1 + 1e-12, 3]}, "has a box that is empty"),
        ({"box": [1, 2, 1e300, 3]}, "has a box that is not 4 numbers"),
        ({"created_at": 7}, "has a created_at that is not a time"),
        ({"is_negative": 1}, "has a is_negative that is not true or false"),
        ({"crop": 1}, "has a crop that is not a number"),
        ({"model_id": "x"}, "has an unknown 'model_id'"),
    ],
)
def test_templates_that_cannot_be(archive, gallery, changed, words):
    repack(archive, templates_1_jsonl=line_with(archive, "templates-1.jsonl", **changed))
    assert refusal(archive, gallery).startswith(f"line 1 of templates-1.jsonl {words}")


def test_lines_that_are_too_many_too_few_too_long_or_unended(archive, gallery):
    lines = members(archive)["templates-1.jsonl"].splitlines(keepends=True)
    repack(archive, templates_1_jsonl=b"".join([*lines, lines[-1]]))
    assert "has more lines than vectors-1.safetensors has vectors" in refusal(archive, gallery)
    repack(archive, templates_1_jsonl=b"".join(lines[:-1]))
    assert refusal(archive, gallery) == "templates-1.jsonl has 2 lines, and the archive says 3"
    repack(archive, templates_1_jsonl=b"".join(lines)[:-1])
    assert refusal(archive, gallery) == "line 3 of templates-1.jsonl does not end"
    repack(archive, templates_1_jsonl=b" " * 2**20 + b"".join(lines))
    assert refusal(archive, gallery) == "line 1 of templates-1.jsonl is longer than 1,048,576 bytes"


def _tensors(array: np.ndarray, name: str = "vectors") -> bytes:
    return save({name: array})


def _header(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


def vectors(*rows: np.ndarray) -> np.ndarray:
    return np.stack(rows).astype(np.float32)


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "is no safetensors file"),
        (_header(b"{"), "is no safetensors file"),
        (struct.pack("<Q", 2**60) + b"{}", "is no safetensors file"),
        (_header(b'{"vectors":{"dtype":"F32","shape":[3,8],"data_offsets":[0,96]}}'), "is no safetensors file"),
        (_header(b'{"vectors":{"dtype":"F32","shape":[3,99999999],"data_offsets":[0,96]}}', b"x" * 96), "is no safe"),
        (_header(b'{"vectors":{"dtype":"BF16","shape":[3,8],"data_offsets":[0,48]}}', b"x" * 48), ""),
        (_tensors(vectors(unit(1), unit(2), unit(3)), "other"), "does not hold one tensor called vectors"),
        (_tensors(vectors(unit(1), unit(2))), "holds float32 of shape (2, 8), expected float32 of (3, 8)"),
        (_tensors(np.zeros((3, 8), np.float64)), "holds float64 of shape (3, 8), expected float32 of (3, 8)"),
        (_tensors(vectors(unit(1), unit(2), unit(3) * 2)), "has norm 2, expected 1"),
        (_tensors(vectors(unit(1), unit(2) * np.nan, unit(3))), "has norm nan, expected 1"),
        (_tensors(vectors(unit(1), unit(2), unit(3) * np.inf)), "has norm inf, expected 1"),
        (_tensors(vectors(unit(1), unit(2) * 0, unit(3))), "has norm 0, expected 1"),
    ],
)
def test_vectors_that_cannot_be(archive, gallery, octets, words):
    repack(archive, vectors_1_safetensors=octets)
    why = refusal(archive, gallery)
    assert "vectors-1.safetensors" in why
    assert words in why


def test_crops_that_are_not_what_they_were(tmp_path, gallery):
    path = write(tmp_path / "a.zip", templates=[archived(1, crop=1)], crops=[CROP])
    whole = members(path)
    pack(path, {**whole, "crops/1.jpg": b"\xff\xd8\xffabd"})
    assert refusal(path, gallery) == "crops/1.jpg does not have the SHA-256 that the archive says"
    write(path, templates=[archived(1, crop=1)], crops=[Crop(b"GIF89a", CROP.landmarks_xy)])
    assert refusal(path, gallery) == "crops/1.jpg is no JPEG picture"
    pack(path, whole)
    repack(path, crops_jsonl=line_with(path, "crops.jsonl", landmarks=[1] * 9))
    assert refusal(path, gallery) == "line 1 of crops.jsonl has a landmarks that is not 10 numbers"


def test_two_lengths_of_one_model(tmp_path, gallery):
    path = write(tmp_path / "a.zip", templates=[archived(1)])
    content = members(path)
    manifest = json.loads(content["manifest.json"])
    manifest["parts"] = [{"model_id": "sface@1", "dimension": each, "templates": 1} for each in (8, 9)]
    manifest["templates"] = 2
    for name in ("templates-2.jsonl", "vectors-2.safetensors"):
        content[name] = content[name.replace("2", "1")]
        manifest["sha256"][name] = manifest["sha256"][name.replace("2", "1")]
    pack(path, {**content, "manifest.json": json.dumps(manifest).encode()})
    assert refusal(path, gallery) == "its manifest.json has one model with vectors of two lengths"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file") as caught:
        ArchiveReader(tmp_path / "a.zip")
    assert caught.value.code == "cannot_read"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "a.zip"
    return write(path, templates=[archived(1, crop=1), archived(2, 2, is_negative=True)], crops=[CROP]).read_bytes()


def expected(sound: bytes, path: Path) -> list[tuple]:
    path.write_bytes(sound)
    with Gallery.open(":memory:") as gallery:
        gallery.add_templates("Ana", [new_template(7)])
        import_archive(gallery, path)
        return timeless(gallery)


def timeless(gallery: Gallery) -> list[tuple]:
    """Return what a gallery holds, but for when it was enrolled, if that is now."""
    return [row if row[-1] == SINCE else row[:-1] for row in contents(gallery)]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_bytes_change_nothing_or_are_refused(sound, tmp_path, data):
    """A changed archive imports just what the sound one does, or is refused with the gallery as it was."""
    octets = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(st.sampled_from(["set", "set", "set", "cut", "insert"])):
            case "set":
                octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
            case "cut":
                start = data.draw(st.integers(0, len(octets) - 2))
                del octets[start : start + data.draw(st.integers(1, 40))]
            case "insert":
                start = data.draw(st.integers(0, len(octets)))
                octets[start:start] = data.draw(st.binary(min_size=1, max_size=40))
    path = tmp_path / "a.zip"
    path.write_bytes(octets)
    with Gallery.open(":memory:") as gallery:
        gallery.add_templates("Ana", [new_template(7)])
        before = timeless(gallery)
        try:
            import_archive(gallery, path)
            is_refused = False
        except FacecliError as error:
            is_refused = error.message.startswith(str(path))
        assert timeless(gallery) == (before if is_refused else expected(sound, path))
        assert len(gallery.events()) == (1 if is_refused else 2)
        assert gallery.info(check=True).problems == ()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=300), ends=st.booleans())
def test_garbage_is_refused(tmp_path, octets, ends):
    path = tmp_path / "a.zip"
    path.write_bytes(octets + (b"PK\5\6" + octets[:18].ljust(16, b"\0") + b"\0\0" if ends else b""))
    with pytest.raises(InputError):
        ArchiveReader(path)


def test_what_zipfile_itself_writes_is_refused_for_what_it_is(tmp_path, gallery):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", ZIP_DEFLATED) as file:
        file.writestr("manifest.json", "{}")
    path = tmp_path / "a.zip"
    path.write_bytes(stream.getvalue())
    assert "compressed" in refusal(path, gallery)
