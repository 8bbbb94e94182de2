"""What another model changes for the people of a gallery: who is nearest to whom, and who would be taken for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.decide.threshold import is_match
from facecli.gallery.records import TemplateMatrix
from facecli.report.document import Cell, Document, Table
from facecli.services.reembedding import LeftOut

# Photos searched for, at most; every person has a first one among them if they are so few. In a gallery of a million
# templates this takes a minute.
MOST_PROBES: Final = 20_000

# Scores held at a time: 64 MB of float32.
_BLOCK_SCORES: Final = 2**24

NOBODY: Final = -2.0
"""Below every cosine: there is nobody else, or no other photo."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """A gallery as a model sees it.

    Attributes
    ----------
    matrix : TemplateMatrix
        Without means.
    threshold : float or None
        Least score for a name; None where the model's scores were not measured.
    """

    matrix: TemplateMatrix
    threshold: float | None


@dataclass(slots=True)
class Standing:
    """How a person stands in a gallery, by searching each of their photos among all the others.

    Attributes
    ----------
    photos : int
    nearest : str or None
        The nearest other person; None where there is nobody.
    score : float
        Best score with them.
    right, wrong, unknown : int
        Photos that are named right, as somebody else, or not at all.
    """

    photos: int = 0
    nearest: str | None = None
    score: float = NOBODY
    right: int = 0
    wrong: int = 0
    unknown: int = 0

    def add(self, own: float, other: float, name: str | None, threshold: float | None) -> None:
        """Count a photo: its best score with another one of the person's, and with somebody else's."""
        self.photos += 1
        if other > self.score:
            self.score, self.nearest = other, name
        if threshold is None:
            return
        if not is_match(max(own, other), threshold):
            self.unknown += 1
        elif own >= other:
            self.right += 1
        else:
            self.wrong += 1

    @property
    def decisions(self) -> tuple[int, int, int]:
        """Photos named right, wrong and not at all."""
        return self.right, self.wrong, self.unknown


def standings(view: ModelView) -> dict[str, Standing]:
    """Return how everybody stands, by name."""
    matrix = view.matrix
    probes = _probes(matrix.person_ids)
    own, other, nearest = _leave_one_out(matrix, probes)
    found: dict[str, Standing] = {}
    for row, own_score, other_score, person_id in zip(
        probes.tolist(), own.tolist(), other.tolist(), nearest.tolist(), strict=True
    ):
        standing = found.setdefault(matrix.names[int(matrix.person_ids[row])], Standing())
        standing.add(own_score, other_score, matrix.names.get(person_id), view.threshold)
    return found


def _probes(person_ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows to search for: all, or the first ones of people, then others, as many as are allowed."""
    if len(person_ids) <= MOST_PROBES:
        return np.arange(len(person_ids))
    _, first = np.unique(person_ids, return_index=True)
    first = first[np.linspace(0, len(first) - 1, min(len(first), MOST_PROBES)).astype(np.int64)]
    return np.sort(np.unique(first))


def _leave_one_out(
    matrix: TemplateMatrix, probes: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return each row's best score with another one of the person, with somebody else, and who that is (0: nobody)."""
    own, other = (np.full(len(probes), NOBODY, np.float32) for _ in range(2))
    nearest = np.zeros(len(probes), np.int64)
    owners = matrix.person_ids
    for start in range(0, len(probes), step := max(1, _BLOCK_SCORES // max(len(owners), 1))):
        rows = probes[start : start + step]
        scores = matrix.vectors[rows] @ matrix.vectors.T
        firsts, lasts = (np.searchsorted(owners, owners[rows], side) for side in ("left", "right"))
        for place, (row, first, last) in enumerate(zip(rows.tolist(), firsts.tolist(), lasts.tolist(), strict=True)):
            line = scores[place]
            line[row] = NOBODY  # itself
            own[start + place] = line[first:last].max()
            line[first:last] = NOBODY
            best = int(line.argmax())
            if line[best] > NOBODY:
                other[start + place], nearest[start + place] = line[best], owners[best]
    return own, other, nearest


def change_document(
    views: Sequence[ModelView], *, fpir: float, left_out: Iterable[LeftOut], facts: Mapping[str, Cell], everybody: bool
) -> Document:
    """Put together what a change of the model changes.

    Parameters
    ----------
    views : sequence of ModelView
        Before and after; only after, where nothing is left of before.
    fpir : float
        Which the thresholds keep to.
    left_out : iterable of LeftOut
        Faces that were not carried over.
    facts : mapping of str to Cell
        What was done.
    everybody : bool
        List all people, not only those for whom something changes.
    """
    found = [standings(view) for view in views]
    tables = [_summary(views, found, fpir)]
    if len(views) > 1:
        tables.append(_people(found, everybody=everybody))
    lost = tuple((each.name, each.source, each.template_id, each.reason) for each in left_out)
    if lost:
        columns = ("person", "photo", "template", "why")
        tables.append(Table("Not carried over", "Faces of which the new model has no template.", columns, lost))
    return Document(title="Change of the model", facts=dict(facts), tables=tuple(tables))


def _summary(views: Sequence[ModelView], found: Sequence[Mapping[str, Standing]], fpir: float) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for view, people in zip(views, found, strict=True):
        several = [each for each in people.values() if each.photos > 1]
        alone = [each for each in people.values() if each.photos == 1]
        known = view.threshold is not None
        rows.append(
            (
                *(view.matrix.model_id, len(people), len(view.matrix.template_ids), view.threshold),
                *(sum(each.decisions[at] for each in several) if known else None for at in range(3)),
                sum(each.wrong for each in alone) if known else None,
            )
        )
    return Table(
        "Models",
        "Each photo in the gallery searched among all the others, by each model.",
        ("model", "people", "templates", f"threshold for FPIR {fpir:g}", "right", "wrong", "unknown", "alone, wrong"),
        tuple(rows),
        "Right, wrong and unknown: photos of people who have several, named right, as somebody else, or not. Alone, "
        "wrong: photos of people who have one, named as somebody else: that is what a stranger's would be. A score is "
        "that of the nearest photo.",
    )


def _people(found: Sequence[Mapping[str, Standing]], *, everybody: bool) -> Table:
    before, after = found
    rows: list[tuple[Cell, ...]] = []
    unchanged = 0
    for name in sorted({*before, *after}, key=lambda each: (each.casefold(), each)):
        old, new = before.get(name), after.get(name)
        same = old is not None and new is not None and (old.nearest, old.decisions) == (new.nearest, new.decisions)
        if same and not everybody:
            unchanged += 1
        else:
            rows.append((name, *_cells(old), *_cells(new)))
    columns = [f"{what} {when}" for when in ("before", "after") for what in ("nearest", "score", "decisions")]
    return Table(
        "People",
        "Everybody." if everybody else "For whom somebody else is nearest, or other photos are named.",
        ("person", *columns),
        tuple(rows),
        "Nearest: the other person whose photo scores highest with one of the person's. Decisions: photos named right, "
        "as somebody else, and not at all." + (f" Left out, as nothing changes: {unchanged} people." * bool(unchanged)),
    )


def _cells(standing: Standing | None) -> tuple[Cell, ...]:
    if standing is None:
        return None, None, "no template"
    score = standing.score if standing.nearest is not None else None
    right, wrong, unknown = standing.decisions
    words = f"{right} right, {wrong} wrong, {unknown} unknown" if any(standing.decisions) else None
    return standing.nearest, score, words
