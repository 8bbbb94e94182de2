"""Which photos belong to whom, from the words of a call."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facecli.errors import InputError, UsageError
from facecli.gallery.names import normalise_name
from facecli.media.folder import FolderProblem, find_photos
from facecli.services.analysis import PhotoSource
from facecli.types import PhotoError

# "Ana_1.jpg", "Ana-2.jpg", "Ana (3).jpg", "Ana 4.jpg" are all of Ana.
_SERIAL = re.compile(r"[\s_-]*(?:\(\d+\)|\d+)$|_$")

# Names that cameras, telephones, scanners and programs give. SAM and P are also people's, so they count only as cameras
# write them: in capitals, with all their digits.
_CAMERA = re.compile(
    r"(?i:_?(?:IMG|MG|DSC|DSCN|DSCF|PXL|MVIMG|IMAG|CIMG|PICT|DCP|HPIM|DJI|GOPR|GH01|FB_IMG|VID|BURST|"
    r"photo|image|picture|scan|screenshot|received|signal|whatsapp image)(?![^\W\d_])[\W_]*\d.*)"
    r"|(?:SAM|WP|KIMG|EOS)_?\d{4,}.*|P\d{7}|R\d{7}"
    r"|\d{8}[_-]\d{6}.*|\d{4}-\d\d-\d\d[ _T-]\d\d.*"  # 20240101_120000, 2024-01-01 12.00.00
    r"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"  # UUID
)


@dataclass(frozen=True, slots=True)
class EnrolmentPhoto:
    """One photo and whose it is said to be.

    Attributes
    ----------
    name : str
    source : PhotoSource
    face : int or None
        Which of its faces, by its number in the reports, from 1; None where the photo is of one person.
    """

    name: str
    source: PhotoSource
    face: int | None = None


def plan_enrolment(arguments: Sequence[str]) -> list[EnrolmentPhoto]:
    """Decide from a call's words which photos belong to whom.

    Parameters
    ----------
    arguments : sequence of str
        ``NAME PHOTO…`` (photos or folders of photos, all of one person), or folders only: there each sub-folder is a
        person, and a photo beside them belongs to whom its name says, without the number at its end. One whose name
        a camera gave is a photo with an error.

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
    for found, inside in sources:
        source = found
        if len(inside.parts) > 1:
            name = inside.parts[0]
        else:
            stem = inside.stem or folder.resolve().name  # the folder itself, which could not be listed
            name = _SERIAL.sub("", stem) or stem
            if source.error is None and _CAMERA.fullmatch(stem):
                name, source = stem, replace(source, error=_unnamed(source.path))
        yield EnrolmentPhoto(normalise_name(name), source)


def _unnamed(path: str) -> PhotoError:
    return PhotoError(
        "no_name",
        f"{path} is called as cameras and programs call photos, not after a person",
        "Put it into a folder with the person's name, or call it NAME_1.jpg.",
    )


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
