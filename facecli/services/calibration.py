"""The threshold for a rate: this gallery's own searches, the model's scores, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facecli.decide.calibration import Calibration, StrangerSearches, ThresholdChoice
from facecli.decide.identification import DecisionRule
from facecli.errors import ConfigError
from facecli.gallery.person_means import MEAN
from facecli.gallery.records import StoredThreshold, TemplateMatrix
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.gallery.stranger_searches import NOBODY, SearchSample, is_of, sample_searches
from facecli.scores import ScoreDistribution


@dataclass(frozen=True, slots=True)
class Suspect:
    """Two people of the gallery whose photos no two strangers' photos resemble: one person under two names, or twins.

    Attributes
    ----------
    name, other_name : str
    score : float
        Cosine similarity of their photos.
    """

    name: str
    other_name: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class GalleryCalibration:
    """What is known about one gallery's false positives with one model.

    Attributes
    ----------
    calibration : Calibration
    sample : SearchSample
        Its evidence in the gallery.
    suspects : tuple of Suspect
        Left out of the evidence, the surest first.
    """

    calibration: Calibration
    sample: SearchSample
    suspects: tuple[Suspect, ...]


def calibrate(gallery: Gallery, search: GallerySearch, model_id: str, scores: ScoreDistribution) -> GalleryCalibration:
    """Estimate a gallery's false positives, searching only what changed since the last time.

    What was searched is kept in the gallery if it can be written.

    Raises
    ------
    GalleryError
        If the gallery cannot serve.
    """
    matrix = search.matrix(model_id)
    kept = gallery.searches(model_id)
    if kept is None or kept.revision != matrix.revision or not is_of(kept, matrix):
        kept = sample_searches(matrix, kept)
        if len(matrix.template_ids):  # an empty gallery does not know the model yet
            gallery.keep_searches(kept)
    calibration = Calibration(
        scores,
        # A rate for nobody would ask for no threshold at all.
        template_count=max(len(_owners(matrix)), 1),
        person_count=len(matrix.names),
        searches=_searches(kept, matrix),
    )
    return GalleryCalibration(calibration, kept, _suspects(calibration, kept, matrix))


def _owners(matrix: TemplateMatrix) -> NDArray[np.int64]:
    """Whose each comparison is that can go wrong by itself, sorted.

    A person's mean and templates are alike: strangers reach the best of k templates and their mean about k times as
    often as one template (in lfw_view1 2.0 to 2.3 times with 2, 3.2 with 4, 4.3 with 6). So means do not count.
    """
    owners: NDArray[np.int64] = matrix.person_ids[matrix.template_ids != MEAN]
    return owners


def _searches(sample: SearchSample, matrix: TemplateMatrix) -> StrangerSearches:
    found, owners = sample.scores > NOBODY, _owners(matrix)
    starts, stops = (np.searchsorted(owners, sample.person_ids, side) for side in ("left", "right"))
    return StrangerSearches(sample.scores[found], (len(owners) - (stops - starts))[found])


def _suspects(calibration: Calibration, sample: SearchSample, matrix: TemplateMatrix) -> tuple[Suspect, ...]:
    found = np.flatnonzero(sample.scores > NOBODY)[calibration.suspects]
    suspects: dict[frozenset[int], Suspect] = {}
    for row in found.tolist():
        person, other = int(sample.person_ids[row]), int(sample.nearest_person_ids[row])
        suspects.setdefault(
            frozenset((person, other)),
            Suspect(matrix.names[person], matrix.names[other], float(sample.scores[row])),
        )
    return tuple(suspects.values())


class Decisions:
    """Gives the rule by which names are given, and keeps to the gallery when it changes.

    Parameters
    ----------
    gallery : Gallery
    search : GallerySearch
        Over the same gallery.
    model_id : str
        Of the embedder.
    scores : ScoreDistribution or None
        The embedder's; None where nobody measured them.
    fpir : float
        Share of strangers' searches that may give a name.
    threshold : float, optional
        The user's own, which makes no promise.

    Raises
    ------
    ConfigError
        If there are neither scores nor a threshold.
    """

    def __init__(
        self,
        gallery: Gallery,
        search: GallerySearch,
        *,
        model_id: str,
        scores: ScoreDistribution | None,
        fpir: float,
        threshold: float | None = None,
    ) -> None:
        if scores is None and threshold is None:
            raise unmeasured_error(model_id)
        self._gallery = gallery
        self._search = search
        self._model_id = model_id
        self._scores = scores
        self._fpir = fpir
        self._threshold = threshold
        self._current: tuple[tuple[int, int], DecisionRule] | None = None

    def rule(self) -> DecisionRule:
        """Return the rule for the gallery as it is now.

        Raises
        ------
        GalleryError
            If the gallery cannot serve.
        """
        matrix = self._search.matrix(self._model_id)
        state = matrix.revision, len(matrix.names)  # of one revision people can only leave, as their consent ends
        if self._current is None or self._current[0] != state:
            self._current = state, self._made()
        return self._current[1]

    def _made(self) -> DecisionRule:
        if self._scores is None:
            return DecisionRule(self._given)
        calibration = calibrate(self._gallery, self._search, self._model_id, self._scores).calibration
        if self._threshold is not None:
            return DecisionRule(self._threshold, None, calibration)
        choice = calibration.choose(self._fpir)
        return DecisionRule(choice.threshold, choice, calibration)

    @property
    def _given(self) -> float:
        if self._threshold is None:
            raise unmeasured_error(self._model_id)
        return self._threshold


def unmeasured_error(model_id: str) -> ConfigError:
    """Return what to raise where a rate is asked of a model whose scores nobody measured."""
    name = model_id.partition("@")[0]
    return ConfigError(
        f"no rate can be promised for {name}: its scores have not been measured", hint="Give one with --threshold."
    )


def stored_threshold(found: GalleryCalibration, choice: ThresholdChoice) -> StoredThreshold:
    """Return a threshold as the gallery keeps it."""
    return StoredThreshold(
        found.sample.model_id, found.sample.revision, choice.fpir, choice.threshold, choice.low, choice.high
    )
