"""Which faces may be those of people who are to be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from facecli.errors import ModelMismatchError
from facecli.gallery.store import Gallery
from facecli.gallery.traces import Traces
from facecli.types import FloatArray, PhotoResult

FORGOTTEN_STRANGERS: Final = 0.01
"""Share of strangers' faces that pass for the person when what scans found is forgotten. A photo forgotten in vain is
analysed once more; one kept in vain is biometric data of somebody who was to be forgotten. So it is ten times the rate
of `verify`."""

DESTROYED_STRANGERS: Final = 0.001
"""The same, of faces that others said not to be theirs: nothing brings those back."""

LOOKALIKE_FPIR: Final = 1e-3
"""Share of purges that name somebody else as the same person in vain, as at enrolment."""

# Where nobody measured what near is: one photo embedded twice, on different devices.
_SAME_SCORE: Final = 0.999

ThresholdOf: TypeAlias = Callable[[str, float], float | None]
"""From a model and a rate to the score that this share of pairs of strangers reaches; None if it was not measured."""


class Lookalike(NamedTuple):
    """Somebody else who is enrolled, and stays."""

    name: str
    score: float


class Resemblance:
    """Compares faces with those of the people who are to be forgotten.

    Parameters
    ----------
    held : Traces
        What is known of them.
    threshold_of : callable
    """

    def __init__(self, held: Traces, threshold_of: ThresholdOf) -> None:
        self._held = held
        self._threshold_of = threshold_of
        # Of n templates a stranger reaches the best about n times as often as one of them.
        self._forgotten, self._destroyed = (
            {model_id: threshold_of(model_id, rate / len(faces)) for model_id, faces in held.faces.items()}
            for rate in (FORGOTTEN_STRANGERS, DESTROYED_STRANGERS)
        )
        self._uncompared: set[str] = set()

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Models of which nobody knows what near is: every face found by them may be theirs."""
        return tuple(sorted(model_id for model_id, threshold in self._forgotten.items() if threshold is None))

    @property
    def uncompared(self) -> tuple[str, ...]:
        """Models that were met in photos, and that nobody of them was enrolled with."""
        return tuple(sorted(self._uncompared))

    def shows(self, result: PhotoResult) -> bool:
        """Say whether a face of a photo may be theirs."""
        for face in result.faces:
            if face.embedding is None:
                continue
            score = self._score(face.embedding.vector, face.embedding.model_id)
            if score is None:
                self._uncompared.add(face.embedding.model_id)
            else:
                threshold = self._forgotten[face.embedding.model_id]
                if threshold is None or score >= threshold:
                    return True
        return False

    def negatives(self, gallery: Gallery) -> list[int]:
        """Return others' templates that say of such a face that it is not theirs."""
        return [
            template.template_id
            for model_id, threshold in self._destroyed.items()
            for template in gallery.templates(model_id=model_id, is_negative=True)
            if template.person_id not in self._held.person_ids
            and (self._score(template.embedding.vector, model_id) or -1) >= (threshold or _SAME_SCORE)
        ]

    def lookalikes(self, gallery: Gallery) -> tuple[Lookalike, ...]:
        """Return who may be the same person under another name, the most alike first; nobody whose consent expired."""
        found: dict[str, float] = {}
        for model_id, faces in self._held.faces.items():
            with suppress(ModelMismatchError):  # they are the only ones with this model, and removed
                matrix = gallery.matrix(model_id)
                if not len(matrix.template_ids):
                    continue
                others = ~np.isin(matrix.person_ids, self._held.person_ids)
                threshold = self._threshold_of(model_id, LOOKALIKE_FPIR / (len(faces) * max(len(others), 1)))
                scores = np.max([matrix.vectors @ face for face in faces], axis=0)
                for row in np.flatnonzero(others & (scores >= (threshold or _SAME_SCORE))).tolist():
                    name = matrix.names[int(matrix.person_ids[row])]
                    found[name] = max(found.get(name, -1.0), float(scores[row]))
        return tuple(Lookalike(*each) for each in sorted(found.items(), key=lambda each: -each[1]))

    def _score(self, vector: FloatArray, model_id: str) -> float | None:
        """Return how near the nearest of their faces is; None if there is none to compare with."""
        faces = self._held.faces.get(model_id)
        if faces is None or faces.shape[1:] != vector.shape:
            return None
        return float((faces @ vector).max())
