"""Enrol people: which face of each photo, whether it is to be learnt, and what was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from facecli.decide.rejection import falls_short
from facecli.embed.advice import advice_for, reason_words, reasons_of
from facecli.errors import FacecliError, LowQualityError
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.scores import ScoreDistribution
from facecli.services.analysis import Analysis, PhotoSource
from facecli.services.enrolment_checks import EnrolmentChecks, as_new, same_face
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.services.selection import OnMulti, numbered_face, the_face
from facecli.types import Face, PhotoError, Quality

EnrolmentStatus: TypeAlias = Literal["enrolled", "already", "would_enrol", "skipped", "error"]

# Templates committed together: each commit waits for the disk, and each photo not committed is work to lose.
COMMIT_EVERY: Final = 32


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What became of one photo.

    Attributes
    ----------
    status : str
        enrolled; already (this face of this photo was enrolled before); would_enrol (dry run); skipped (several
        faces, and that was asked for); error.
    """

    name: str
    path: str
    status: EnrolmentStatus
    quality: Quality | None = None
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()
    template_id: int | None = None


class Analyses(Protocol):
    """Gives what there is in photos: an `Analyser`, or what one gave before."""

    def analyse(self, sources: Iterable[PhotoSource]) -> Iterator[Analysis]:
        """Give the analyses of photos, in their order."""
        ...


def enrol(
    photos: Sequence[EnrolmentPhoto],
    analyser: Analyses,
    gallery: Gallery | None,
    *,
    on_multi: OnMulti = "error",
    min_quality: float = 0.0,
    scores: ScoreDistribution | None = None,
    keep_outliers: bool = False,
    dry_run: bool = False,
    confirmed: bool = False,
) -> Iterator[Enrolment]:
    """Enrol photos, person by person; a photo that cannot be is an `Enrolment` with its error and stops nothing.

    Parameters
    ----------
    gallery : Gallery or None
        None where there is none yet: nothing is stored.
    on_multi : {"error", "largest", "central", "skip"}
        What to do with a photo of several faces of a like size.
    min_quality : float
        Least quality score, 0 to 1.
    scores : ScoreDistribution or None
        The model's. With it a photo that is unlike the person's others is refused, and likeness to somebody else is
        noted; None compares nothing.
    keep_outliers : bool
        Enrol photos that would be refused for that, with a warning.
    dry_run : bool
        Say what would be, and store nothing.
    confirmed : bool
        Somebody looked at these very faces, so that what was said against them before is taken back; otherwise a face
        that was said not to be the person's is refused.

    Yields
    ------
    Enrolment
        Once it is on the disk. People come in the order in which they are first named, the photos of each in theirs.
    """
    by_person: dict[str, list[EnrolmentPhoto]] = {}
    for photo in photos:
        by_person.setdefault(photo.name, []).append(photo)
    ordered = [photo for own in by_person.values() for photo in own]
    waiting = iter(ordered)
    checks = EnrolmentChecks(gallery, scores, keep_outliers=keep_outliers, confirmed=confirmed)
    writer = _Writer(
        gallery,
        checks,
        stores=gallery is not None and not dry_run,
        command="people confirm" if confirmed else "enroll",
    )
    pending: list[_Pending] = []
    for analysis in analyser.analyse(photo.source for photo in ordered):
        photo = next(waiting)
        if pending and (pending[-1].name != photo.name or len(pending) >= COMMIT_EVERY):
            yield from writer.commit(pending)
            pending = []
        pending.append(_Pending(photo, analysis, *_chosen(photo, analysis, on_multi, min_quality)))
    yield from writer.commit(pending)


class _Pending(NamedTuple):
    """A photo that waits to be enrolled: its face, or what became of it."""

    photo: EnrolmentPhoto
    analysis: Analysis
    face: Face | None
    outcome: Enrolment | None

    @property
    def name(self) -> str:
        return self.photo.name

    def template(self) -> NewTemplate | None:
        return None if self.face is None else new_template(self.analysis, self.face)


def new_template(analysis: Analysis, face: Face) -> NewTemplate:
    """Return a face of a photo as a gallery takes it."""
    if face.embedding is None:
        raise ValueError("enrolment needs an analyser with an embedder")
    return NewTemplate(
        embedding=face.embedding,
        quality=face.quality.score if face.quality else 1.0,
        source=analysis.source.path,
        content_hash=analysis.content_hash,
        box_xyxy=face.detection.box_xyxy,
        crop=analysis.crop_of(face),
    )


