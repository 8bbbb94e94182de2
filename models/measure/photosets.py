"""The two sets of photos that everything is measured on, and what is known to be wrong with them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Photos that show somebody else than their folder says, seen by comparing the photos of the ten lowest mated and the
# ten highest non-mated pairs of either set (fusion's scores). They count for nothing but LFW's own pairs. A pair that
# is only hard stays, and so does one that eyes could not decide.
LABEL_FAULTS = {
    "legislators": {
        "R000575/cs_src_2017-02-15_65a1861f.jpg": "shows the man of R000572, not the one of R000575's other photo",
        "J000288/cs_src_2017-04-24_312282df.jpg": "shows another man than J000288's two other photos",
    },
    "lfw_view1": {
        "Cristina_Fernandez/Cristina_Fernandez_0001.jpg": "0001 and 0002 show two women",
        "Elisabeth_Schumacher/Elisabeth_Schumacher_0001.jpg": "0001 and 0002 show two women",
    },
}


@dataclass(frozen=True)
class PhotoSet:
    """Photos of known people.

    Attributes
    ----------
    name : str
        Of the set.
    folder : Path
    photos : tuple of str
        Paths below `folder`; the folder of each says who it shows.
    listed_pairs : tuple of (bool, str, str)
        Mated or not, and two photos, as a list that comes with the set says.
    mated_as_listed : bool
        Only mated pairs that are listed are of two photographs; the other ones may be copies of one.
    groups : dict of str to (dict of str to str)
        By what people are grouped, such as "gender": the group of each person known.
    """

    name: str
    folder: Path
    photos: tuple[str, ...]
    listed_pairs: tuple[tuple[bool, str, str], ...]
    mated_as_listed: bool = False
    groups: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The place of each photo in `photos`."""
        return {photo: row for row, photo in enumerate(self.photos)}

    @cached_property
    def names(self) -> list[str]:
        """Whom each photo shows."""
        return [Path(photo).parts[0] for photo in self.photos]

    @cached_property
    def people(self) -> Indices:
        """Whom each photo shows, as numbers from 0; shape (photos,)."""
        return np.unique(self.names, return_inverse=True)[1].astype(np.intp)

    @cached_property
    def person_count(self) -> int:
        """How many people there are."""
        return int(self.people.max()) + 1

    @cached_property
    def counted(self) -> Mask:
        """Photos without a fault in their label; shape (photos,)."""
        faults = LABEL_FAULTS.get(self.name, {})
        return np.array([photo not in faults for photo in self.photos])

    @cached_property
    def mated(self) -> tuple[Indices, Indices]:
        """Pairs of different photographs of one person; two arrays of shape (pairs,)."""
        if self.mated_as_listed:
            pairs = [(self.rows[a], self.rows[b]) for same, a, b in self.listed_pairs if same]
            first, second = np.array(pairs, np.intp).reshape(-1, 2).T
            kept = self.counted[first] & self.counted[second]
            return first[kept], second[kept]
        first, second = self._all_pairs
        same = self.people[first] == self.people[second]
        return first[same], second[same]

    @cached_property
    def non_mated(self) -> tuple[Indices, Indices]:
        """Pairs of photos of different people; two arrays of shape (pairs,)."""
        first, second = self._all_pairs
        other = self.people[first] != self.people[second]
        return first[other], second[other]

    @cached_property
    def _all_pairs(self) -> tuple[Indices, Indices]:
        rows = np.flatnonzero(self.counted)
        first, second = np.triu_indices(len(rows), 1)
        return rows[first], rows[second]

    @cached_property
    def is_mated(self) -> Mask:
        """Whether two photos are a mated pair; shape (photos, photos)."""
        matrix = np.zeros((len(self.photos), len(self.photos)), np.bool_)
        first, second = self.mated
        matrix[first, second] = matrix[second, first] = True
        return matrix


def read_sets(data: Path) -> tuple[PhotoSet, PhotoSet]:
    """Find both sets in a folder.

    Raises
    ------
    FileNotFoundError
        If one is not there.
    """
    legislators = data / "legislators"
    people = json.loads((legislators / "people.json").read_text("utf-8"))
    groups = {
        key: {name: facts[key] for name, facts in people.items() if facts.get(key)} for key in ("gender", "ethnicity")
    }
    return (
        PhotoSet(
            name="legislators",
            folder=legislators / "images",
            photos=_photos(legislators / "images"),
            listed_pairs=_pairs(legislators / "pairs.csv"),
            mated_as_listed=True,
            groups=groups,
        ),
        PhotoSet(
            name="lfw_view1",
            folder=data / "lfw_view1",
            photos=_photos(data / "lfw_view1"),
            listed_pairs=_pairs(data / "lfw_view1_pairs.csv"),
        ),
    )


def _photos(folder: Path) -> tuple[str, ...]:
    found = tuple(path.relative_to(folder).as_posix() for path in sorted(folder.glob("*/*.jpg")))
    if not found:
        raise FileNotFoundError(f"no photos in {folder}")
    return found


def _pairs(path: Path) -> tuple[tuple[bool, str, str], ...]:
    with path.open(newline="", encoding="utf-8") as file:
        return tuple((row["mated"] == "1", row["file_a"], row["file_b"]) for row in csv.DictReader(file))


def other_of(photos: PhotoSet, sets: Iterable[PhotoSet]) -> PhotoSet:
    """Return the set that is not this one."""
    return next(each for each in sets if each.name != photos.name)
