"""People with one photo, or with copies of one, and what a second photo is worth in this gallery."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.gallery.records import TemplateMatrix
from facecli.services.gallery_check.crowd import Crowd
from facecli.services.gallery_check.findings import LEAST_MEASURED, Commands, Finding
from facecli.services.gallery_check.left_out import person_mean
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.within import groups, notable_people

# People with three photos or more, at most, that a second photo's worth is measured on.
MOST_PEOPLE: Final = 2000

# Names in one finding; the others are counted.
MOST_NAMED: Final = 20


def few_photos(
    matrix: TemplateMatrix, crowd: Crowd, limits: Limits, threshold: float, commands: Commands
) -> list[Finding]:
    """Find who has too few photos to be known again well: a finding for those of one photo, and one for copies."""
    people, sizes = np.unique(crowd.owners, return_counts=True)
    change = _second_photo_words(*second_photo(crowd, threshold))
    found = []
    single = people[sizes == 1].tolist()
    if single:
        what = f"{_count(len(single))} one photo: another light, pose or year is likely to be missed"
        found.append(_finding("one_photo", what, single, matrix, change, commands))
    _, copied = notable_people(crowd.vectors, crowd.owners, limits.agreement, limits.copy)
    alike = [
        int(crowd.owners[rows[0]])
        for rows in copied
        if len(groups(crowd.vectors[rows] @ crowd.vectors[rows].T >= limits.copy)) == 1
    ]
    if alike:
        what = f"{_count(len(alike))} copies of one photo only: they help as one photo does"
        found.append(_finding("too_alike", what, alike, matrix, change, commands))
    return found


def second_photo(crowd: Crowd, threshold: float) -> tuple[int, int, int]:
    """Measure what a second photo is worth, with the people who have three or more.

    Returns
    -------
    tuple of int
        Photos searched for, and how many are missed when the person is enrolled with one other, and with two.
    """
    people, sizes = np.unique(crowd.owners, return_counts=True)
    own: list[tuple[float, float]] = []
    other: list[NDArray[np.float64]] = []
    for person_id in people[sizes > 2][:MOST_PEOPLE].tolist():
        rows = crowd.rows_of(person_id)
        vectors = crowd.vectors[rows]
        for at in range(len(rows)):
            # The next two in the order of enrolment: no photo is chosen for what it scores.
            pair = vectors[[(at + 1) % len(rows), (at + 2) % len(rows)]]
            scores = np.concatenate([pair, person_mean(pair)[None]]) @ vectors[at]
            own.append((float(scores[0]), float(scores.max())))
        other.append(crowd.links.best[rows])
    if not own:
        return 0, 0, 0
    one, two = np.array(own).T
    nearest = np.concatenate(other)
    missed = [int(((scores < threshold) | (scores < nearest)).sum()) for scores in (one, two)]
    return len(own), missed[0], missed[1]


def _second_photo_words(count: int, one: int, two: int) -> str:
    if count < LEAST_MEASURED:
        return f"too few photos to measure ({count} of people with three or more)"
    return (
        f"of {count:,} photos of people with three or more {one:,} are missed with one other enrolled, {two:,} with two"
    )


def _count(people: int) -> str:
    return "1 person has" if people == 1 else f"{people:,} people have"


def _finding(
    kind: str, what: str, person_ids: list[int], matrix: TemplateMatrix, change: str, commands: Commands
) -> Finding:
    names = sorted(matrix.names[each] for each in person_ids)
    fix = commands.enroll(*names) if len(names) == 1 else commands.enroll()
    return Finding(kind, "advice", what, tuple(names[:MOST_NAMED]), change=change, fix=fix)
