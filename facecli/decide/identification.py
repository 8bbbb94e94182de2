"""The open-set answer for a face, and what two answers of one photo say about each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facecli.decide.calibration import Calibration, ThresholdChoice
from facecli.decide.threshold import is_match
from facecli.errors import ConfigError
from facecli.types import Candidate, Identification


@dataclass(frozen=True, slots=True)
class NameConflict:
    """One person named on several faces of one photo.

    Attributes
    ----------
    person_id : int
    name : str
    faces : tuple of int
        Which faces, as indices into what was asked about.
    warning : str
        One sentence, the same for each of these faces.
    """

    person_id: int
    name: str
    faces: tuple[int, ...]
    warning: str


@dataclass(frozen=True, slots=True, eq=False)
class DecisionRule:
    """When a name is given.

    Attributes
    ----------
    threshold : float
        Least cosine similarity; above 1 nobody is ever named.
    choice : ThresholdChoice, optional
        The promise behind the threshold; None where the user gave it.
    calibration : Calibration, optional
        What is known about this gallery's false positives; None where the model's scores were not measured.

    Raises
    ------
    ConfigError
        If the threshold is NaN.
    """

    threshold: float
    choice: ThresholdChoice | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if math.isnan(self.threshold):
            raise ConfigError("the threshold is not a number", hint="Give a cosine similarity between -1 and 1.")


def identify(candidates: Iterable[Candidate], rule: DecisionRule) -> Identification:
    """Name the nearest candidate that is not barred if it reaches the threshold, and nobody otherwise.

    A threshold promises in how many searches for strangers *anybody* reaches it. Those barred only shorten the list of
    who can: whoever is named in place of one of them reached the threshold before, so a search that gives a name now
    gave one without the bar. The promise holds, and the rate can only be lower.

    Parameters
    ----------
    candidates : iterable of Candidate
        Of one face, in any order; none where the gallery is empty.
    rule : DecisionRule
    """
    ranked = tuple(sorted(candidates, key=lambda candidate: candidate.rank))
    nearest = next((each for each in ranked if not each.is_barred), None)
    person = nearest if nearest is not None and is_match(nearest.score, rule.threshold) else None
    barred = person is None and any(each.is_barred and is_match(each.score, rule.threshold) for each in ranked)
    return Identification(
        candidates=ranked,
        threshold=rule.threshold,
        person=person,
        fpir=rule.choice.fpir if rule.choice else None,
        probability=rule.calibration.probability(nearest.score) if nearest and rule.calibration else None,
        rejection="not_this_person" if barred else None,
    )


def name_conflicts(identifications: Sequence[Identification | None]) -> list[NameConflict]:
    """Find people who were named on more than one face of a photo.

    Names are kept: nothing here says which of the faces is wrong (or whether one of them is a mirror or a poster).

    Parameters
    ----------
    identifications : sequence of Identification or None
        One for each face of *one* photo; None for a face that was not identified.

    Returns
    -------
    list of NameConflict
        In the order in which the people first appear.
    """
    named: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for face, identification in enumerate(identifications):
        if identification is None or identification.person is None:
            continue
        person = identification.person
        named.setdefault(person.person_id, []).append(face)
        names[person.person_id] = person.name
    return [
        NameConflict(
            person_id,
            names[person_id],
            tuple(faces),
            f"{names[person_id]} is named on {len(faces)} faces of this photo; at most one can be right",
        )
        for person_id, faces in named.items()
        if len(faces) > 1
    ]
