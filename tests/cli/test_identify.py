from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from answers import named
from PIL import Image

from facecli.runtime import device

GROUP = ["Barack Obama", "Jacinda Ardern", None, "Emmanuel Macron"]
GREY = (128, 128, 128)


@pytest.fixture
def group(sample_images: Path) -> Path:
    return sample_images / "group.jpg"


@pytest.fixture
def stranger(sample_images: Path) -> Path:
    return sample_images / "stranger.jpg"


@pytest.fixture
def twice(tmp_path: Path, obama: Path) -> Path:
    """One person twice in a photo."""
    with Image.open(obama) as image:
        both = Image.new("RGB", (image.width * 2, image.height))
        both.paste(image, (0, 0))
        both.paste(image, (image.width, 0))
    both.save(tmp_path / "twice.png")
    return tmp_path / "twice.png"


def test_people_are_named_and_strangers_are_not(run, gallery: Path, group: Path, stranger: Path) -> None:
    done = run("identify", group, stranger, "--format", "jsonl")

    assert done.code == 0
    assert named(done.records) == [GROUP, [None]]
    assert [(each["path"], each["status"], each["error"]) for each in done.records] == [
        (str(group), "ok", None),
        (str(stranger), "ok", None),
    ]
    for record in done.records:
        assert record["model"]["detector"] == "centerface"
        assert record["model"]["embedder"].startswith("sface@")
        for face in record["faces"]:
            assert (face["score"] >= face["threshold"]) == (face["name"] is not None)
            assert len(face["candidates"]) == 3
    assert done.err.startswith("2 photos, 5 faces (3 named, 2 unknown) in ")


def test_the_four_formats_agree(run, gallery: Path, obama: Path, stranger: Path) -> None:
    done = {name: run("identify", obama, stranger, "-f", name, "-q") for name in ("table", "json", "jsonl", "csv")}

    assert {(each.code, each.err) for each in done.values()} == {(0, "")}
    assert [[face["name"] for face in each["faces"]] for each in json.loads(done["json"].out)] == [
        ["Barack Obama"],
        [None],
    ]
    assert named(done["jsonl"].records) == [["Barack Obama"], [None]]
    rows = list(csv.DictReader(io.StringIO(done["csv"].out)))
    assert [(row["path"], row["name"], row["face"]) for row in rows] == [
        (str(obama), "Barack Obama", "1"),
        (str(stranger), "", "1"),
    ]
    header, *lines = done["table"].out.splitlines()
    assert header.split() == ["face", "name", "score", "threshold", "match", "nearest", "quality", "box"]
    assert lines[0] == str(obama)
    assert lines[1].split()[:3] == ["#1", "Barack", "Obama"]
    assert lines[2] == str(stranger)
    assert lines[3].split()[:2] == ["#1", "unknown"]
    assert len(lines) == 6  # the stranger's three nearest stand below each other


