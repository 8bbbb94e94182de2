"""What the scores of a gallery say about whose photos these are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.decide.outliers import compare_photos
from facecli.scores import ScoreDistribution
from facecli.services.gallery_check.crowd import Crowd
from facecli.services.gallery_check.left_out import NO_SCORE
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.within import closure, groups, notable_people

Rows = NDArray[np.int64]

VerdictKind: TypeAlias = Literal[
    "two_names", "mislabelled", "look_alikes", "unlike", "two_people", "doubtful", "copies"
]

# Templates of one person that are compared with another's: 1 MB of scores. Those that are alike are always among them.
MOST_COMPARED: Final = 512


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is noticed about some templates.

    Attributes
    ----------
    kind : str
        two_names (`rows` are all of a person's, who is `other`), mislabelled (`rows` show `other`), look_alikes (the
        nearest templates of two people), unlike (a photo that the person's others are unlike), two_people (several of
        these that agree with each other), doubtful (photos that do not agree, none of them more than another), copies
        (of one photo).
    person_id : int
        Whose templates these are.
    rows : tuple of int
        Of the templates.
    score : float
        The best with what they are like, or unlike.
    other_id : int or None
        Whom they show.
    other_rows : tuple of int
        Templates of `other_id`, or the person's own, that they are like or unlike.
    median : float or None
        Of all scores between the two people.
    """

    kind: VerdictKind
    person_id: int
    rows: tuple[int, ...]
    score: float
    other_id: int | None = None
    other_rows: tuple[int, ...] = ()
    median: float | None = None


def verdicts(crowd: Crowd, limits: Limits, threshold: float, distribution: ScoreDistribution) -> list[Verdict]:
    """Judge a gallery, the surest of each kind first.

    Parameters
    ----------
    threshold : float
        Least score for a name: people who look alike are told from there on.
    """
    between = [_between(crowd, limits, *pair) for pair in _strong_pairs(crowd, limits.same_person)]
    named = {row for each in between if each.kind == "mislabelled" for row in each.rows}
    apart, copied = notable_people(crowd.vectors, crowd.owners, limits.agreement, limits.copy)
    found = [
        *_merged_once(between, crowd),
        *(each for each in between if each.kind != "two_names"),
        *_look_alikes(crowd, threshold, limits.same_person, between),
        *(each for rows in apart for each in _inside(crowd, rows, named, limits, distribution)),
        *(each for rows in copied for each in _copies(crowd, rows, limits)),
    ]
    return sorted(found, key=lambda each: -each.score)


def _strong_pairs(crowd: Crowd, least: float) -> Iterable[tuple[int, int]]:
    links = crowd.links
    strong = links.scores >= least
    one, other = crowd.owners[links.probes[strong]], links.people[strong]
    pairs = np.unique(np.sort(np.column_stack([one, other]), axis=1), axis=0)
    return ((int(a), int(b)) for a, b in pairs)


def _between(crowd: Crowd, limits: Limits, one: int, other: int) -> Verdict:
    """Judge two people, of whom at least two templates pass for one person's."""
    sides = [_Side(crowd, limits, *pair) for pair in ((one, other), (other, one))]
    cross = crowd.vectors[sides[0].rows] @ crowd.vectors[sides[1].rows].T
    median = float(np.median(cross[np.ix_(sides[0].alike, sides[1].alike)]))
    score = max(side.score for side in sides)
    # The side of which less is alike is the one that moves; of two equal ones the smaller.
    sides.sort(key=lambda side: (side.alike.mean(), len(side.rows), side.person_id))
    moving, staying = sides
    if moving.alike.all() and median >= limits.agreement:
        # The one with fewer templates moves.
        moving, staying = sorted(sides, key=lambda side: (len(side.rows), -side.person_id))
        return Verdict("two_names", moving.person_id, _all(moving), score, staying.person_id, _all(staying), median)
    for side, against in ((moving, staying), (staying, moving)):
        # All that is alike, where the rest is not; else what is nearer to the other person than to its own.
        rows = side.alike if not side.alike.all() else side.nearer
        if rows.any():
            found = tuple(side.rows[rows].tolist())
            near = tuple(against.rows[against.strong].tolist())
            return Verdict("mislabelled", side.person_id, found, score, against.person_id, near, median)
    return Verdict("look_alikes", one, tuple(sides[0].rows[sides[0].strong].tolist()), score, other, (), median)


def _all(side: _Side) -> tuple[int, ...]:
    return tuple(side.rows.tolist())


