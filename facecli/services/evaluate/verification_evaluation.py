"""How well verification does on pairs of photos whose answers are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.errors import InputError, UsageError
from facecli.evaluation.accuracy import Accuracy, FoldAccuracy, assign_folds, best_accuracy, fold_accuracy
from facecli.evaluation.groups import GroupRates, group_rates, names_groups
from facecli.evaluation.verification import Rate, Trials, VerificationRates, measure, rates_at
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.evaluate.pair_list import PairList
from facecli.services.selection import the_face
from facecli.types import Face

FaceChoice: TypeAlias = Literal["largest", "central"]

NO_FACE: Final = "no_face"
DEALT_AGAINST_PEOPLE: Final = "dealt here, some people in several of them"

# Not the photo's fault: what the machine denies is no failure to enrol.
_MACHINE_PROBLEMS: Final = frozenset({"not_found", "permission_denied", "io_error", "not_a_file", "is_directory"})

# Groups are compared at the threshold for this FMR, as NIST FRTE's reports on demographics do with smaller ones; where
# there are too few non-mated pairs for it, at the next larger rate that can be measured.
GROUP_FMR: Final = 1e-3

_PAIRS_AT_ONCE: Final = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class EnrolledPhoto:
    """What one photo gave.

    Attributes
    ----------
    path : str
    face : Face or None
        The one that stands for the photo; None where it failed to enrol.
    failure, message : str
        Why it failed: a code and a sentence; empty where it did not.
    faces : int
        Found in the photo.
    content_hash : str
        SHA-256 (hex) of the file: copies of one file are no second photo.
    """

    path: str
    face: Face | None
    failure: str = ""
    message: str = ""
    faces: int = 0
    content_hash: str = ""


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A column of groups, measured at one threshold.

    `at` says in words what the threshold is.
    """

    name: str
    at: str
    threshold: float
    groups: tuple[GroupRates, ...]


@dataclass(frozen=True, slots=True, eq=False)
class VerificationEvaluation:
    """Everything that was measured.

    Attributes
    ----------
    pairs : PairList
    photos : tuple of EnrolledPhoto
        As `pairs.photos`.
    trials : Trials
    rates : VerificationRates
    threshold : float or None
        The one in use, and the FMR and FNMR there.
    fmr, fnmr : Rate or None
    best : Accuracy or None
    folds : FoldAccuracy or None
    folds_from : str
        Where the folds came from, in words.
    groups : tuple of GroupColumn
    left_out : tuple of str
        Columns that do not name groups.
    face : FaceChoice
    model : mapping of str to str
    """

    pairs: PairList
    photos: tuple[EnrolledPhoto, ...]
    trials: Trials
    rates: VerificationRates
    threshold: float | None
    fmr: Rate | None
    fnmr: Rate | None
    best: Accuracy | None
    folds: FoldAccuracy | None
    folds_from: str
    groups: tuple[GroupColumn, ...]
    left_out: tuple[str, ...]
    face: FaceChoice
    model: Mapping[str, str]

    @property
    def failed_photos(self) -> tuple[EnrolledPhoto, ...]:
        """Those that failed to enrol."""
        return tuple(photo for photo in self.photos if photo.face is None)

    def copied_pairs(self, *, mated: bool) -> int:
        """How many pairs of one kind are of two files with the same content."""
        hashes = [photo.content_hash for photo in self.photos]
        kinds = zip(self.pairs.pairs, self.pairs.mated, strict=True)
        return sum(kind is mated and a != b and hashes[a] == hashes[b] for (a, b), kind in kinds)