def _chosen(
    photo: EnrolmentPhoto, analysis: Analysis, on_multi: OnMulti, min_quality: float
) -> tuple[Face | None, Enrolment | None]:
    """Return the face to enrol, or what became of a photo that has none."""
    name, path = photo.name, analysis.source.path
    if analysis.error is not None:
        return None, Enrolment(name, path, "error", error=analysis.error)
    try:
        face = the_face(analysis, on_multi) if photo.face is None else numbered_face(analysis, photo.face)
        if face.quality is not None and falls_short(face.quality, min_quality):
            reasons = reasons_of(face.quality)
            raise LowQualityError(
                f"the face in {path} is {reason_words(reasons) if reasons else 'poor'}: "
                f"quality {face.quality.score:.2f}, asked for {min_quality:.2f}",
                hint=f"{advice_for(reasons)} Or ask for less with --min-quality.".lstrip(),
            )
    except FacecliError as error:
        status: EnrolmentStatus = "skipped" if error.code == "several_faces" and on_multi == "skip" else "error"
        problem = PhotoError(error.code, error.message, error.hint)
        return None, Enrolment(name, path, status, error=problem, warnings=analysis.warnings)
    return face, None


class _Writer:
    """Stores photos of one person after the other, and remembers what this call has enrolled."""

    def __init__(self, gallery: Gallery | None, checks: EnrolmentChecks, *, stores: bool, command: str) -> None:
        self._gallery = gallery
        self._checks = checks
        self._stores = stores
        self._command = command
        self._owners: dict[str, list[tuple[str, NewTemplate]]] = {}  # by content hash: whose faces these are said to be
        self._tried: dict[str, list[NewTemplate]] = {}  # of a dry run
        self._newcomers: dict[str, bool] = {}

    def commit(self, pending: Sequence[_Pending]) -> Iterator[Enrolment]:
        """Store the chosen faces of one person in one transaction, and say what became of each photo."""
        if not pending:
            return
        name = pending[0].name
        templates = [each.template() for each in pending]
        new = [template for template in templates if template is not None]
        own = self._own(name, new[0].embedding.model_id) if new else []
        found = iter(self._checks.check(name, own, new, is_new=self._newcomers.get(name, True)))
        findings = [next(found) if template is not None else None for template in templates]
        accepted = [
            template
            for template, finding in zip(templates, findings, strict=True)
            if template is not None and finding is not None and finding.error is None
        ]
        warnings = {id(template): self._other_owners(name, template) for template in accepted}
        stored = iter(self._stored(name, own, accepted))
        for each, template, finding in zip(pending, templates, findings, strict=True):
            if template is None or finding is None:
                if each.outcome is not None:
                    yield each.outcome
                continue
            status: EnrolmentStatus = "error"
            template_id, notes = None, list(finding.warnings)
            if finding.error is None:
                status, template_id = next(stored)
                notes = [*_left_out(each), *warnings[id(template)], *notes]
            yield Enrolment(
                name,
                each.analysis.source.path,
                status,
                quality=each.face.quality if each.face else None,
                error=finding.error,
                warnings=(*each.analysis.warnings, *notes),
                template_id=template_id,
            )

    def _own(self, name: str, model_id: str) -> list[NewTemplate]:
        """Return the templates that a person has so far, those of a dry run included."""
        person = self._gallery.find_person(name) if self._gallery is not None else None
        self._newcomers.setdefault(name, person is None or not person.template_count)
        kept = [] if self._gallery is None or person is None else self._gallery.templates(person.person_id, model_id)
        return [as_new(each) for each in kept] + self._tried.get(name, [])

    def _stored(
        self, name: str, own: Sequence[NewTemplate], accepted: Sequence[NewTemplate]
    ) -> list[tuple[EnrolmentStatus, int | None]]:
        if self._stores and self._gallery is not None:
            if not accepted:
                return []
            ids = self._gallery.add_templates(name, accepted, command=self._command)
            for template, template_id in zip(accepted, ids, strict=True):
                if template_id is not None:
                    self._checks.enrolled(name, template)
            return [("already" if template_id is None else "enrolled", template_id) for template_id in ids]
        known = list(own)
        answers: list[tuple[EnrolmentStatus, int | None]] = []
        for template in accepted:
            is_known = any(same_face(template, each) for each in known)
            answers.append(("already" if is_known else "would_enrol", None))
            if not is_known:
                known.append(template)
                self._tried.setdefault(name, []).append(template)
                self._checks.enrolled(name, template)
        return answers

    def _other_owners(self, name: str, template: NewTemplate) -> list[str]:
        """Say whose the same face of the same photo is said to be besides."""
        of_photo = self._owners.setdefault(template.content_hash, [])
        owners = {owner: None for owner, other in of_photo if owner != name and same_face(template, other)}
        of_photo.append((name, template))
        if not owners and self._gallery is not None:
            kept = self._gallery.photo_owners(template.content_hash, template.box_xyxy)
            owners = {owner: None for owner in kept if owner != name}
        return [f"the same photo is enrolled as {owner}: one of the two names is wrong" for owner in owners]


def _left_out(pending: _Pending) -> list[str]:
    others = len(pending.analysis.faces) - 1 if pending.photo.face is None else 0
    return [f"{others} other {'face was' if others == 1 else 'faces were'} left out"] if others else []
