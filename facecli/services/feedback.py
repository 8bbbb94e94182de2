"""What a user says of an answer: that this face is somebody, or is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np

from facecli.errors import UnknownPersonError
from facecli.gallery.names import normalise_name
from facecli.gallery.store import Gallery
from facecli.scores import ScoreDistribution
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.enrolment import Enrolment, EnrolmentStatus, enrol, new_template
from facecli.services.enrolment_checks import as_new, same_face
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.services.meant_faces import FaceFinder, FacePhoto, MeantFace
from facecli.types import Face, Identification, PhotoError, Template

FeedbackStatus: TypeAlias = Literal["noted", "already", "would_note", "error"]

# As many photos of a person tell how near these usually are to each other.
LEAST_PHOTOS: Final = 3

_STATUSES: Final[dict[EnrolmentStatus, FeedbackStatus]] = {
    "enrolled": "noted",
    "already": "already",
    "would_enrol": "would_note",
    "skipped": "error",
    "error": "error",
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of one face.

    Attributes
    ----------
    face : int or None
        Its number in the reports; None where it is not known which is meant.
    status : str
        noted; already (this was said before); would_note (dry run); error.
    before, after : Identification or None
        Who the face was taken for, and is now; None where no threshold is known, or nothing was done.
    template_id : int or None
        What the gallery has of it now.
    """

    name: str
    path: str
    face: int | None
    status: FeedbackStatus
    before: Identification | None = None
    after: Identification | None = None
    template_id: int | None = None
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()


def deny(
    name: str, photos: Sequence[FacePhoto], gallery: Gallery, finder: FaceFinder, *, dry_run: bool = False
) -> list[Feedback]:
    """Note that faces are not a person's: they, and faces as near to them as to the person, are not named so again.

    All of it is one event. A template of such a face that the person has is taken away from them.

    Raises
    ------
    UnknownPersonError
        If nobody has this name; the hint names who may be meant.
    GalleryError
        If the gallery cannot serve.
    """
    person = gallery.get_person(name)
    own = gallery.templates(person.person_id)
    found = finder.find(person.name, photos)
    meant = [each for each in found if isinstance(each, MeantFace)]
    new = [new_template(each.analysis, each.face) for each in meant]
    notes, lost = [], set[int]()
    for each, template in zip(meant, new, strict=True):
        taken = [known for known in own if same_face(template, as_new(known))]
        lost |= {known.template_id for known in taken}
        notes.append(
            (*_taken_away(person.name, taken, dry_run=dry_run), *_nobody_left(person.name, len(own) - len(lost)))
            if taken
            else tuple(_much_alike(person.name, each.face, own))
        )
    if dry_run:
        return _joined(person.name, photos, found, [("would_note", None, None, note) for note in notes])
    ids = gallery.add_templates(person.name, new, command="people not", is_negative=True)
    afters = finder.answers([each.face for each in meant])
    outcomes: list[_Outcome] = [
        ("already" if template_id is None else "noted", template_id, after, note)
        for template_id, after, note in zip(ids, afters, notes, strict=True)
    ]
    return _joined(person.name, photos, found, outcomes)


