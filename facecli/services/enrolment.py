"""Enrol people: which photos belong to whom, which face of each, and what was learnt."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from facecli.decide.rejection import falls_short
from facecli.embed.advice import advice_for, reason_words, reasons_of
from facecli.errors import FacecliError, InputError, LowQualityError, UsageError
from facecli.gallery.names import normalise_name
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.media.folder import FolderProblem, find_photos
from facecli.services.analysis import Analyser, Analysis, PhotoSource
from facecli.services.selection import OnMulti, the_face
from facecli.types import Embedding, Face, PhotoError, Quality

EnrolmentStatus: TypeAlias = Literal["enrolled", "already", "would_enrol", "skipped", "error"]

# Templates committed together: each commit waits for the disk, and each photo not committed is work to lose.
COMMIT_EVERY: Final = 32

# "Ana_1.jpg", "Ana-2.jpg", "Ana (3).jpg", "Ana 4.jpg" are all of Ana.
_SERIAL = re.compile(r"[\s_-]*(?:\(\d+\)|\d+)$|_$")


@dataclass(frozen=True, slots=True)
class EnrolmentPhoto:
    """One photo and whose it is said to be."""

    name: str
    source: PhotoSource


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


def plan_enrolment(arguments: Sequence[str]) -> list[EnrolmentPhoto]:
    """Decide from a call's words which photos belong to whom.

    Parameters
    ----------
    arguments : sequence of str
        ``NAME PHOTO…`` (photos or folders of photos, all of one person), or folders only: there each sub-folder is a
        person, and a photo beside them belongs to whom its name says, without the number at its end.

    Raises
    ------
    UsageError
        If the words fit neither.
    InputError
        If a name cannot be one, or nothing was found.
    """
    if not arguments:
        raise UsageError("nobody to enrol was named", hint="Use: facecli enroll NAME PHOTO… or facecli enroll FOLDER")
    if all(Path(argument).is_dir() for argument in arguments) and not _names_itself(arguments):
        photos = [photo for folder in arguments for photo in _people_folder(Path(folder))]
    elif len(arguments) == 1:
        argument = arguments[0]
        if "/" in argument and not Path(argument).exists():
            raise InputError(f"{argument} does not exist", hint="Check the spelling of the path.", code="not_found")
        looks_like_path = "/" in argument or Path(argument).suffix.lower() in (
            ".jpg",
            ".jpeg",
            ".png",
            ".webp",
            ".heic",
        )
        raise UsageError(
            f"whose photo is {argument}?" if looks_like_path else f"no photo of {argument} was named",
            hint="Use: facecli enroll NAME PHOTO… or facecli enroll FOLDER",
        )
    else:
        name = normalise_name(arguments[0])
        photos = [EnrolmentPhoto(name, source) for source in photo_sources(arguments[1:])]
    if not photos:
        raise InputError(
            f"no photos were found in {', '.join(arguments)}",
            hint="A folder to enrol holds one folder of photos for each person, or photos called NAME_1.jpg.",
            code="no_photos",
        )
    return photos


def photo_sources(roots: Iterable[str], *, recursive: bool = True) -> Iterator[PhotoSource]:
    """Turn files and folders into photos to analyse; folders that cannot be listed become photos with an error."""
    for found in find_photos(roots, recursive=recursive):
        yield PhotoSource(found.path, error=found.error if isinstance(found, FolderProblem) else None)


def _names_itself(arguments: Sequence[str]) -> bool:
    """Say whether a name is also that of a folder of its photos: ``enroll Ana Ana/`` is about Ana."""
    return any(Path(argument).samefile(arguments[0]) for argument in arguments[1:])


def _people_folder(folder: Path) -> Iterator[EnrolmentPhoto]:
    sources = [(source, Path(source.path).relative_to(folder)) for source in photo_sources([str(folder)])]
    _refuse_folder_of_people(folder, [inside for _, inside in sources])
    for source, inside in sources:
        if len(inside.parts) > 1:
            name = inside.parts[0]
        else:
            stem = inside.stem or folder.resolve().name  # the folder itself, which could not be listed
            name = _SERIAL.sub("", stem) or stem
        yield EnrolmentPhoto(normalise_name(name), source)


def _refuse_folder_of_people(folder: Path, photos: Sequence[Path]) -> None:
    """Refuse a call that is one folder too high, and would make one person of many.

    A person's folder may hold folders of its own. One that holds several, and no photo beside them, is taken for a
    folder of people.
    """
    for name in dict.fromkeys(photo.parts[0] for photo in photos if len(photo.parts) > 2):
        below = [photo.parts[1:] for photo in photos if photo.parts[0] == name]
        if len({parts[0] for parts in below}) > 1 and all(len(parts) > 1 for parts in below):
            raise UsageError(
                f"{folder / name} holds folders, not photos: is each of them a person?",
                hint=f"If so, use: facecli enroll {shlex.quote(str(folder / name))}",
            )


def enrol(
    photos: Sequence[EnrolmentPhoto],
    analyser: Analyser,
    gallery: Gallery | None,
    *,
    on_multi: OnMulti = "error",
    min_quality: float = 0.0,
) -> Iterator[Enrolment]:
    """Enrol photos, in their order; a photo that cannot be is an `Enrolment` with its error and stops nothing.

    Parameters
    ----------
    gallery : Gallery or None
        None only tries: nothing is stored.
    on_multi : {"error", "largest", "skip"}
        What to do with a photo of several faces of a like size.
    min_quality : float
        Least quality score, 0 to 1.

    Yields
    ------
    Enrolment
        Once it is on the disk.
    """
    names = iter([photo.name for photo in photos])
    pending: list[tuple[str, Analysis, Face | None, Enrolment | None]] = []
    owners: dict[str, str] = {}  # content hash of a photo -> whose it was first said to be
    for analysis in analyser.analyse(photo.source for photo in photos):
        name = next(names)
        if pending and (pending[-1][0] != name or len(pending) >= COMMIT_EVERY):
            yield from _commit(pending, gallery, owners)
            pending = []
        pending.append((name, analysis, *_chosen(name, analysis, on_multi, min_quality)))
    yield from _commit(pending, gallery, owners)


def _chosen(
    name: str, analysis: Analysis, on_multi: OnMulti, min_quality: float
) -> tuple[Face | None, Enrolment | None]:
    """Return the face to enrol, or what became of a photo that has none."""
    path = analysis.source.path
    if analysis.error is not None:
        return None, Enrolment(name, path, "error", error=analysis.error)
    try:
        face = the_face(analysis, take_largest=on_multi == "largest")
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


def _commit(
    pending: Sequence[tuple[str, Analysis, Face | None, Enrolment | None]],
    gallery: Gallery | None,
    owners: dict[str, str],
) -> Iterator[Enrolment]:
    """Store the chosen faces of one person in one transaction, and say what became of each photo."""
    new = [
        NewTemplate(
            embedding=_embedding(face),
            quality=face.quality.score if face.quality else 1.0,
            source=analysis.source.path,
            content_hash=analysis.content_hash,
            box_xyxy=face.detection.box_xyxy,
        )
        for _, analysis, face, _ in pending
        if face is not None
    ]
    stored = iter(gallery.add_templates(pending[0][0], new) if gallery is not None and new else [])
    for name, analysis, face, outcome in pending:
        if face is None:
            if outcome is not None:
                yield outcome
            continue
        template_id = next(stored, None)
        status: EnrolmentStatus = "would_enrol"
        if gallery is not None:
            status = "already" if template_id is None else "enrolled"
        smaller = len(analysis.faces) - 1
        notes = [f"{smaller} smaller {'face was' if smaller == 1 else 'faces were'} left out"] if smaller else []
        owner = owners.setdefault(analysis.content_hash, name)
        if owner != name:
            notes.append(f"the same photo is enrolled as {owner}: one of the two names is wrong")
        yield Enrolment(
            name,
            analysis.source.path,
            status,
            quality=face.quality,
            warnings=(*analysis.warnings, *notes),
            template_id=template_id,
        )


def _embedding(face: Face) -> Embedding:
    if face.embedding is None:
        raise ValueError("enrolment needs an analyser with an embedder")
    return face.embedding
