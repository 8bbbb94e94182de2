"""Which face of a photo a user means, and who it is taken for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from facecli.decide.identification import identify
from facecli.decide.rejection import reject_low_quality
from facecli.errors import FacecliError, SeveralFacesError
from facecli.gallery.search import GallerySearch
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.calibration import Decisions
from facecli.services.selection import numbered_face
from facecli.types import Face, Identification, PhotoError


class FacePhoto(NamedTuple):
    """A photo, and the number that a face of it has in the reports, from 1; see `photo_and_face`."""

    path: str
    face: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MeantFace:
    """A face that a user means.

    Attributes
    ----------
    analysis : Analysis
        Of its photo.
    number : int
        In the reports, from 1.
    face : Face
    answer : Identification or None
        Who it is taken for; None where no threshold is known.
    """

    analysis: Analysis
    number: int
    face: Face
    answer: Identification | None


class FaceFinder:
    """Finds the faces that a user means.

    Parameters
    ----------
    analyser : Analyser
    search : GallerySearch
    decisions : Decisions or None
        None where no threshold is known: nobody can be told who a face is taken for.
    candidates : int
    min_quality : float
        As for `facecli.services.identification.identify_photos`.
    """

    def __init__(
        self,
        analyser: Analyser,
        search: GallerySearch,
        decisions: Decisions | None,
        *,
        candidates: int = 1,
        min_quality: float = 0.0,
    ) -> None:
        self._analyser = analyser
        self._search = search
        self._decisions = decisions
        self._candidates = candidates
        self._min_quality = min_quality

    def find(self, name: str, photos: Sequence[FacePhoto]) -> list[MeantFace | PhotoError]:
        """Find one face in each photo: the one numbered, or the only one, or the only one that is named `name`."""
        analyses = self._analyser.analyse(PhotoSource(photo.path) for photo in photos)
        return [self._found(name, photo.face, analysis) for photo, analysis in zip(photos, analyses, strict=True)]

    def _found(self, name: str, number: int | None, analysis: Analysis) -> MeantFace | PhotoError:
        if analysis.error is not None:
            return analysis.error
        try:
            numbered_face(analysis, number or 1)
            answers = self.answers(analysis.faces)
            if number is None:
                number = 1 if len(answers) == 1 else _only_one_called(name, analysis.source.path, answers)
        except FacecliError as error:
            return PhotoError(error.code, error.message, error.hint)
        return MeantFace(analysis, number, analysis.faces[number - 1], answers[number - 1])

    def answers(self, faces: Sequence[Face]) -> list[Identification | None]:
        """Say who faces are taken for, as the gallery is now.

        Raises
        ------
        GalleryError
            If the gallery cannot serve.
        """
        if self._decisions is None:
            return [None] * len(faces)
        rule = self._decisions.rule()
        embeddings = [face.embedding for face in faces if face.embedding is not None]
        found = self._search.candidates(embeddings, self._candidates)
        return [
            reject_low_quality(identify(candidates, rule), face.quality, self._min_quality)
            for face, candidates in zip(faces, found, strict=True)
        ]


def _only_one_called(name: str, path: str, answers: Sequence[Identification | None]) -> int:
    """Return the number of the one face that has a name: who gives no number means that one."""
    called = [number for number, each in enumerate(answers, 1) if each and each.person and each.person.name == name]
    if len(called) == 1:
        return called[0]
    which = f"{len(called)} of them named {name}" if called else f"none of them named {name}"
    raise SeveralFacesError(
        f"{len(answers)} faces are in {path}, {which}",
        hint=f"Say which, by the number in the reports: {path}#1 to {path}#{len(answers)}",
    )
