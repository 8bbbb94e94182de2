"""What is noticed about a photo before it is enrolled: that it shows somebody else, as its score tells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facecli.decide.outliers import Agreement, Misfit, compare_photos
from facecli.gallery.records import NewTemplate
from facecli.gallery.rows import SAME_FACE_IOU
from facecli.gallery.store import Gallery
from facecli.geometry import iou
from facecli.scores import ScoreDistribution
from facecli.services.known_people import KnownPeople, Lookalike
from facecli.types import PhotoError, Template

# Of photos of people who are new so many are said to look like somebody enrolled; of photos of people who are enrolled
# under another name 96 % are, among 703 people with one photo each (tests/bench/RESULTS.md).
LOOKALIKE_FPIR: Final = 1e-3

# With fewer photos than this nothing tells which of them is wrong.
LEAST_PHOTOS: Final = 3

# Photos enrolled before, the newest ones, that new ones are compared with: work grows with the square of their number.
MOST_COMPARED: Final = 256

# Photos named in one warning.
MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What was noticed about one photo; with an error it is not to be enrolled."""

    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()


class EnrolmentChecks:
    """Compares photos with the person's others, and with everybody else.

    Parameters
    ----------
    gallery : Gallery or None
        None where there is none yet.
    scores : ScoreDistribution or None
        Of the model; None where it was not measured, and then nothing is compared.
    keep_outliers : bool
        Warn where a photo would be refused.
    confirmed : bool
        What was said of a face before does not count; otherwise one that was said not to be the person's is refused.
    """

    def __init__(
        self,
        gallery: Gallery | None,
        scores: ScoreDistribution | None,
        *,
        keep_outliers: bool,
        confirmed: bool = False,
    ) -> None:
        self._gallery = gallery
        self._scores = scores
        self._keep_outliers = keep_outliers
        self._confirmed = confirmed
        self._known: KnownPeople | None = None
        self._said_unmeasured = False

    def check(
        self, name: str, own: Sequence[NewTemplate], new: Sequence[NewTemplate], *, is_new: bool
    ) -> list[Finding]:
        """Judge new photos of a person.

        Parameters
        ----------
        name : str
        own : sequence of NewTemplate
            Enrolled before, of the same model.
        new : sequence of NewTemplate
        is_new : bool
            Nobody of this name was enrolled before this call.

        Returns
        -------
        list of Finding
            One for each of `new`.
        """
        findings = self._compared(name, own, new, is_new=is_new)
        denied = self._denied(name)
        return [
            _said_not(name, photo) if any(same_face(photo, each) for each in denied) else finding
            for photo, finding in zip(new, findings, strict=True)
        ]

    def _denied(self, name: str) -> list[NewTemplate]:
        """Return the faces that were said not to be a person's."""
        person = self._gallery.find_person(name) if self._gallery is not None and not self._confirmed else None
        if self._gallery is None or person is None:
            return []
        return [as_new(each) for each in self._gallery.templates(person.person_id, is_negative=True)]

    def _compared(
        self, name: str, own: Sequence[NewTemplate], new: Sequence[NewTemplate], *, is_new: bool
    ) -> list[Finding]:
        """Judge new photos by their scores; see `check`."""
        if not new:
            return []
        # One face twice would agree with itself.
        faces = _Faces()
        for photo in own[-MOST_COMPARED:]:
            faces.row_of(photo)
        photos, before = faces.photos, len(faces.photos)
        rows = [faces.row_of(photo) for photo in new]
        if self._scores is None:
            return self._unmeasured(len(photos), len(new))
        vectors = np.stack([photo.embedding.vector for photo in photos])
        agreement = compare_photos(vectors, before, self._scores)
        misfits = {misfit.row: misfit for misfit in agreement.misfits}
        findings = []
        for photo, row in zip(new, rows, strict=True):
            if row < before:  # nothing is learnt from it
                findings.append(Finding())
                continue
            if faces.of_photo(photo)[0] < row:
                findings.append(self._other_face(name, photo))
                continue
            best = max((float(vectors[row] @ vectors[i]) for i in range(len(photos)) if i != row), default=-1.0)
            lookalike = self._lookalike(name, photo)
            if lookalike is not None and not (is_new or lookalike.score > best):
                lookalike = None
            misfit = misfits.get(row)
            if misfit is None:
                notes = [_looks_like(lookalike, is_new=is_new)] if lookalike else []
                findings.append(Finding(warnings=tuple(notes)))
            elif agreement.reference:
                findings.append(self._refused(name, photo, agreement, misfit, lookalike))
            else:
                notes = [_doubtful(name, photo, [photos[other] for other in misfit.others], misfit)]
                notes += [_looks_like(lookalike, is_new=is_new)] if lookalike else []
                findings.append(Finding(warnings=tuple(notes)))
        doubts = [
            _enrolled_misfit(name, photos[row], agreement) for row in misfits if agreement.reference and row < before
        ]
        findings[0] = Finding(findings[0].error, (*findings[0].warnings, *doubts))
        return findings

    def _other_face(self, name: str, photo: NewTemplate) -> Finding:
        """Judge another face of a photo that the person is in already."""
        said = f"another face in {photo.source} is {name}'s already: nobody is in a photo twice"
        if self._keep_outliers:
            return Finding(warnings=(said,))
        hint = f"If the first one was wrong, remove {name} and enrol again; a mirror or poster: --keep-outliers."
        return Finding(PhotoError("other_face", said, hint))

    def enrolled(self, name: str, photo: NewTemplate) -> None:
        """Take note of a photo that was enrolled, or would be."""
        if self._known is not None:
            self._known.add(name, photo.embedding.vector)

    def _unmeasured(self, photos: int, new: int) -> list[Finding]:
        findings = [Finding()] * new
        if photos >= LEAST_PHOTOS and not self._said_unmeasured:
            self._said_unmeasured = True
            note = (
                "photos of one person were not compared with each other, as the scores of this model are not measured"
            )
            findings[0] = Finding(warnings=(note,))
        return findings

    def _lookalike(self, name: str, photo: NewTemplate) -> Lookalike | None:
        """Return whom else a photo shows, as far as its score tells."""
        if self._scores is None:
            return None
        if self._known is None:
            self._known = KnownPeople(self._gallery, photo.embedding.model_id)
        nearest = self._known.nearest_other(photo.embedding.vector, name)
        if nearest is None or nearest.score < self._scores.score_at(LOOKALIKE_FPIR / len(self._known)):
            return None
        return nearest

    def _refused(
        self, name: str, photo: NewTemplate, agreement: Agreement, misfit: Misfit, lookalike: Lookalike | None
    ) -> Finding:
        message = (
            f"the face in {photo.source} is unlike {_others(name, len(misfit.others))} (best score "
            f"{misfit.best_score:.2f}; {agreement.usual_score:.2f} is usual among these)"
        )
        if lookalike is not None:
            message += f", and like {lookalike.name} ({lookalike.score:.2f})"
        if self._keep_outliers:
            return Finding(warnings=(message,))
        hint = f"If it is {name}, enrol it with --keep-outliers."
        if lookalike is not None:
            hint = f"If it is {lookalike.name}, enrol it under that name. {hint}"
        return Finding(PhotoError("unlike_the_others", message, hint))