class _Side:
    """One of two people who have templates alike."""

    def __init__(self, crowd: Crowd, limits: Limits, person_id: int, other_id: int) -> None:
        links = crowd.links
        self.person_id = person_id
        every = crowd.rows_of(person_id)
        start, stop = np.searchsorted(links.probes, [every[0], every[-1] + 1])
        towards = links.people[start:stop] == other_id
        scores = np.full(len(every), -1.0)
        scores[links.probes[start:stop][towards] - every[0]] = links.scores[start:stop][towards]
        chosen = np.sort(np.argsort(-scores, kind="stable")[:MOST_COMPARED])
        self.rows, scores = every[chosen], scores[chosen]
        self.score = float(scores.max())
        self.strong = scores >= limits.same_person
        if not self.strong.any():  # it is their mean that is near
            self.strong[scores.argmax()] = True
        vectors = crowd.vectors[self.rows]
        self.alike = closure(vectors @ vectors.T >= limits.agreement, self.strong.copy())
        own = crowd.own[self.rows]
        self.nearer = self.strong & (own > NO_SCORE) & (scores > own)


def _merged_once(between: list[Verdict], crowd: Crowd) -> list[Verdict]:
    """Of people who are one, and of whom several pairs were found, make each one move once, and to the same one."""
    pairs = [each for each in between if each.kind == "two_names" and each.other_id is not None]
    into: dict[int, int] = {}

    def root(person_id: int) -> int:
        while (next_id := into.get(person_id, person_id)) != person_id:
            person_id = next_id
        return person_id

    best: dict[int, Verdict] = {}
    for each in sorted(pairs, key=lambda each: -each.score):
        one, other = root(each.person_id), root(each.other_id or 0)
        for person_id in (each.person_id, each.other_id or 0):
            best.setdefault(person_id, each)
        if one != other:
            few, many = sorted((one, other), key=lambda each: (len(crowd.rows_of(each)), -each))
            into[few] = many
    merged = []
    for person_id in into:
        target, about = root(person_id), best[person_id]
        rows, others = (tuple(crowd.rows_of(each).tolist()) for each in (person_id, target))
        merged.append(Verdict("two_names", person_id, rows, about.score, target, others, about.median))
    return merged


def _look_alikes(crowd: Crowd, least: float, below: float, known: Iterable[Verdict]) -> list[Verdict]:
    """Find the nearest templates of people who can be taken for each other, but for those who are `known`."""
    links = crowd.links
    near = np.flatnonzero((links.scores >= least) & (links.scores < below))
    judged = {frozenset((each.person_id, each.other_id)) for each in known}
    found: dict[frozenset[int], Verdict] = {}
    for at in near[np.argsort(-links.scores[near], kind="stable")].tolist():
        probe, other = int(links.probes[at]), int(links.people[at])
        person = int(crowd.owners[probe])
        rows = (int(links.near[at]),) if links.near[at] >= 0 else ()
        verdict = Verdict("look_alikes", person, (probe,), float(links.scores[at]), other, rows)
        if frozenset((person, other)) not in judged:
            found.setdefault(frozenset((person, other)), verdict)
    return list(found.values())


def _inside(
    crowd: Crowd, rows: Rows, named: set[int], limits: Limits, distribution: ScoreDistribution
) -> list[Verdict]:
    """Judge the photos of one person by each other, but for those that show somebody else who is known."""
    rows = np.array([row for row in rows.tolist() if row not in named], np.int64)
    if len(rows) < 2:
        return []
    person_id = int(crowd.owners[rows[0]])
    vectors = crowd.vectors[rows]
    agreement = compare_photos(vectors, 0, distribution)
    misfits = np.array([each.row for each in agreement.misfits], np.intp)
    if not len(misfits):
        return []
    best = {each.row: each.best_score for each in agreement.misfits}
    if not agreement.reference:
        score = max(best.values())
        return [Verdict("doubtful", person_id, tuple(rows[misfits].tolist()), score)]
    reference = tuple(rows[list(agreement.reference)].tolist())
    found = []
    for group in groups(vectors[misfits] @ vectors[misfits].T >= limits.agreement):
        members = misfits[group]
        kind: VerdictKind = "two_people" if len(members) > 1 else "unlike"
        score = max(best[row] for row in members.tolist())
        found.append(Verdict(kind, person_id, tuple(rows[members].tolist()), score, None, reference))
    return found


def _copies(crowd: Crowd, rows: Rows, limits: Limits) -> list[Verdict]:
    vectors = crowd.vectors[rows]
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -1)
    found = []
    for group in groups(scores >= limits.copy):
        if len(group) > 1:
            best = float(scores[np.ix_(group, group)].max())
            found.append(Verdict("copies", int(crowd.owners[rows[0]]), tuple(rows[group].tolist()), best))
    return found
