"""Which templates are probably among the nearest, by four bits for every two numbers: an index for millions.

Product quantisation (Jégou et al., 2011, IEEE TPAMI 33(1)) with tables that fit a processor's registers (André et al.,
2015, VLDB 9(4)), as faiss has it. All codes are looked through, so it serves faces that have no near neighbours, which
graphs and cells lose: see tests/bench/RESULTS.md. What it finds is scored exactly afterwards.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GalleryError, MachineError
from facecli.gallery.candidate_rows import RowFinder, Rows
from facecli.gallery.codes import parts
from facecli.gallery.exact_index import ExactIndex
from facecli.gallery.row_source import RowSource
from facecli.types import FloatArray

RECALL_RANK: Final = 10
LEAST_RECALL: Final = 0.993
"""Share of the ten nearest people that must be found in the sample: three standard errors (of 2,560 people) above the
99 % that is promised."""

SAMPLE_PROBES: Final = 256

# How many rows are scored exactly, from which the least that reaches the recall is chosen.
DEPTHS: Final = (250, 500, 1000, 2000, 4000, 8000, 16000)

# Of the rows scored exactly there must be so many for each person asked for; else all templates are looked through.
DEPTH_PER_PERSON: Final = 16

# Rows from which the 16 points of each pair of numbers are learnt; faiss itself uses 256 for each point.
TRAINING_ROWS: Final = 2**15
ADD_ROWS: Final = 2**16

# Rows replaced since it was learnt, as a share; beyond it is made anew.
MOST_CHANGED: Final = 0.1

GONE: Final = 0
"""Instead of a key: the row is no longer in the gallery."""


@cache
def is_installed() -> bool:
    """Whether faiss is here (``facecli[index]``)."""
    return importlib.util.find_spec("faiss") is not None


@dataclass(frozen=True, slots=True)
class Recall:
    """What an index finds of what an exact search finds; probes are enrolled templates, without their own person.

    Attributes
    ----------
    nearest, ten : float
        Share of the nearest person, and of the ten nearest people.
    probes : int
    """

    nearest: float
    ten: float
    probes: int


@dataclass(frozen=True, slots=True, eq=False)
class ApproximateIndex:
    """Codes of templates, and which rows of the gallery they stand for.

    Attributes
    ----------
    codes : faiss.IndexPQFastScan
    keys : ndarray of shape (N,), int64
        Of each code; see `row_keys`. `GONE` where the row is no longer there.
    prints : ndarray of shape (N,), uint32
        Of the vectors; see `row_keys`.
    rows : ndarray of shape (N,), int64
        Row of each code in the gallery's present matrix, -1 where it is gone.
    depth : int
        How many rows are to be scored exactly.
    recall : Recall
        Measured when it was made.
    changed : int
        Rows added and gone since.
    """

    codes: Any
    keys: NDArray[np.int64]
    prints: NDArray[np.uint32]
    rows: Rows
    depth: int
    recall: Recall
    changed: int = 0


class ApproximateFinder:
    """Finds rows that are probably the nearest.

    Parameters
    ----------
    index : ApproximateIndex
    exact : RowFinder
        For questions that the index is not for: more people than its depth is measured for.
    """

    def __init__(self, index: ApproximateIndex, exact: RowFinder) -> None:
        self._index, self._exact = index, exact

    def find(self, probes: FloatArray, k: int, *, by_person: bool) -> list[Rows]:
        """Return for each probe rows in their order; see `RowFinder`, of whose promise it keeps a share."""
        if k * DEPTH_PER_PERSON > self._index.depth:
            return self._exact.find(probes, k, by_person=by_person)
        return [np.sort(rows) for rows in nearest_rows(self._index, probes, self._index.depth)]


def nearest_rows(index: ApproximateIndex, probes: FloatArray, depth: int) -> list[Rows]:
    """Return for each probe the rows that are nearest by their codes, the nearest first."""
    _, numbers = index.codes.search(_padded(probes), min(depth, len(index.rows)))
    rows = np.where(numbers >= 0, index.rows[numbers], -1)
    return [line[line >= 0] for line in rows]


def build(
    vectors: RowSource, template_ids: NDArray[np.int64], person_ids: NDArray[np.int64], finder: RowFinder
) -> ApproximateIndex:
    """Make an index and measure it.

    Parameters
    ----------
    vectors : RowSource of shape (T, D), float32
        Unit vectors.
    template_ids, person_ids : ndarray of shape (T,), int64
        Which and whose each row is, sorted by person.
    finder : RowFinder
        Of the same vectors, and exact: what the index is held against.

    Raises
    ------
    MachineError
        If faiss is not installed.
    GalleryError
        With code ``index_recall`` if too few of the nearest people are found whatever is done.
    """
    faiss = _faiss()
    count, dimension = vectors.shape
    width = dimension + -dimension % 4  # pairs of numbers, and an even number of them
    codes = faiss.IndexPQFastScan(width, width // 2, 4, faiss.METRIC_INNER_PRODUCT)
    codes.train(_padded(vectors.take(np.linspace(0, count - 1, min(count, TRAINING_ROWS)).astype(np.int64))))
    for start, stop in parts(count, ADD_ROWS):
        codes.add(_padded(vectors.slice(start, stop)))
    keys, prints = row_keys(vectors, template_ids, person_ids)
    index = ApproximateIndex(codes, keys, prints, np.arange(count), DEPTHS[-1], Recall(0.0, 0.0, 0))
    recalls = measure(index, vectors, person_ids, finder, DEPTHS)
    for depth, recall in zip(DEPTHS, recalls, strict=True):
        if recall.ten >= LEAST_RECALL:
            return replace(index, depth=depth, recall=recall)
    raise GalleryError(
        f"an approximate index finds only {recalls[-1].ten:.1%} of the ten nearest people in this gallery",
        hint="It was not kept; exact search goes on.",
        code="index_recall",
    )


def measure(
    index: ApproximateIndex,
    vectors: RowSource,
    person_ids: NDArray[np.int64],
    finder: RowFinder,
    depths: tuple[int, ...],
) -> list[Recall]:
    """Compare an index with exact search for a sample of the templates.

    Parameters
    ----------
    vectors, person_ids, finder
        As for `build`.
    depths : tuple of int
        Rows to be scored exactly, rising.

    Returns
    -------
    list of Recall
        For each depth.
    """
    count = len(person_ids)
    sample = np.unique(np.linspace(0, count - 1, min(count, SAMPLE_PROBES)).astype(np.int64))
    probes: FloatArray = vectors.take(sample)
    exact = ExactIndex(vectors, person_ids, finder=finder)  # its template_ids are rows
    codes = nearest_rows(index, probes, depths[-1])
    first, ten = [], []
    for row, people, found in zip(sample.tolist(), exact.top_people(probes, RECALL_RANK + 1), codes, strict=True):
        place = {each: rank for rank, each in enumerate(found.tolist())}
        others = [person.template_id for person in people if person.person_id != person_ids[row]][:RECALL_RANK]
        ranks = [place.get(each, count) for each in others]
        first += ranks[:1]
        ten += ranks
    return [Recall(_share(first, depth), _share(ten, depth), len(first)) for depth in depths]


def _share(ranks: list[int], depth: int) -> float:
    """Share that comes before `depth`; all where there is nobody to be found."""
    return float(np.mean(np.array(ranks) < depth)) if ranks else 1.0


def updated(
    index: ApproximateIndex, vectors: RowSource, keys: NDArray[np.int64], prints: NDArray[np.uint32]
) -> ApproximateIndex | None:
    """Follow a gallery that changed: codes of rows that are gone are passed over, those of new rows added.

    Parameters
    ----------
    vectors, keys, prints
        Of the gallery as it is now.

    Returns
    -------
    ApproximateIndex or None
        None where so much has changed that it is better made anew.
    """
    order = np.argsort(index.keys, kind="stable")
    place = np.minimum(np.searchsorted(index.keys[order], keys), len(order) - 1)
    number = order[place]
    kept = (index.keys[number] == keys) & (index.prints[number] == prints)
    rows = np.full(len(index.keys), -1)
    rows[number[kept]] = np.flatnonzero(kept)
    added = np.flatnonzero(~kept)
    changed = index.changed + len(added) + int(np.count_nonzero((rows < 0) & (index.keys != GONE)))
    if changed > MOST_CHANGED * len(keys):
        return None
    for start, stop in parts(len(added), ADD_ROWS):
        index.codes.add(_padded(vectors.take(added[start:stop])))
    return replace(
        index,
        keys=np.append(np.where(rows >= 0, index.keys, GONE), keys[added]),
        prints=np.append(index.prints, prints[added]),
        rows=np.append(rows, added),
        changed=changed,
    )


def row_keys(
    vectors: RowSource, template_ids: NDArray[np.int64], person_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return what tells rows of a gallery apart for ever.

    Returns
    -------
    keys : ndarray of shape (T,), int64
        The template_id; for a mean the person_id below 0. None is `GONE`.
    prints : ndarray of shape (T,), uint32
        A checksum of the vector, as a mean changes with its templates.
    """
    keys = np.where(template_ids > 0, template_ids, -person_ids)
    prints = np.empty(len(keys), np.uint32)
    weights = (2 * np.arange(vectors.shape[1], dtype=np.uint32) + 1) * np.uint32(2654435761)  # odd, so none loses a bit
    for start, stop in parts(len(keys), ADD_ROWS):
        bits = np.ascontiguousarray(vectors.slice(start, stop)).view(np.uint32)
        prints[start:stop] = (bits * weights).sum(axis=1, dtype=np.uint32)
    return keys, prints


def to_bytes(index: ApproximateIndex) -> NDArray[np.uint8]:
    """Return the codes as faiss writes them."""
    data: NDArray[np.uint8] = _faiss().serialize_index(index.codes)
    return data


def codes_from_bytes(data: NDArray[np.uint8]) -> Any:
    """Return codes that `to_bytes` gave; only for bytes whose checksum was verified."""
    return _faiss().deserialize_index(data)


def _padded(vectors: FloatArray) -> FloatArray:
    missing = -vectors.shape[1] % 4
    return np.pad(vectors, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(vectors)


def _faiss() -> Any:
    if not is_installed():
        raise MachineError("faiss is not installed", hint="Install it: pip install 'facecli[index]'")
    import faiss

    return faiss