def _others(name: str, count: int) -> str:
    return f"{name}'s other photo" if count == 1 else f"{name}'s {count} other photos"


def _doubtful(name: str, photo: NewTemplate, others: Sequence[NewTemplate], misfit: Misfit) -> str:
    if len(others) == 1:
        return (
            f"{_called(photo)} is unlike {_called(others[0])} (score {misfit.best_score:.2f}): "
            f"one of the two may not show {name}"
        )
    named = ", ".join(map(_called, others[:MOST_NAMED])) + (", ..." if len(others) > MOST_NAMED else "")
    return f"{_called(photo)} is unlike {named} (best score {misfit.best_score:.2f}): some may not show {name}"


def _called(photo: NewTemplate) -> str:
    return Path(photo.source).name or "a photo without a name"


def _looks_like(lookalike: Lookalike, *, is_new: bool) -> str:
    who, score = lookalike
    if is_new:
        return f"looks like {who} ({score:.2f}), who is enrolled already: the same person under two names?"
    return f"looks more like {who} ({score:.2f}), who is enrolled already"


def _enrolled_misfit(name: str, photo: NewTemplate, agreement: Agreement) -> str:
    return (
        f"{photo.source}, enrolled as {name} before, is unlike {_others(name, len(agreement.reference))}: "
        f"it may show somebody else"
    )


def _said_not(name: str, photo: NewTemplate) -> Finding:
    return Finding(
        PhotoError(
            "said_not",
            f"the face in {photo.source} was said not to be {name}",
            f"If it is: facecli people confirm {shlex.quote(name)} {shlex.quote(photo.source)}",
        )
    )


def as_new(template: Template) -> NewTemplate:
    """Return what an enrolled template was before it was enrolled."""
    return NewTemplate(template.embedding, template.quality, template.source, template.content_hash, template.box_xyxy)


def same_face(one: NewTemplate, other: NewTemplate) -> bool:
    """Say whether two templates are of one face of one photo."""
    overlap = iou(one.box_xyxy[None], other.box_xyxy[None]).max()
    return one.content_hash == other.content_hash and bool(overlap >= SAME_FACE_IOU)


class _Faces:
    """Faces of one person, each once, and by the photo they are in."""

    def __init__(self) -> None:
        self.photos: list[NewTemplate] = []
        self._by_photo: dict[str, list[int]] = {}

    def row_of(self, photo: NewTemplate) -> int:
        """Return the place of a face; it is added if it is not there."""
        rows = self.of_photo(photo)
        for row in rows:
            if same_face(photo, self.photos[row]):
                return row
        rows.append(len(self.photos))
        self.photos.append(photo)
        return rows[-1]

    def of_photo(self, photo: NewTemplate) -> list[int]:
        """Return the places of all faces of the same photo, the first added first."""
        return self._by_photo.setdefault(photo.content_hash, [])
