"""Folders that hold one folder of photos for each person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from facecli.errors import InputError
from facecli.gallery.names import normalise_name
from facecli.media.folder import natural_key
from facecli.services.analysis import PhotoSource
from facecli.services.enrolment_plan import EnrolmentPhoto, photo_sources


@dataclass(frozen=True, slots=True)
class PeopleFolder:
    """A folder that holds one folder of photos for each person.

    Attributes
    ----------
    path : str
        As the user named it.
    names : tuple of str
        Everybody, with photos or without.
    photos : tuple of EnrolmentPhoto
        Those of one person together.
    warnings : tuple of str
        What lies there that is no person's photo.
    """

    path: str
    names: tuple[str, ...]
    photos: tuple[EnrolmentPhoto, ...]
    warnings: tuple[str, ...] = ()


def read_people(folder: str) -> PeopleFolder:
    """List a folder that holds one folder of photos for each person.

    Raises
    ------
    InputError
        If it is none, holds no folders, one of them cannot be listed, or the name of one cannot be a person's.
    """
    root = Path(folder)
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise InputError(f"{folder} {what}", hint="Name a folder that holds one folder of photos for each person.")
    loose = _listed(folder, recursive=False)
    photos: dict[str, list[EnrolmentPhoto]] = {}
    people = [each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")]
    for person in sorted(people, key=lambda each: natural_key(each.name)):
        name = normalise_name(person.name)
        own = photos.setdefault(name, [])  # two spellings in Unicode of one name are one person
        own += [EnrolmentPhoto(name, source) for source in _listed(str(person))]
    if not photos:
        raise InputError(
            f"{folder} holds no folders of people",
            hint="Put the photos of each person into a folder that has that person's name.",
            code="no_people",
        )
    warnings = []
    if loose:
        what = "1 photo beside the folders of" if len(loose) == 1 else f"{len(loose)} photos beside the folders of"
        warnings.append(f"{what} people in {folder} left out, such as {loose[0].path}")
    if empty := [name for name, own in photos.items() if not own]:
        warnings.append(f"no photos in {len(empty)} of the {len(photos)} folders in {folder}, such as {empty[0]}")
    return PeopleFolder(folder, tuple(photos), tuple(each for own in photos.values() for each in own), tuple(warnings))


def _listed(folder: str, *, recursive: bool = True) -> list[PhotoSource]:
    """List the photos of a folder; with one below that cannot be listed no rate would be right."""
    sources = list(photo_sources([folder], recursive=recursive))
    for source in sources:
        if (problem := source.error) is not None:
            raise InputError(problem.message, hint=problem.hint, code=problem.code)
    return sources