@pytest.fixture
def mixed(tmp_path: Path, macron: Path) -> Path:
    """A folder with a photo of each kind."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "1 torn.jpg").write_bytes(macron.read_bytes()[:3000])
    (folder / "2 text.jpg").write_text("not a picture at all, but a text")
    (folder / "3 empty.png").touch()
    Image.new("RGB", (200, 200), GREY).save(folder / "4 blank.png")
    shutil.copy(macron, folder / "5 good.jpg")
    (folder / "notes.txt").write_text("left out: no photo by its name")
    return folder


def test_what_cannot_be_read_is_a_result_of_its_own(run, gallery: Path, mixed: Path) -> None:
    done = run("identify", "absent.jpg", mixed, "--format", "jsonl")

    assert done.code == 3
    assert [(Path(each["path"]).name, each["status"], (each["error"] or {}).get("code")) for each in done.records] == [
        ("absent.jpg", "error", "not_found"),
        ("1 torn.jpg", "error", "truncated"),
        ("2 text.jpg", "error", "not_an_image"),
        ("3 empty.png", "error", "empty_file"),
        ("4 blank.png", "no_face", None),
        ("5 good.jpg", "ok", None),
    ]
    *warnings, summary = done.err.splitlines()
    assert [line.startswith("warning: ") for line in warnings] == [True] * 4
    assert warnings[0].startswith("warning: absent.jpg does not exist (")
    assert summary.startswith("6 photos, 1 face (1 named, 0 unknown), 1 without a face, 4 failed in ")


def test_a_table_says_what_failed_in_its_place(run, gallery: Path, mixed: Path) -> None:
    done = run("identify", mixed / "3 empty.png", mixed / "4 blank.png", "-q")

    assert (done.code, done.err) == (3, "")
    first, error, hint, *rest = done.out.splitlines()
    assert (first, error) == (f"{mixed}/3 empty.png", f"  error: {mixed}/3 empty.png is empty")
    assert hint.startswith("  hint: ")
    assert rest == [f"{mixed}/4 blank.png", "  no face found"]


def test_salvage_uses_what_is_left_of_a_photo(run, gallery: Path, tmp_path: Path, obama: Path) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(obama.read_bytes()[: obama.stat().st_size * 3 // 4])

    done = run("identify", torn, "--salvage", "-f", "jsonl")

    assert (done.code, named(done.records)) == (0, [["Barack Obama"]])
    assert done.records[0]["warnings"] == ["the file is truncated; what could be decoded of it was kept"]
    assert done.err == f"warning: {torn}: the file is truncated; what could be decoded of it was kept\n"


class TestWhichPhotos:
    def test_standard_input(self, run, gallery: Path, macron: Path) -> None:
        done = run("identify", "-", "-f", "jsonl", stdin=macron.read_bytes())

        assert (done.code, done.err) == (0, "")
        assert (done.records[0]["path"], named(done.records)) == ("-", [["Emmanuel Macron"]])

    def test_standard_input_that_is_empty(self, run, gallery: Path) -> None:
        done = run("identify", "-", "-f", "jsonl", stdin=b"")

        assert (done.code, done.records[0]["error"]["code"]) == (3, "empty_file")

    def test_a_list_with_a_name_a_line(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text(f"{macron}\n\nabsent.jpg\r\n")

        done = run("identify", "--files-from", tmp_path / "list.txt", "-f", "jsonl")

        assert [each["path"] for each in done.records] == [str(macron), "absent.jpg"]

    def test_a_list_on_standard_input_with_nul_bytes(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        odd = tmp_path / "new\nline.jpg"
        shutil.copy(macron, odd)

        done = run("identify", macron, "--files-from", "-", "-0", "-f", "jsonl", stdin=os.fsencode(odd) + b"\0absent\0")

        assert [each["path"] for each in done.records] == [str(macron), str(odd), "absent"]
        assert done.code == 3

    @pytest.mark.parametrize(
        "name",
        [b"new\nline.jpg", "صورة عائلية.jpg".encode(), b"\xff\xfe.jpg", b"-x.jpg", b'a,b;"c".jpg', b"\x1b[31mred.jpg"],
    )
    def test_odd_file_names_come_back_as_they_are(
        self, run, gallery: Path, macron: Path, home: Path, name: bytes
    ) -> None:
        shutil.copy(macron, home / os.fsdecode(name))  # the current folder, so that "-x.jpg" begins the word

        as_json = run("identify", "-f", "jsonl", "--", os.fsdecode(name))
        as_csv = run("identify", "-f", "csv", "--", os.fsdecode(name))
        as_table = run("identify", "--", os.fsdecode(name))

        assert (as_json.code, as_csv.code, as_table.code) == (0, 0, 0)
        assert os.fsencode(as_json.records[0]["path"]) == name
        _, row = csv.reader(io.StringIO(as_csv.out_bytes.decode("utf-8", "surrogateescape"), newline=""))
        assert os.fsencode(row[0]) == name
        assert "\x1b" not in as_table.out
        assert len(as_table.out.splitlines()) == 3

    def test_sub_folders_only_if_not_refused(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        for path in ("a.jpg", "deep/b.jpg"):
            (tmp_path / "album" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(macron, tmp_path / "album" / path)

        flat = run("identify", tmp_path / "album", "--no-recursive", "-f", "jsonl")
        deep = run("identify", tmp_path / "album", "-f", "jsonl")

        assert [Path(each["path"]).name for each in flat.records] == ["a.jpg"]
        assert [Path(each["path"]).name for each in deep.records] == ["a.jpg", "b.jpg"]

    def test_a_folder_without_photos(self, run, gallery: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()

        done = run("identify", tmp_path / "empty", "-f", "json")

        assert (done.code, done.out) == (0, "[]\n")
        assert done.err.startswith(f"warning: no photos were found in {tmp_path}/empty\n0 photos, 0 faces in ")

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "error: no photo was named\n"),
            (["-0", "x.jpg"], 2, "error: -0 says how --files-from ends its names, but there is no --files-from\n"),
            (["-", "-"], 2, "error: standard input was named more than once\n"),
            (["-", "--files-from", "-"], 2, "error: standard input was named more than once\n"),
            (["--files-from", "absent.txt"], 1, "error: absent.txt does not exist\n"),
        ],
    )
    def test_calls_that_name_no_photo_rightly(
        self, run, gallery: Path, arguments: list[str], code: int, message: str
    ) -> None:
        done = run("identify", *arguments)

        assert (done.code, done.out) == (code, "")
        assert done.err.startswith(message)


class TestOutput:
    def test_a_file_instead_of_standard_output(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        target = tmp_path / "out" / "r.jsonl"
        target.parent.mkdir()

        done = run("identify", macron, "-f", "jsonl", "-o", target)

        assert (done.code, done.out, done.err) == (0, "", "")
        assert json.loads(target.read_text())["path"] == str(macron)
        assert list(target.parent.iterdir()) == [target]

    def test_a_dash_is_standard_output(self, run, gallery: Path, macron: Path) -> None:
        assert run("identify", macron, "-f", "jsonl", "-o", "-").records[0]["path"] == str(macron)

    def test_a_call_that_fails_leaves_the_file_of_before(
        self, run, gallery: Path, macron: Path, tmp_path: Path
    ) -> None:
        target = tmp_path / "out" / "r.jsonl"
        target.parent.mkdir()
        target.write_text("from before")

        done = run("identify", macron, "-o", target, "--embedder", "mobilefacenet")

        assert (done.code, target.read_text()) == (5, "from before")
        assert list(target.parent.iterdir()) == [target]

    def test_a_link_stays_a_link(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")

        run("identify", macron, "-f", "csv", "-o", tmp_path / "link.csv")

        assert (tmp_path / "link.csv").is_symlink()
        assert (tmp_path / "real.csv").read_text().startswith("path,status,")

    def test_a_device_is_written_to(self, run, gallery: Path, macron: Path) -> None:
        done = run("identify", macron, "-o", "/dev/null")

        assert (done.code, done.out) == (0, "")
        assert not Path("/dev/null").is_file()

    @pytest.mark.parametrize("target", ["absent/r.json", "."])
    def test_a_file_that_cannot_be_written(self, run, gallery: Path, macron: Path, target: str) -> None:
        done = run("identify", macron, "-o", target)

        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: cannot write {target}: ")

    def test_annotated_copies_mirror_the_folder(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        for path in ("a.jpg", "deep/b.jpg"):
            (tmp_path / "album" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(macron, tmp_path / "album" / path)
        (tmp_path / "album" / "c.jpg").touch()

        done = run("identify", tmp_path / "album", "--annotate", tmp_path / "drawn", "-q")

        drawn = sorted(path for path in (tmp_path / "drawn").rglob("*") if path.is_file())
        assert done.code == 3
        assert drawn == [tmp_path / "drawn" / "a.annotated.jpg", tmp_path / "drawn" / "deep" / "b.annotated.jpg"]
        with Image.open(drawn[0]) as picture, Image.open(macron) as original:
            assert picture.size == original.size
            assert picture.tobytes() != original.convert("RGB").tobytes()

    def test_a_folder_that_cannot_be_drawn_into(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        done = run("identify", macron, "--annotate", tmp_path / "file")

        assert done.code == 1
        assert (done.out, done.err.splitlines()[0]) == (
            "",
            f"error: cannot write annotated pictures to {tmp_path / 'file'}: File exists",
        )


class TestDecision:
    def test_fail_unknown(self, run, gallery: Path, macron: Path, stranger: Path) -> None:
        assert run("identify", macron, "--fail-unknown").code == 0
        assert run("identify", macron, stranger, "--fail-unknown").code == 10

    def test_a_failed_photo_outweighs_an_unknown_face(self, run, gallery: Path, stranger: Path) -> None:
        assert run("identify", stranger, "absent.jpg", "--fail-unknown").code == 3

    def test_threshold_and_k(self, run, gallery: Path, macron: Path, stranger: Path, group: Path) -> None:
        done = run("identify", macron, stranger, "--threshold", "-1", "-k", "1", "-f", "jsonl")
        strict = run("identify", group, "--threshold", "1", "-k", "2", "-f", "jsonl")

        assert all(names != [None] for names in named(done.records))
        assert [len(face["candidates"]) for record in done.records for face in record["faces"]] == [1, 1]
        for face in strict.records[0]["faces"]:
            assert (face["name"], face["threshold"], len(face["candidates"])) == (None, 1.0, 2)

    def test_a_face_too_poor_is_not_named(self, run, gallery: Path, macron: Path, tmp_path: Path) -> None:
        with Image.open(macron) as image:
            image.reduce(max(image.size) // 50).save(tmp_path / "small.png")
        photo = tmp_path / "small.png"

        done = run("identify", photo, "--threshold", "-1", "--min-quality", "0.9", "--fail-unknown", "-f", "jsonl")
        table = run("identify", photo, "--threshold", "-1", "--min-quality", "0.9")
        rows = run("scan", photo, "--threshold", "-1", "--min-quality", "0.9", "-f", "csv")

        (face,) = done.records[0]["faces"]
        assert (done.code, face["name"], face["rejection"]) == (10, None, "low_quality")
        assert face["candidates"][0]["score"] > face["threshold"]
        assert "warning: " in done.err
        assert "1 face was not named for quality below 0.90: " in done.err
        assert ". Use a photo " in done.err
        assert "unknown (" in table.out
        assert next(csv.DictReader(io.StringIO(rows.out)))["rejection"] == "low_quality"

    def test_one_person_twice_in_a_photo_is_a_warning(self, run, gallery: Path, twice: Path) -> None:
        warning = "Barack Obama is named on 2 faces of this photo; at most one can be right"

        table = run("identify", twice)
        lines = run("identify", twice, "-f", "jsonl")
        quiet = run("identify", twice, "-f", "jsonl", "-q")

        assert (table.code, table.err) == (0, "")
        assert table.out.endswith(f"\n  warning: {warning}\n")
        assert lines.records[0]["warnings"] == [warning]
        assert lines.err == f"warning: {twice}: {warning}\n"
        assert quiet.err == ""

    def test_an_empty_gallery_names_nobody(self, run, gallery: Path, macron: Path) -> None:
        for name in ("Barack Obama", "Emmanuel Macron", "Jacinda Ardern"):
            run("people", "remove", name, "--yes")

        done = run("identify", macron, "-f", "jsonl")

        (face,) = done.records[0]["faces"]
        assert (done.code, face["name"], face["score"], face["candidates"]) == (0, None, None, [])


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (["--embedder", "mobilefacenet"], 5, "holds templates of sface@"),
            (["--embedder", "nope"], 2, "there is no model called 'nope'"),
            (["--embedder", "yunet"], 2, "yunet finds faces, it does not embed them"),
            (["--detector", "nope"], 2, "detector must be one of centerface, yunet, mtcnn, not 'nope'"),
            (["--engine", "nope"], 2, "engine must be one of auto, openvino, torch, not 'nope'"),
            (["--device", "cpu:1"], 2, "'cpu:1' is no device"),
            (["--device", "cuda"], 4, "cuda was asked for, but no CUDA device was found"),
            (["--device", "cuda:3"], 4, "cuda:3 was asked for, but no CUDA device was found"),
            (["--format", "xml"], 2, 'there is no format "xml"'),
            (["--threshold", "2"], 2, "--threshold: threshold must be between -1 and 1, not 2.0"),
            (["--threshold", "nan"], 2, "--threshold: threshold must be between -1 and 1, not nan"),
            (["-k", "0"], 2, "--candidates: candidates must be between 1 and 1000, not 0"),
            (["--jobs", "0"], 2, "--jobs: jobs must be between 1 and 1024, not 0"),
            (["--min-face", "3"], 2, "--min-face: min_face must be between 4 and 100000, not 3"),
            (["-g", "absent.db"], 5, "there is no gallery at "),
            (["-g", "."], 5, ""),
        ],
    )
    def test_with_a_message_a_hint_and_an_exit_code(
        self,
        run,
        gallery: Path,
        macron: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        code: int,
        message: str,
    ) -> None:
        monkeypatch.setattr(device, "cuda_device_count", lambda: 0)

        done = run("identify", macron, *arguments)

        first, second = done.err.splitlines()
        assert done.code == code
        assert first.startswith("error: ")
        assert message in first
        assert second.startswith("  hint: ")
        assert done.out == ""

    def test_an_embedder_file_that_is_not_there(self, run, gallery: Path, macron: Path) -> None:
        done = run("identify", macron, "--embedder", "onnx:absent.onnx")

        assert (done.code, done.out) == (4, "")
        assert done.err.startswith("error: absent.onnx ")

    def test_no_gallery_yet_says_what_to_do(self, run, macron: Path, home: Path) -> None:
        done = run("identify", macron)

        assert (done.code, done.out) == (5, "")
        assert done.err == (
            f"error: there is no gallery at {home}/data/facecli/gallery.db\n"
            "  hint: Enrol somebody first: facecli enroll NAME PHOTO…\n"
        )

    def test_an_option_that_is_none(self, run, gallery: Path) -> None:
        done = run("identify", "--treshold", "0.4", "x.jpg")

        assert (done.code, done.out) == (2, "")
        assert "--treshold" in done.err


class TestGlobalOptions:
    def test_before_the_command_behind_it_and_both(self, run, gallery: Path, macron: Path) -> None:
        before = run("-f", "jsonl", "--embedder", "sface", "-q", "identify", macron)
        behind = run("identify", macron, "-f", "jsonl", "--embedder", "sface", "-q")
        both = run("-f", "csv", "identify", macron, "-f", "jsonl")

        assert named(before.records) == named(behind.records) == named(both.records) == [["Emmanuel Macron"]]

    def test_one_call_does_not_leak_into_the_next(self, run, gallery: Path, macron: Path) -> None:
        run("-f", "jsonl", "-q", "identify", macron)

        assert run("identify", macron).out.startswith("face  name")

    def test_verbose_says_what_was_chosen(self, run, gallery: Path, macron: Path) -> None:
        done = run("-v", "identify", macron, "--device", "cpu", "--detector", "yunet")

        promised, summary, chosen = done.err.splitlines()
        assert promised.startswith("threshold 0.")
        assert "among 3 people enrolled 1 % of the strangers searched for get a name" in promised
        assert summary.startswith("1 photo, 1 face (1 named, 0 unknown) in ")
        assert re.fullmatch(
            "detector yunet, engine openvino:cpu, device cpu, precision (bf16|f32), embedder sface@[0-9a-f]+", chosen
        )

    @pytest.mark.parametrize("command", ["identify", "scan", "embed", "detect"])
    def test_every_result_says_in_which_precision(self, run, gallery: Path, macron: Path, command: str) -> None:
        done = run(command, macron, "--device", "cpu", "-f", "jsonl")
        exact = run(command, macron, "--device", "cpu", "-f", "jsonl", "--precision", "f32")

        assert done.records[0]["model"]["precision"] in ("bf16", "f32")
        assert exact.records[0]["model"]["precision"] == "f32"


@pytest.mark.slow
def test_torch_and_mtcnn_name_the_same_people(run, gallery: Path, group: Path) -> None:
    done = run("identify", group, "--engine", "torch", "--detector", "mtcnn", "-f", "jsonl")

    (names,) = named(done.records)
    assert [name for name in names if name] == [name for name in GROUP if name]
    assert done.records[0]["model"]["engine"] == "torch:cpu"