def confirm(
    name: str,
    photos: Sequence[FacePhoto],
    gallery: Gallery,
    finder: FaceFinder,
    *,
    scores: ScoreDistribution | None = None,
    min_quality: float = 0.0,
    keep_outliers: bool = False,
    new_person: bool = False,
    dry_run: bool = False,
) -> list[Feedback]:
    """Enrol faces of photos as a person's; what was said against it before is taken back in the same event.

    Parameters
    ----------
    scores, min_quality, keep_outliers
        As for `facecli.services.enrolment.enrol`.
    new_person : bool
        Nobody of this name needs to be enrolled yet.

    Raises
    ------
    UnknownPersonError
        If nobody has this name, and no new person was asked for.
    GalleryError
        If the gallery cannot serve.
    """
    name = normalise_name(name)
    if gallery.find_person(name) is None and not new_person:
        try:
            gallery.get_person(name)
        except UnknownPersonError as error:
            hint = error.hint if error.hint.endswith("?") else f"{error.hint}."
            raise UnknownPersonError(error.message, hint=f"{hint} If this is somebody new: --new") from error
    found = finder.find(name, photos)
    meant = [each for each in found if isinstance(each, MeantFace)]
    enrolled = list(
        enrol(
            [EnrolmentPhoto(name, each.analysis.source, each.number) for each in meant],
            _AnalysedBefore([each.analysis for each in meant]),
            gallery,
            min_quality=min_quality,
            scores=scores,
            keep_outliers=keep_outliers,
            dry_run=dry_run,
            confirmed=True,
        )
    )
    afters = [None] * len(meant) if dry_run else finder.answers([each.face for each in meant])
    outcomes: list[_Outcome | Enrolment] = [
        each if each.error else (_STATUSES[each.status], each.template_id, after, each.warnings)
        for each, after in zip(enrolled, afters, strict=True)
    ]
    return _joined(name, photos, found, outcomes)


class _AnalysedBefore:
    """What was found in photos, so that none is looked at twice."""

    def __init__(self, analyses: Sequence[Analysis]) -> None:
        self._analyses = analyses

    def analyse(self, sources: Iterable[PhotoSource]) -> Iterator[Analysis]:
        """Give it again, for the same photos."""
        for analysis, source in zip(self._analyses, sources, strict=True):
            if analysis.source is not source:
                raise ValueError(f"{source.path} is not the photo that was analysed here")
            yield analysis


_Outcome: TypeAlias = "tuple[FeedbackStatus, int | None, Identification | None, tuple[str, ...]]"


def _joined(
    name: str,
    photos: Sequence[FacePhoto],
    found: Sequence[MeantFace | PhotoError],
    outcomes: Sequence[_Outcome | Enrolment],
) -> list[Feedback]:
    """Put what became of the faces that were found in the order of the photos."""
    remaining, joined = iter(outcomes), []
    for photo, meant in zip(photos, found, strict=True):
        if isinstance(meant, PhotoError):
            joined.append(Feedback(name, photo.path, photo.face, "error", error=meant))
            continue
        answer = Feedback(name, photo.path, meant.number, "error", meant.answer)
        outcome = next(remaining)
        if isinstance(outcome, Enrolment):
            joined.append(replace(answer, error=outcome.error, warnings=outcome.warnings))
        else:
            status, template_id, after, notes = outcome
            joined.append(replace(answer, status=status, template_id=template_id, after=after, warnings=notes))
    return joined


def _taken_away(name: str, taken: Sequence[Template], *, dry_run: bool) -> Iterator[str]:
    for each in taken:
        done = "would be" if dry_run else "is"
        yield f"it was enrolled as {name} (template {each.template_id}, {each.source}), which {done} taken back"


def _nobody_left(name: str, left: int) -> tuple[str, ...]:
    return () if left else (f"{name} has no other template, and is named nowhere without one",)


def _much_alike(name: str, face: Face, own: Sequence[Template]) -> Iterator[str]:
    """Warn of a face that the person's photos resemble as they do each other: it may be theirs, and would bar them."""
    if face.embedding is None:
        return
    vectors = [each.embedding.vector for each in own if each.embedding.model_id == face.embedding.model_id]
    if len(vectors) < LEAST_PHOTOS:
        return
    scores = np.stack(vectors) @ np.stack(vectors).T
    np.fill_diagonal(scores, -1.0)
    usual, best = float(np.median(scores.max(axis=1))), float((np.stack(vectors) @ face.embedding.vector).max())
    if best >= usual:
        yield (
            f"{name}'s photos are as near to this face ({best:.2f}) as to each other ({usual:.2f}): if it is {name} "
            f"after all, undo this, or photos like it are not named either"
        )