def evaluate_verification(
    pairs: PairList,
    analyser: Analyser,
    *,
    face: FaceChoice,
    threshold: float | None,
    folds: int | None = None,
    on_photo: Callable[[], None] = lambda: None,
) -> VerificationEvaluation:
    """Analyse every photo once, compare the pairs, and measure.

    Parameters
    ----------
    pairs : PairList
    analyser : Analyser
        With an embedder.
    face : {"largest", "central"}
        Which face stands for a photo of several.
    threshold : float or None
        The one in use, which the errors are measured at too.
    folds : int, optional
        How many folds to deal where the list has none.
    on_photo : callable
        Called after each photo.

    Raises
    ------
    InputError
        If a photo cannot be read for a reason that is not in the photo.
    UsageError
        If folds are asked for and the list has its own, or too few people.
    """
    if folds is not None and pairs.folds:
        raise UsageError(f"{pairs.path} has its own folds", hint="Leave --folds out, or the column 'fold'.")
    people = np.array(pairs.people, np.intp)
    first, second = np.array(pairs.pairs, np.intp).T
    unscored = Trials(np.zeros(len(first)), np.array(pairs.mated, np.bool_), people[first], people[second])
    fold_names, folds_from = _folds(pairs, unscored, folds)  # before the work of minutes
    photos = []
    for analysis in analyser.analyse(PhotoSource(path) for path in pairs.photos):
        photos.append(_enrolled(analysis, face))
        on_photo()
    trials = Trials(scores(photos, first, second), unscored.mated, unscored.person_a, unscored.person_b)
    rates = measure(trials)
    fmr, fnmr = (None, None) if threshold is None else rates_at(trials, threshold)
    columns = {name: values for name, values in pairs.groups.items() if names_groups(values)}
    return VerificationEvaluation(
        pairs,
        tuple(photos),
        trials,
        rates,
        threshold,
        fmr,
        fnmr,
        best_accuracy(rates.curve),
        fold_accuracy(trials, fold_names) if fold_names else None,
        folds_from,
        tuple(_group_columns(trials, columns, rates, threshold)),
        tuple(name for name in pairs.groups if name not in columns),
        face,
        analyser.model,
    )


def scores(photos: list[EnrolledPhoto], first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the cosine similarity of each pair of photos, -inf where one failed to enrol; shape as `first`."""
    embeddings = [None if photo.face is None else photo.face.embedding for photo in photos]
    size = next((embedding.vector.size for embedding in embeddings if embedding is not None), 1)
    vectors = np.zeros((len(photos), size), np.float32)
    enrolled = np.array([embedding is not None for embedding in embeddings], np.bool_)
    for at, embedding in enumerate(embeddings):
        if embedding is not None:
            vectors[at] = embedding.vector
    result = np.full(first.size, -np.inf)
    for start in range(0, first.size, _PAIRS_AT_ONCE):
        a, b = first[start : start + _PAIRS_AT_ONCE], second[start : start + _PAIRS_AT_ONCE]
        both = enrolled[a] & enrolled[b]
        result[start : start + a.size][both] = np.einsum("ij,ij->i", vectors[a[both]], vectors[b[both]])
    return result


def _enrolled(analysis: Analysis, choice: FaceChoice) -> EnrolledPhoto:
    path, error = analysis.source.path, analysis.error
    if error is not None and error.code in _MACHINE_PROBLEMS:
        raise InputError(error.message, hint=error.hint, code=error.code)
    if any(face.embedding is None for face in analysis.faces):
        raise ValueError("evaluating verification needs an analyser with an embedder")
    if error is not None:
        return EnrolledPhoto(path, None, error.code, error.message, content_hash=analysis.content_hash)
    if not analysis.faces:
        return EnrolledPhoto(path, None, NO_FACE, "no face was found", content_hash=analysis.content_hash)
    return EnrolledPhoto(
        path, the_face(analysis, choice), faces=len(analysis.faces), content_hash=analysis.content_hash
    )


def _folds(pairs: PairList, trials: Trials, count: int | None) -> tuple[tuple[str, ...], str]:
    if pairs.folds:
        return pairs.folds, "as the list has them"
    if count is None:
        return (), ""
    try:
        names, disjoint = assign_folds(trials, count)
    except ValueError as error:
        raise UsageError(f"{pairs.path} cannot be dealt into {count} folds: {error}") from error
    return names, "dealt here, no person in two of them" if disjoint else DEALT_AGAINST_PEOPLE


def _group_columns(
    trials: Trials, columns: Mapping[str, tuple[str, ...]], rates: VerificationRates, threshold: float | None
) -> list[GroupColumn]:
    """Measure each column at the threshold for `GROUP_FMR`, or near it, and at the one in use."""
    measured = [point for point in rates.points if point.threshold is not None and point.target_fmr >= GROUP_FMR]
    thresholds: dict[str, float] = {}
    if measured and measured[-1].threshold is not None:
        thresholds[f"FMR {measured[-1].target_fmr:g} over all"] = measured[-1].threshold
    if threshold is not None:
        thresholds["the threshold in use"] = threshold
    return [
        GroupColumn(name, at, value, group_rates(trials, values, value))
        for name, values in columns.items()
        for at, value in thresholds.items()
    ]
