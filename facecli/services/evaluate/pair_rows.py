"""The lines of a list of pairs: CSV, or the ``pairs.txt`` of LFW."""

from __future__ import annotations

import csv
import io
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from facecli.errors import InputError
from facecli.media.files import os_problem, printable_name

REQUIRED: Final = ("mated", "file_a", "file_b")
PEOPLE: Final = ("person_a", "person_b")
FOLD: Final = "fold"

CSV_HINT: Final = "Its first line is mated,file_a,file_b (more columns name groups), and mated is 1 or 0."
LFW_HINT: Final = "A list of LFW starts with '10 300' (folds, pairs of each kind) or '500', and goes on as that says."

_ANSWERS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_LFW_HEADER: Final = re.compile(r"\s*[0-9]{1,9}(\s+[0-9]{1,9})?\s*")
_LFW_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_LFW_ENDINGS: Final = (".jpg", ".jpeg", ".png")


class PairRow(NamedTuple):
    """One pair as its line says it.

    `files` are joined with the root; `people` is None where the line does not name them; `values` are those of the
    list's further columns.
    """

    line: int
    mated: bool
    files: tuple[str, str]
    people: tuple[str, str] | None
    values: tuple[str, ...]


def read_rows(path: Path, root: Path) -> tuple[list[PairRow], tuple[str, ...]]:
    """Read a list of pairs.

    Returns
    -------
    rows : list of PairRow
        At least one.
    columns : tuple of str
        What their `values` are called.

    Raises
    ------
    InputError
        Naming the file, the line and what is wrong with it.
    """
    name = printable_name(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8 text", hint="Save the list as UTF-8.") from error
    except (OSError, ValueError) as error:
        raise os_problem(str(path), error) from error
    lines = text.splitlines()
    is_lfw = bool(lines and _LFW_HEADER.fullmatch(lines[0]))
    photos = _Photos(name, root)
    rows, columns = _lfw_rows(name, lines, photos) if is_lfw else _csv_rows(name, text, photos)
    if not rows:
        raise InputError(f"{name} holds no pairs", hint=LFW_HINT if is_lfw else CSV_HINT)
    return rows, columns


def wrong(name: str, line: int, what: str, hint: str = CSV_HINT) -> InputError:
    """Make the error for a line."""
    return InputError(f"{name}, line {line}: {what}", hint=hint, code="bad_pairs")


def _csv_rows(name: str, text: str, photos: _Photos) -> tuple[list[PairRow], tuple[str, ...]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[PairRow] = []
    further: tuple[str, ...] = ()
    try:
        for record in reader:
            if not any(field.strip() for field in record):
                continue
            if not header:
                header = [_column(field.strip()) for field in record]
                _check_header(name, reader.line_num, header)
                further = tuple(column for column in header if column not in (*REQUIRED, *PEOPLE))
                continue
            if len(record) != len(header):
                raise wrong(
                    name, reader.line_num, f"{len(record)} values where the first line names {len(header)} columns"
                )
            values = dict(zip(header, (field.strip() for field in record), strict=True))
            rows.append(_csv_row(name, reader.line_num, values, further, photos))
    except csv.Error as error:
        raise wrong(name, reader.line_num, str(error)) from error
    return rows, further


def _column(title: str) -> str:
    """Return what a column is called: those with a meaning in small letters."""
    return title.lower() if title.lower() in (*REQUIRED, *PEOPLE, FOLD) else title


def _check_header(name: str, line: int, header: list[str]) -> None:
    for column in REQUIRED:
        if column not in header:
            raise wrong(name, line, f"there is no column '{column}'")
    for column in header:
        if not column:
            raise wrong(name, line, "a column has no name")
        if header.count(column) > 1:
            raise wrong(name, line, f"there are two columns '{column}'")
    if (PEOPLE[0] in header) != (PEOPLE[1] in header):
        raise wrong(name, line, "person_a and person_b go together, but only one of them is there")


def _csv_row(name: str, line: int, values: dict[str, str], further: tuple[str, ...], photos: _Photos) -> PairRow:
    answer = _ANSWERS.get(values["mated"].lower())
    if answer is None:
        raise wrong(name, line, f"mated is '{values['mated']}', not 1 or 0")
    for column in (*REQUIRED, *PEOPLE, FOLD):
        if values.get(column) == "":
            raise wrong(name, line, f"{column} is empty")
    first, second = (photos.named(line, values[column]) for column in ("file_a", "file_b"))
    people = (values[PEOPLE[0]], values[PEOPLE[1]]) if PEOPLE[0] in values else None
    if people is not None and (people[0] == people[1]) != answer:
        what = "mated is 1, but person_a and person_b differ" if answer else "mated is 0, but both are one person"
        raise wrong(name, line, what)
    return PairRow(line, answer, (first, second), people, tuple(values[column] for column in further))


def _lfw_rows(name: str, lines: list[str], photos: _Photos) -> tuple[list[PairRow], tuple[str, ...]]:
    """Read LFW's format: in each fold first the mated pairs (name n1 n2), then as many others (name n1 name n2)."""
    numbers = [int(number) for number in lines[0].split()]
    folds, size = (1, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    rows: list[PairRow] = []
    for line, text in enumerate(lines[1:], start=2):
        if not text.strip():
            continue
        fold, at = divmod(len(rows), 2 * size) if size else (folds, 0)
        if fold >= folds:
            raise wrong(name, line, f"line 1 announces {2 * size * folds} pairs, and here is one more", LFW_HINT)
        fields = [field.strip() for field in (text.split("\t") if "\t" in text else text.split())]
        wanted = 3 if at < size else 4
        if len(fields) != wanted:
            form = "NAME N1 N2 (mated)" if wanted == 3 else "NAME_A N1 NAME_B N2 (non-mated)"
            raise wrong(name, line, f"{len(fields)} values where {form} is due", LFW_HINT)
        first, number, second, other = fields if wanted == 4 else (fields[0], fields[1], fields[0], fields[2])
        for text_number in (number, other):
            if not _LFW_NUMBER.fullmatch(text_number):
                raise wrong(name, line, f"'{text_number}' is no number of a photo", LFW_HINT)
        if wanted == 4 and first == second:
            raise wrong(name, line, f"a non-mated pair is of {first} twice", LFW_HINT)
        files = (photos.of(line, first, number), photos.of(line, second, other))
        rows.append(PairRow(line, wanted == 3, files, (first, second), (str(fold + 1),)))
    if len(rows) != 2 * size * folds:
        raise wrong(
            name, len(lines), f"the list ends after {len(rows)} of {2 * size * folds} announced pairs", LFW_HINT
        )
    if folds == 1:
        return [row._replace(values=()) for row in rows], ()
    return rows, (FOLD,)


class _Photos:
    """The photos of a list: that each exists is asked once."""

    def __init__(self, name: str, root: Path) -> None:
        self._name = name
        self._root = root
        self._found: dict[str, str] = {}

    def named(self, line: int, file: str) -> str:
        """Return the path of a photo, the same however it was named.

        Raises
        ------
        InputError
            If it does not exist, or is no file.
        """
        if file not in self._found:
            self._found[file] = self._existing(line, self._root / file)
        return self._found[file]

    def of(self, line: int, person: str, number: str) -> str:
        """Return the path of a person's photo in a copy of LFW, ``PERSON/PERSON_0001.jpg``."""
        stem = f"{person}/{person}_{int(number):04d}"
        endings = (ending for ending in _LFW_ENDINGS if _is_file(self._root / (stem + ending)))
        return self.named(line, stem + next(endings, _LFW_ENDINGS[0]))

    def _existing(self, line: int, path: Path) -> str:
        try:
            path.stat()
        except (OSError, ValueError) as error:
            problem = os_problem(str(path), error)
            hint = "Its files are relative to --root." if problem.code == "not_found" else problem.hint
            raise wrong(self._name, line, problem.message, hint) from error
        if not path.is_file():
            raise wrong(self._name, line, f"{printable_name(str(path))} is no file", "Name a photo.")
        # A link before "..", which only the system can follow, may lead elsewhere than the words say.
        return os.path.realpath(path) if ".." in path.parts else str(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # such as a folder that may not be entered: asking for the photo will say so
        return False
