"""What a stranger's search in this gallery gives: enrolled people, each searched among everybody else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GeometryError
from facecli.gallery.person_means import MEAN
from facecli.gallery.records import TemplateMatrix
from facecli.types import FloatArray

SAMPLE_SIZE: Final = 4096
"""People searched for, at most: forty of them reach a threshold for 1 %, and a search of 100,000 templates for all of
them takes seconds."""

# Of a larger gallery fewer, but not fewer than tell a rate of 1 %: the comparisons that the sample is kept to.
MAX_COMPARISONS: Final = 10**9
LEAST_SIZE: Final = 2048

# Scores held at a time: 64 MB of float32.
BLOCK_SCORES: Final = 2**24

# Below every cosine: what a person alone in a gallery finds.
NOBODY: Final = -2.0

_IDS = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SearchSample:
    """Searches of enrolled people among everybody else's templates.

    Attributes
    ----------
    model_id : str
    revision : int
        Of the gallery, at which they were made.
    last_template_id : int
        Templates up to this one were searched.
    fingerprint : int
        Of which templates these were, and whose.
    person_ids, template_ids : ndarray of shape (n,), int64
        Who was searched for, sorted, and with which template.
    nearest_person_ids : ndarray of shape (n,), int64
        Who was found, 0 where there was nobody else.
    scores : ndarray of shape (n,), float64
        The score.
    """

    model_id: str
    revision: int
    last_template_id: int
    fingerprint: int
    person_ids: _IDS
    template_ids: _IDS
    nearest_person_ids: _IDS
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {self.person_ids.shape, self.template_ids.shape, self.nearest_person_ids.shape, self.scores.shape}
        if len(shapes) != 1 or self.scores.ndim != 1:
            raise GeometryError(f"searches of shapes {sorted(shapes)} do not belong together")


def sample_searches(
    matrix: TemplateMatrix, known: SearchSample | None = None, *, size: int | None = None
) -> SearchSample:
    """Search for a sample of the people among all others, reusing what is known of an earlier state.

    Where templates were only added since, those searched for are compared with the people who have new ones, and only
    who was nearest to one of these is searched for anew. Whatever else has changed, the whole sample is searched again;
    it is never all templates against all.

    Parameters
    ----------
    matrix : TemplateMatrix
    known : SearchSample, optional
        Made of the same gallery and model, earlier.
    size : int, optional
        People in the sample, at most; the same ones whatever else is enrolled. By default what the gallery's size
        allows.
    """
    if size is None:
        size = min(max(MAX_COMPARISONS // max(len(matrix.template_ids), 1), LEAST_SIZE), SAMPLE_SIZE)
    template_ids, person_ids = matrix.template_ids, matrix.person_ids
    people, first_rows = np.unique(person_ids, return_index=True)
    chosen = np.sort(np.argsort(_shuffled(people), kind="stable")[:size])
    rows = first_rows[chosen]
    nearest = np.zeros(len(rows), np.int64)
    scores = np.full(len(rows), NOBODY)
    changed_rows = np.arange(len(template_ids))
    is_known = np.zeros(len(rows), np.bool_)
    if known is not None and known.fingerprint == _fingerprint(matrix, known.last_template_id):
        changed = np.unique(person_ids[template_ids > known.last_template_id])
        changed_rows = np.flatnonzero(np.isin(person_ids, changed))
        order = np.argsort(known.template_ids)
        # The mean of a person with new templates is another one now; whoever was nearest to the old one starts anew.
        order = order[~np.isin(known.nearest_person_ids[order], changed)]
        is_known = np.isin(template_ids[rows], known.template_ids[order])
        place = order[np.searchsorted(known.template_ids[order], template_ids[rows[is_known]])]
        nearest[is_known], scores[is_known] = known.nearest_person_ids[place], known.scores[place]
    for probes, among in ((is_known, changed_rows), (~is_known, np.arange(len(template_ids)))):
        if probes.any() and len(among):
            found, best = _nearest_others(matrix, rows[probes], among)
            better = best > scores[probes]
            scores[probes] = np.where(better, best, scores[probes])
            nearest[probes] = np.where(better, person_ids[found], nearest[probes])
    last = int(template_ids.max(initial=0))
    return SearchSample(
        model_id=matrix.model_id,
        revision=matrix.revision,
        last_template_id=last,
        fingerprint=_fingerprint(matrix, last),
        person_ids=people[chosen],
        template_ids=template_ids[rows],
        nearest_person_ids=nearest,
        scores=scores,
    )


def is_of(sample: SearchSample, matrix: TemplateMatrix) -> bool:
    """Say whether all who were searched for or found are there; of one revision only those can be missed who expired.

    The searches of all others are what they were.
    """
    people = np.union1d(sample.person_ids, sample.nearest_person_ids[sample.scores > NOBODY])
    places = np.searchsorted(matrix.person_ids, people)
    if not len(people) or places[-1] == len(matrix.person_ids):
        return not len(people)
    return bool((matrix.person_ids[places] == people).all())


def _nearest_others(matrix: TemplateMatrix, rows: _IDS, among: _IDS) -> tuple[_IDS, NDArray[np.float64]]:
    """For the templates in `rows` the nearest of the templates in `among` that are another person's."""
    found, best = np.zeros(len(rows), np.int64), np.full(len(rows), NOBODY)
    others = matrix.vectors[among]
    owners = matrix.person_ids[among]
    for part in _parts(len(rows), max(1, BLOCK_SCORES // len(among))):
        probes: FloatArray = matrix.vectors[rows[part]]
        scores = probes @ others.T
        own = matrix.person_ids[rows[part]]
        starts, stops = np.searchsorted(owners, own, "left"), np.searchsorted(owners, own, "right")
        for line, start, stop in zip(scores, starts.tolist(), stops.tolist(), strict=True):
            line[start:stop] = NOBODY
        nearest = scores.argmax(1)
        best[part] = scores[np.arange(len(nearest)), nearest]
        found[part] = among[nearest]
    return found, best


def _parts(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)


def _fingerprint(matrix: TemplateMatrix, last_template_id: int) -> int:
    """Checksum of which templates there are up to one, and whose."""
    old = (matrix.template_ids <= last_template_id) & (matrix.template_ids != MEAN)
    return crc32(matrix.person_ids[old].tobytes(), crc32(matrix.template_ids[old].tobytes()))


def _shuffled(ids: _IDS) -> NDArray[np.uint64]:
    """Numbers without any order, always the same for an id: the mixing steps of SplitMix64 (Steele et al., 2014)."""
    mixed = ids.astype(np.uint64)
    with np.errstate(over="ignore"):
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))
