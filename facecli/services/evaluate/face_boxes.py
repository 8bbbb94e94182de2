"""Labelled faces: which file shows which, from JSON, CSV or the lists that come with WIDER FACE."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from facecli.errors import InputError
from facecli.evaluation.detection import TrueFaces
from facecli.media.files import os_problem, printable_name

CSV_COLUMNS: Final = ("file", "left", "top", "width", "height")
_FORMS: Final = (
    'JSON: {"FILE": [{"box_xywh": [left, top, width, height], "invalid": 0}]}; CSV: columns '
    "file,left,top,width,height and perhaps invalid; or WIDER FACE's wider_face_*_bbx_gt.txt."
)

# WIDER FACE: x, y, w, h, blur, expression, illumination, invalid, occlusion, pose.
_WIDER_VALUES: Final = 10
_WIDER_INVALID: Final = 7

_ANSWERS: Final = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


@dataclass(frozen=True, slots=True)
class FaceBoxes:
    """The labelled faces of photos.

    Attributes
    ----------
    path : str
        The file they were read from.
    photos : mapping of str to TrueFaces
        By file, as the list names it; photos without faces included.
    warnings : tuple of str
    """

    path: str
    photos: Mapping[str, TrueFaces]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Box:
    xywh: tuple[float, float, float, float]
    invalid: bool


class _BadPlaceError(Exception):
    """What is wrong, and where in the file."""


def read_face_boxes(path: Path) -> FaceBoxes:
    """Read labelled faces; the form is told from the content.

    Boxes are pixels of the upright photo at full resolution. A box without area cannot be found and counts as invalid.

    Raises
    ------
    InputError
        Naming the file, the place in it and what is wrong.
    """
    name = printable_name(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text", hint=_FORMS) from error
    except (OSError, ValueError) as error:
        problem = os_problem(str(path), error)
        raise InputError(problem.message, hint=problem.hint, code=problem.code) from error
    read = (
        _read_json if text.lstrip()[:1] in ("{", "[") else _read_csv if "," in text.partition("\n")[0] else _read_wider
    )
    try:
        boxes = dict(read(text))
    except _BadPlaceError as error:
        raise InputError(f"{name}: {error}", hint=_FORMS, code="bad_boxes") from error
    if not boxes:
        raise InputError(f"{name} names no photos", hint=_FORMS, code="no_photos")
    flat = sum(not _has_area(box) and not box.invalid for own in boxes.values() for box in own)
    what = "1 box in {} has" if flat == 1 else f"{flat} boxes in {{}} have"
    warnings = (f"{what.format(name)} no width or no height: counted as invalid",) if flat else ()
    return FaceBoxes(str(path), {file: _true_faces(own) for file, own in boxes.items()}, warnings)


def _has_area(box: _Box) -> bool:
    return box.xywh[2] > 0 and box.xywh[3] > 0


def _true_faces(boxes: list[_Box]) -> TrueFaces:
    corners = np.array([box.xywh for box in boxes], np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    return TrueFaces(corners, np.array([box.invalid or not _has_area(box) for box in boxes], bool))


def _box(values: Any, invalid: bool, place: str) -> _Box:
    try:
        left, top, width, height = map(float, values)
    except (TypeError, ValueError) as error:
        raise _BadPlaceError(f"{place}: a box is four numbers, not {_shown(values)}") from error
    if not all(map(math.isfinite, (left, top, width, height))) or width < 0 or height < 0:
        raise _BadPlaceError(f"{place}: {_shown(values)} is no box of left, top, width and height")
    return _Box((left, top, width, height), invalid)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _answer(value: Any, place: str) -> bool:
    answer = _ANSWERS.get(str(value).strip().lower())
    if answer is None:
        raise _BadPlaceError(f"{place}: invalid is 0 or 1, not {_shown(value)}")
    return answer


def _read_json(text: str) -> Iterator[tuple[str, list[_Box]]]:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _BadPlaceError(f"it is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _BadPlaceError("it holds no object of files")
    for file, faces in content.items():
        if not isinstance(faces, list):
            raise _BadPlaceError(f"the faces of {_shown(file)} are no list")
        boxes = []
        for number, face in enumerate(faces, 1):
            place = f"face {number} of {_shown(file)}"
            if not isinstance(face, dict) or "box_xywh" not in face:
                raise _BadPlaceError(f"{place} has no box_xywh")
            boxes.append(_box(face["box_xywh"], _answer(face.get("invalid", 0), place), place))
        yield file, boxes


def _read_csv(text: str) -> Iterator[tuple[str, list[_Box]]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    boxes: dict[str, list[_Box]] = {}
    try:
        columns = [name.strip().lower() for name in rows.fieldnames or ()]
        rows.fieldnames = columns
        if lacking := [name for name in CSV_COLUMNS if name not in columns]:
            raise _BadPlaceError(f"line 1 has no column {lacking[0]}")
        for row in rows:
            place = f"line {rows.line_num}"
            if not row["file"] or None in row.values() or None in row:
                raise _BadPlaceError(f"{place} has not as many values as there are columns, or no file")
            own = boxes.setdefault(row["file"], [])
            values = [row[name] for name in CSV_COLUMNS[1:]]
            if any(value.strip() for value in values):  # none of them: a photo without faces
                own.append(_box(values, _answer(row.get("invalid", ""), place), place))
    except csv.Error as error:
        raise _BadPlaceError(f"after line {rows.line_num} it is no CSV: {error}") from error
    yield from boxes.items()


def _read_wider(text: str) -> Iterator[tuple[str, list[_Box]]]:
    """Read blocks of a file, a number of faces and so many lines; a number of 0 is followed by one line of zeros."""
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        file = line.strip()
        if not file:
            continue
        count_at, count = next(lines, (number, ""))
        if not count.strip().isdecimal():
            raise _BadPlaceError(f"line {count_at}: the number of faces of {_shown(file)} is missing")
        boxes = []
        for _ in range(max(int(count), 1)):
            at, values = next(lines, (count_at, ""))
            numbers = values.split()
            if len(numbers) != _WIDER_VALUES:
                raise _BadPlaceError(
                    f"line {at}: a face of {_shown(file)} has {len(numbers)} values, not {_WIDER_VALUES}"
                )
            place = f"line {at}"
            boxes.append(_box(numbers[:4], _answer(numbers[_WIDER_INVALID], place), place))
        yield file, boxes if int(count) else []
