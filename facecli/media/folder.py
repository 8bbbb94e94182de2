"""Which photos a call is about: folders walked in a stable order, and lists of names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from facecli.errors import InputError
from facecli.media.files import os_problem
from facecli.types import PhotoError

# What decoders of `facecli.media.formats` read. A file named by the user is taken whatever it is called.
PHOTO_EXTENSIONS: Final = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".avif", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif", ".jp2", ".j2k", ".jpf", ".jpx",
    ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".tga", ".qoi", ".psd", ".pcx", ".sgi", ".rgb", ".rgba", ".bw", ".ras",
})  # fmt: skip

_DIGITS: Final = re.compile(r"(\d+)")

_READ_BYTES: Final = 1 << 16

# Far above any path (4,096 bytes on Linux): a list with more before a separator is none.
_MAX_NAME_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to decode.

    Attributes
    ----------
    path : str
        As the root was named, joined with what was found below it.
    """

    path: str


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """A folder that could not be listed; what is beside it is found all the same."""

    path: str
    error: PhotoError


Found: TypeAlias = FoundFile | FolderProblem


def find_photos(roots: Iterable[str | os.PathLike[str]], *, recursive: bool = True) -> Iterator[Found]:
    """Find the photos that files and folders name, in a stable order.

    Roots keep their order. Inside a folder its photos come first, then its sub-folders, each sorted as people
    sort: ``img2`` before ``img10``, upper and lower case together. Hidden files and folders are left out, and so is
    what has no extension of a photo. Links are followed; a folder that is reached twice is walked once.

    Parameters
    ----------
    roots : iterable of str or path-like
        A folder is walked; anything else is passed through, whatever its name: reading it will say what is wrong.
    recursive : bool
        Walk sub-folders too.

    Yields
    ------
    FoundFile or FolderProblem
    """
    walked: set[tuple[int, int]] = set()
    for root in roots:
        path = os.fspath(root)
        if not _is_folder(Path(path)):
            yield FoundFile(path)
            continue
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            photos, folders = _list(folder, walked)
            yield from photos
            if recursive:
                waiting.extend(reversed(folders))


def _list(folder: str, walked: set[tuple[int, int]]) -> tuple[list[Found], list[str]]:
    """Return the sorted photos and sub-folders of a folder, nothing where it is in `walked`, and add it there."""
    try:
        status = Path(folder).stat()
        identity = (status.st_dev, status.st_ino)
        if identity in walked:
            return [], []
        walked.add(identity)
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        problem = os_problem(folder, error)
        return [FolderProblem(folder, PhotoError(problem.code, problem.message, problem.hint))], []
    visible.sort(key=lambda entry: natural_key(entry.name))
    photos: list[Found] = []
    folders = []
    for entry in visible:
        if _is_folder(entry):
            folders.append(entry.path)
        elif Path(entry.name).suffix.lower() in PHOTO_EXTENSIONS:
            photos.append(FoundFile(entry.path))
    return photos, folders


def _is_folder(entry: os.DirEntry[str] | Path) -> bool:
    """Return whether something is a folder or a link to one; what cannot be asked is not."""
    try:
        return entry.is_dir()
    except (OSError, ValueError):
        return False


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a key that sorts numbers inside names by value, and ignores case unless all else is equal."""
    parts = _DIGITS.split(name.casefold())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def read_file_list(stream: BinaryIO, *, nul: bool) -> Iterator[str]:
    r"""Read names of files, one a line or, with `nul`, each ended by a NUL byte.

    Parameters
    ----------
    stream : binary file
        It may be a pipe: names are yielded as they come.
    nul : bool
        Names may then contain newlines, as ``find -print0`` and ``git ls-files -z`` write them.

    Yields
    ------
    str
        Bytes that are no UTF-8 are surrogate-escaped. Empty names are left out. A line that Windows ended with
        ``\r\n`` loses the ``\r``, unless a file is really called that.

    Raises
    ------
    InputError
        If a name goes on for longer than any path can.
    """
    for name in _split(stream, b"\0" if nul else b"\n"):
        path = os.fsdecode(name)
        if not nul and path.endswith("\r") and not os.path.lexists(path):
            path = path[:-1]
        if path:
            yield path


def _split(stream: BinaryIO, separator: bytes) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)  # read1 does not wait for more than there is
    rest = b""
    while chunk := read(_READ_BYTES):
        *names, rest = (rest + chunk).split(separator)
        yield from names
        if len(rest) > _MAX_NAME_BYTES:
            raise InputError("the list of files holds something that is no path", hint="Write one path a line.")
    yield rest
