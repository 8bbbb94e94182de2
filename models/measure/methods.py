"""From vectors to the score of every photo with every other one, by the method that ships and by others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from photosets import PhotoSet, other_of
from vectors import EMBEDDERS, Faces, Run

Array: TypeAlias = NDArray[np.float64]

FAILED = -np.inf
"""The score of a photo without a face: no threshold accepts it, so a failure is counted wherever it occurs."""

CENTRE_SHARE = 0.75
"""How much of the mean face is taken away, chosen from 0, 0.5, 0.75, 0.9 and 1 by looking at both sets."""

CENTRED = ("sface", "mobilefacenet")
"""dlib-resnet is not: its searches get worse (see the table of what was tried)."""


@dataclass(frozen=True)
class Measured:
    """What all methods start from: both sets, and their vectors."""

    sets: tuple[PhotoSet, PhotoSet]
    faces: Mapping[tuple[Run, str], Faces]

    def vectors(self, run: Run, photos: PhotoSet) -> Array:
        """Vectors of a set, float64; shape (photos, D)."""
        return self.faces[run, photos.name].vectors.astype(np.float64)

    def found(self, run: Run, photos: PhotoSet) -> NDArray[np.bool_]:
        """Photos of a set with a face; shape (photos,)."""
        return self.faces[run, photos.name].found

    def mean(self, run: Run, photos: PhotoSet) -> Array:
        """Mean unit vector of a set; shape (D,)."""
        return np.asarray(self.vectors(run, photos)[self.found(run, photos) & photos.counted].mean(0))

    def other(self, photos: PhotoSet) -> PhotoSet:
        """Return the set that is not this one."""
        return other_of(photos, self.sets)


Method: TypeAlias = Callable[[Measured, PhotoSet], Array]
"""Gives the scores of a set, shape (photos, photos). Whatever it learns, it learns from the other set."""


def unit(vectors: Array) -> Array:
    """Scale rows to unit length; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def _scores(vectors: Array, found: NDArray[np.bool_]) -> Array:
    scores = vectors @ vectors.T
    scores[~found] = FAILED
    scores[:, ~found] = FAILED
    return np.asarray(scores)


def centred(run: Run, share: float) -> Method:
    """Cosine after this share of the other set's mean is subtracted."""

    def method(data: Measured, photos: PhotoSet) -> Array:
        return _scores(centred_vectors(data, photos, run, share), data.found(run, photos))

    return method


def centred_vectors(data: Measured, photos: PhotoSet, run: Run, share: float) -> Array:
    """Subtract a share of the other set's mean, and scale to unit length."""
    return unit(data.vectors(run, photos) - share * data.mean(run, data.other(photos)))


def fused(parts: Mapping[str, float]) -> Method:
    """Mean of the centred parts' cosines, weighted."""

    def method(data: Measured, photos: PhotoSet) -> Array:
        total = sum(parts.values())
        scores = [weight / total * centred(Run(name), CENTRE_SHARE)(data, photos) for name, weight in parts.items()]
        return np.asarray(sum(scores))

    return method


def normalised(run: Run) -> Method:
    """T-norm of both photos: their scores in standard deviations of those with everybody in the other set."""

    def method(data: Measured, photos: PhotoSet) -> Array:
        other = data.other(photos)
        vectors = centred_vectors(data, photos, run, CENTRE_SHARE)
        cohort = unit(data.vectors(run, other) - CENTRE_SHARE * data.mean(run, other))[data.found(run, other)]
        with_cohort = vectors @ cohort.T
        mean, spread = with_cohort.mean(1), with_cohort.std(1)
        scores = _scores(vectors, data.found(run, photos))
        return np.asarray(((scores - mean) / spread + (scores - mean[:, None]) / spread[:, None]) / 2)

    return method


def whitened(run: Run, ridge: float) -> Method:
    """Cosine after what differs between photos of one person, learned on the other set, is scaled down.

    `ridge` times the mean variance is added to every direction. Hatch, Kajarekar and Stolcke (2006), Interspeech.
    """

    def method(data: Measured, photos: PhotoSet) -> Array:
        other = data.other(photos)
        first, second = other.mated
        learned = unit(data.vectors(run, other) - CENTRE_SHARE * data.mean(run, other))
        difference = learned[first] - learned[second]
        within = difference.T @ difference / (2 * len(difference))
        within += ridge * np.trace(within) / len(within) * np.eye(len(within))
        values, directions = np.linalg.eigh(within)
        whitening = directions / np.sqrt(values) @ directions.T
        vectors = centred_vectors(data, photos, run, CENTRE_SHARE)
        return _scores(unit(vectors @ whitening), data.found(run, photos))

    return method


def shipped(parts: Mapping[str, float]) -> dict[str, Method]:
    """Return the embedders as they ship, by name, but for their centre, which is the other set's; see `Method`."""
    single = {name: centred(Run(name), CENTRE_SHARE if name in CENTRED else 0.0) for name in EMBEDDERS}
    return {**single, "fusion": fused(parts)}
