from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.errors import InputError
from facecli.services.evaluate.face_boxes import FaceBoxes, read_face_boxes


def read(folder: Path, text: str) -> FaceBoxes:
    path = folder / "boxes"
    path.write_text(text, encoding="utf-8")
    return read_face_boxes(path)


def plain(boxes: FaceBoxes) -> dict[str, list[tuple[list[float], bool]]]:
    return {
        file: list(zip(faces.boxes_xyxy.tolist(), faces.ignored.tolist(), strict=True))
        for file, faces in boxes.photos.items()
    }


SAME = {
    "a/one.jpg": [([10, 20, 40, 60], False), ([1.5, 2, 4.5, 6], True)],
    "none.jpg": [],
}
JSON = json.dumps(
    {
        "a/one.jpg": [
            {"box_xywh": [10, 20, 30, 40], "invalid": 0, "blur": 2},
            {"box_xywh": [1.5, 2, 3, 4], "invalid": 1},
        ],
        "none.jpg": [],
    }
)
CSV = "file,left,top,width,height,invalid\na/one.jpg,10,20,30,40,\na/one.jpg,1.5,2,3,4,1\nnone.jpg,,,,,\n"
WIDER = "a/one.jpg\n2\n10 20 30 40 0 0 0 0 0 0 \n1.5 2 3 4 0 0 0 1 0 0 \nnone.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"


@pytest.mark.parametrize("text", [JSON, CSV, WIDER, "\ufeff" + CSV, CSV.replace("\n", "\r\n")])
def test_the_three_forms(tmp_path: Path, text: str) -> None:
    assert plain(read(tmp_path, text)) == SAME


def test_invalid_may_be_left_out(tmp_path: Path) -> None:
    in_json = read(tmp_path, '{"a.jpg": [{"box_xywh": [0, 0, 5, 5]}]}')
    in_csv = read(tmp_path, "height,file,width,top,left\n5,a.jpg,5,0,0\n")

    assert plain(in_json) == plain(in_csv) == {"a.jpg": [([0, 0, 5, 5], False)]}


def test_a_box_without_area_counts_as_invalid(tmp_path: Path) -> None:
    boxes = read(tmp_path, '{"a.jpg": [{"box_xywh": [3, 4, 0, 5]}, {"box_xywh": [3, 4, 5, 0], "invalid": true}]}')

    assert boxes.photos["a.jpg"].ignored.tolist() == [True, True]
    assert boxes.warnings == (f"1 box in {tmp_path}/boxes has no width or no height: counted as invalid",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no photos"),
        ("{}", "names no photos"),
        ("file,left,top,width,height\n", "names no photos"),
        ('{"a.jpg": [', "it is no JSON: Expecting value: line 1 column 12 (char 11)"),
        ("[]", "it holds no object of files"),
        ('{"a.jpg": 3}', "the faces of 'a.jpg' are no list"),
        ('{"a.jpg": [{"box": 1}]}', "face 1 of 'a.jpg' has no box_xywh"),
        ('{"a.jpg": [{"box_xywh": [1, 2, 3]}]}', "face 1 of 'a.jpg': a box is four numbers, not [1, 2, 3]"),
        ('{"a.jpg": [{"box_xywh": [1, 2, 3, null]}]}', "face 1 of 'a.jpg': a box is four numbers"),
        ('{"a.jpg": [{"box_xywh": [1, 2, NaN, 3]}]}', "face 1 of 'a.jpg': [1, 2, nan, 3] is no box"),
        ('{"a.jpg": [{"box_xywh": [1, 2, -3, 3]}]}', "face 1 of 'a.jpg': [1, 2, -3, 3] is no box"),
        ('{"a.jpg": [{"box_xywh": [1, 2, 3, 3], "invalid": 7}]}', "face 1 of 'a.jpg': invalid is 0 or 1, not 7"),
        ("file,x,y,w,h\na.jpg,1,2,3,4\n", "line 1 has no column left"),
        ("file,left,top,width,height\na.jpg,1,2,3\n", "line 2 has not as many values as there are columns"),
        ("file,left,top,width,height\na.jpg,1,2,3,4,5\n", "line 2 has not as many values as there are columns"),
        ("file,left,top,width,height\n,1,2,3,4\n", "or no file"),
        ("file,left,top,width,height\na.jpg,1,2,3,4\na.jpg,1,2,3,x\n", "line 3: a box is four numbers"),
        ('file,left,top,width,height\n"a.jpg"x,1,2,3,4\n', "after line 1 it is no CSV"),
        ("a.jpg\nb.jpg\n", "line 2: the number of faces of 'a.jpg' is missing"),
        ("a.jpg\n2\n1 2 3 4 0 0 0 0 0 0\n", "a face of 'a.jpg' has 0 values, not 10"),
        ("a.jpg\n1\n1 2 3 4\n", "line 3: a face of 'a.jpg' has 4 values, not 10"),
        ("a.jpg\n1\n1 2 3 4 0 0 0 5 0 0\n", "line 3: invalid is 0 or 1, not '5'"),
        ("a.jpg", "line 1: the number of faces of 'a.jpg' is missing"),
    ],
)
def test_an_error_names_the_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path / 'boxes'))}:? .*{re.escape(problem)}") as caught:
        read(tmp_path, text)
    assert "box_xywh" in caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"caf\xe9,left\n")

    with pytest.raises(InputError, match="latin1 is not UTF-8 text"):
        read_face_boxes(tmp_path / "latin1")
    with pytest.raises(InputError, match="absent does not exist"):
        read_face_boxes(tmp_path / "absent")
    with pytest.raises(InputError, match="Is a directory"):
        read_face_boxes(tmp_path)


side = st.integers(1, 999)
labelled = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1).filter(
        lambda name: not name.startswith(("{", "[")) and "," not in name
    ),
    st.lists(st.tuples(st.tuples(side, side, side, side), st.booleans()), max_size=4),
    min_size=1,
    max_size=4,
)


@given(labelled)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, photos: dict[str, list]) -> None:
    folder = tmp_path_factory.mktemp("boxes")
    as_json = json.dumps(
        {file: [{"box_xywh": box, "invalid": flag} for box, flag in own] for file, own in photos.items()}
    )
    lines = []
    for file, own in photos.items():
        lines += [file, str(len(own))]
        lines += [f"{' '.join(map(str, box))} 0 0 0 {int(flag)} 0 0" for box, flag in own] or [" ".join("0" * 10)]

    for text in (as_json, "\n".join(lines)):
        boxes = read(folder, text)
        assert list(boxes.photos) == list(photos)
        for own, faces in zip(photos.values(), boxes.photos.values(), strict=True):
            xywh = np.array([box for box, _ in own], np.float32).reshape(-1, 4)
            assert np.array_equal(faces.boxes_xyxy, np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]]))
            assert faces.ignored.tolist() == [flag for _, flag in own]


@given(st.binary(max_size=60))
def test_anything_else_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("boxes") / "boxes"
    path.write_bytes(content)

    try:
        read = read_face_boxes(path)
    except InputError as error:
        said = error.message
    else:
        said = read.path if read.photos else ""
    assert str(path) in said
