from __future__ import annotations

import io
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_results import make_face

from facecli.report.formats import open_writer
from facecli.report.json_lines import json_text
from facecli.types import Candidate, Identification, PhotoResult

# What the system's decoding of a file name can give: any text, and bytes that are no UTF-8 as surrogates.
file_names = st.binary(max_size=30).map(lambda name: name.decode("utf-8", "surrogateescape")) | st.text(max_size=30)


def test_jsonl_is_one_object_a_line(no_face: PhotoResult, failed: PhotoResult) -> None:
    stream = io.StringIO()
    with open_writer("jsonl", stream) as writer:
        writer.write(no_face)
        writer.write(failed)
    assert stream.getvalue() == (
        r'{"schema":1,"path":"photos/new\nline\u001b[31m.jpg","status":"no_face","error":null,"width":10,"height":20,'
        '"faces":[],"warnings":[],"model":{},"elapsed_ms":1.0}\n'
        r'{"schema":1,"path":"photos/bad\udcff.jpg","status":"error","error":{"code":"unreadable_image",'
        '"message":"photos/bad.jpg is no picture","hint":"Copy it again."},"width":0,"height":0,"faces":[],'
        '"warnings":["it is empty"],"model":{},"elapsed_ms":0.0}\n'
    )


def test_json_is_one_array_of_the_same_objects(results: tuple[PhotoResult, ...]) -> None:
    array, lines = io.StringIO(), io.StringIO()
    with open_writer("json", array) as array_writer, open_writer("jsonl", lines) as line_writer:
        for result in results:
            array_writer.write(result)
            line_writer.write(result)
    assert json.loads(array.getvalue()) == [json.loads(line) for line in lines.getvalue().splitlines()]
    assert len(json.loads(array.getvalue())) == 4


def test_json_without_photos_is_an_empty_array() -> None:
    stream = io.StringIO()
    with open_writer("json", stream):
        pass
    assert stream.getvalue() == "[]\n"


def test_json_stays_whole_when_the_run_is_interrupted(named: PhotoResult) -> None:
    stream = io.StringIO()

    def run() -> None:
        with open_writer("json", stream) as writer:
            writer.write(named)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [record["path"] for record in json.loads(stream.getvalue())] == ["photos/team.jpg"]


def test_jsonl_reaches_the_reader_photo_by_photo(no_face: PhotoResult) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw)
    with open_writer("jsonl", stream) as writer:
        writer.write(no_face)
        assert raw.getvalue().count(b"\n") == 1


@given(file_names, st.text(max_size=20))
def test_any_path_and_name_round_trip(path: str, name: str) -> None:
    candidate = Candidate(1, 1, name, 1, 0.5)
    stream = io.TextIOWrapper(raw := io.BytesIO(), encoding="ascii")
    with open_writer("jsonl", stream) as writer:
        writer.write(_result(path, candidate))
    text = raw.getvalue().decode("utf-8")  # strict: always valid
    assert text.splitlines() == [text.removesuffix("\n")]
    record = json.loads(text)
    assert record["path"] == path
    assert record["faces"][0]["name"] == name
    assert record["faces"][0]["candidates"][0]["name"] == name


def test_undecodable_path_gives_its_bytes_back() -> None:
    name = b"caf\xe9/\xff\xfe.jpg"
    text = json_text({"path": os.fsdecode(name)})
    assert text == r'{"path":"caf\udce9/\udcff\udcfe.jpg"}'
    assert os.fsencode(json.loads(text)["path"]) == name


def test_json_text_refuses_numbers_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text([math.inf])


def _result(path: str, candidate: Candidate) -> PhotoResult:
    face = make_face(identification=Identification((candidate,), 0.3, candidate))
    return PhotoResult(path, "ok", faces=(face,))
