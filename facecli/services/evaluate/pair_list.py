"""Pairs of photos whose answers are known, and who is in the photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from facecli.errors import InputError
from facecli.media.files import printable_name
from facecli.services.evaluate.pair_rows import FOLD, PairRow, read_rows, wrong

FROM_COLUMNS: Final = "the list"
FROM_FOLDERS: Final = "the photos' folders"
FROM_PAIRS: Final = "the mated pairs"


@dataclass(frozen=True, slots=True)
class PairList:
    """Pairs of photos.

    Attributes
    ----------
    path : str
        The file they were read from.
    photos : tuple of str
        Every photo once, in the order in which they appear.
    people : tuple of int
        Who is in each photo, as numbers from zero.
    people_from : str
        What `people` was taken from, in words.
    mated : tuple of bool
    pairs : tuple of (int, int)
        Indices into `photos`.
    folds : tuple of str
        The fold of each pair; empty where the list has none.
    groups : mapping of str to tuple of str
        The further columns, with the value of each pair.
    warnings : tuple of str
    """

    path: str
    photos: tuple[str, ...]
    people: tuple[int, ...]
    people_from: str
    mated: tuple[bool, ...]
    pairs: tuple[tuple[int, int], ...]
    folds: tuple[str, ...] = ()
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_pairs(path: Path, root: Path) -> PairList:
    """Read a list of pairs, and check that their photos exist.

    Parameters
    ----------
    path : Path
        CSV with the columns mated, file_a and file_b; or LFW's own format. Of further columns, person_a and person_b
        say who is in the photos, fold gives the folds, and all others name groups.
    root : Path
        Folder that the files are relative to.

    Raises
    ------
    InputError
        Naming the file, the line and what is wrong with it.
    """
    rows, columns = read_rows(path, root)
    name = printable_name(str(path))
    photos = tuple(dict.fromkeys(file for row in rows for file in row.files))
    index = {photo: at for at, photo in enumerate(photos)}
    pairs = tuple((index[row.files[0]], index[row.files[1]]) for row in rows)
    mated = tuple(row.mated for row in rows)
    people, people_from, warnings = _people(name, rows, photos, pairs)
    values = {column: tuple(row.values[at] for row in rows) for at, column in enumerate(columns)}
    folds = values.pop(FOLD, ())
    if folds and len(set(folds)) < 2:
        raise InputError(f"{name} has one fold only", hint="Leave the column 'fold' out, or name several folds in it.")
    warnings += _odd_pairs(pairs)
    return PairList(str(path), photos, people, people_from, mated, pairs, folds, values, tuple(warnings))


def _people(
    name: str, rows: Sequence[PairRow], photos: Sequence[str], pairs: Sequence[tuple[int, int]]
) -> tuple[tuple[int, ...], str, list[str]]:
    """Find out who is in each photo: named by the list, or one folder a person, or whom mated pairs tie together."""
    if rows[0].people is not None:
        return _numbered(_named_people(name, rows, photos)), FROM_COLUMNS, []
    folders = [str(Path(photo).parent) for photo in photos]
    if all((folders[a] == folders[b]) == row.mated for row, (a, b) in zip(rows, pairs, strict=True)):
        return _numbered(folders), FROM_FOLDERS, []
    tied = _tied(len(photos), [pair for row, pair in zip(rows, pairs, strict=True) if row.mated])
    for row, (a, b) in zip(rows, pairs, strict=True):
        if not row.mated and tied[a] == tied[b]:
            raise wrong(
                name,
                row.line,
                "mated is 0, but other lines make both photos the same person",
                "Mend the list: mated pairs that share a photo are all of one person.",
            )
    warning = (
        "the photos do not lie in one folder for each person: people are told apart by the mated pairs alone, and"
        " intervals may be too narrow; name people in columns person_a and person_b"
    )
    return _numbered(tied), FROM_PAIRS, [warning]


def _named_people(name: str, rows: Sequence[PairRow], photos: Sequence[str]) -> list[str]:
    named: dict[str, str] = {}
    for row in rows:
        for photo, person in zip(row.files, row.people or ("", ""), strict=True):
            if named.setdefault(photo, person) != person:
                raise wrong(
                    name,
                    row.line,
                    f"{printable_name(photo)} is of '{person}' here, and of '{named[photo]}' before",
                    "A photo is of one person.",
                )
    return [named[photo] for photo in photos]


def _numbered(people: Sequence[str] | Sequence[int]) -> tuple[int, ...]:
    numbers: dict[str | int, int] = {}
    return tuple(numbers.setdefault(person, len(numbers)) for person in people)


def _tied(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of `count` photos one that stands for all that the pairs tie together."""
    leader = list(range(count))

    def find(photo: int) -> int:
        while leader[photo] != photo:
            leader[photo] = leader[leader[photo]]
            photo = leader[photo]
        return photo

    for a, b in pairs:
        leader[find(a)] = find(b)
    return [find(photo) for photo in range(count)]


def _odd_pairs(pairs: Sequence[tuple[int, int]]) -> list[str]:
    """Say what makes a list easier or surer than it looks."""
    warnings = []
    itself = sum(a == b for a, b in pairs)
    if itself:
        warnings.append(f"{_count(itself, 'pair compares', 'pairs compare')} a photo with itself")
    repeated = len(pairs) - len({(min(pair), max(pair)) for pair in pairs})
    if repeated:
        warnings.append(f"{_count(repeated, 'pair repeats another', 'pairs repeat others')}: each counts again")
    return warnings


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
