"""Backups of a gallery: verified copies in a private folder beside it; made, listed, and the old ones deleted.

They hold people who were removed or purged since, and lie on the same disk: see "facecli gallery backup --help".
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery.copying import copy, new_file, problems, put_in_place
from facecli.gallery.translation import translated
from facecli.sqlite_file import make_private_folder

KEPT: Final = 5
"""The newest backups that are kept, where nothing else is set."""

# Of those before, the last one of each day, week and month, for so long: so long can be in them who was purged.
KEPT_FOR: Final = (("%Y-%j", timedelta(days=7)), ("%G-%V", timedelta(weeks=4)), ("%Y-%m", timedelta(days=183)))

FOLDER_SUFFIX: Final = ".backups"
SUFFIX: Final = ".backup"
TIME_FORMAT: Final = "%Y%m%dT%H%M%S%fZ"

ASKED: Final = "asked"
DAMAGED: Final = "damaged"
"""Instead of why a backup was made: the gallery that another one took the place of, as damaged as it was."""


# A gallery that was opened to be written has 2, for its log, in bytes 18 and 19 (sqlite.org/fileformat.html).
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_ROLLBACK_VERSIONS: Final = b"\1\1"


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that holds a gallery as it was.

    Attributes
    ----------
    path : Path
    made_at : datetime
        UTC.
    reason : str
        `ASKED`, `DAMAGED`, or before what it was made: "people-merge", "schema-4", "restore"…
    size_bytes : int
    """

    path: Path
    made_at: datetime
    reason: str
    size_bytes: int


def folder_of(gallery_path: str) -> Path:
    """Return the folder beside a gallery that holds its backups."""
    return Path(gallery_path + FOLDER_SUFFIX)


def paths(gallery_path: str) -> list[Path]:
    """Return every file in that folder, unfinished ones too: each may hold who was purged since."""
    with translated(gallery_path), suppress(FileNotFoundError, NotADirectoryError):
        return sorted(folder_of(gallery_path).iterdir())
    return []


def backups(gallery_path: str, folder: Path | None = None) -> list[Backup]:
    """Return a gallery's backups in its own folder or another one, the newest first. Only names are looked at.

    Raises
    ------
    GalleryError
        If the folder cannot be read.
    """
    pattern = re.compile(rf"{re.escape(Path(gallery_path).name)}\.(\d{{8}}T\d{{12}}Z)\.([a-z0-9-]+){re.escape(SUFFIX)}")
    found = []
    with translated(gallery_path), suppress(FileNotFoundError, NotADirectoryError):
        for path in (folder or folder_of(gallery_path)).iterdir():
            if match := pattern.fullmatch(path.name):
                with suppress(FileNotFoundError, ValueError):  # deleted by another process; a date that is none
                    made_at = datetime.strptime(match[1], TIME_FORMAT).replace(tzinfo=UTC)
                    found.append(Backup(path, made_at, match[2], path.stat().st_size))
    return sorted(found, key=lambda each: each.made_at, reverse=True)


def make(connection: sqlite3.Connection, gallery_path: str, reason: str, *, to: Path | None = None) -> Backup:
    """Copy an open gallery, as it is at one moment, and verify the copy.

    Parameters
    ----------
    connection : sqlite3.Connection
        In no transaction.
    gallery_path : str
    reason : str
        See `Backup`.
    to : Path, optional
        A folder that exists, or the file to write, in place of a backup that is there.

    Raises
    ------
    GalleryCorruptError
        If the copy is not sound, as then the gallery is not. With reason `DAMAGED` that is not looked at.
    GalleryError
        With code ``backup_failed`` if it cannot be written, ``no_backup`` if `to` is a file that is none, or if the
        gallery cannot be read.
    """
    backup = named(gallery_path, reason, to if to is not None and to.is_dir() else None)
    path = backup.path if to is None or to.is_dir() else to
    if to is not None and path == to:
        _refuse_other_files(path, gallery_path)
    try:
        if to is None:
            make_private_folder(path.parent)
        with new_file(path.parent, gallery_path) as new:
            copy(connection, gallery_path, new)
            if reason != DAMAGED:
                _refuse_damaged(new, gallery_path)
            size = new.stat().st_size
            put_in_place(new, path)
    except OSError as error:
        raise unwritten_error(path, error) from error
    return replace(backup, path=path, size_bytes=size)


def named(gallery_path: str, reason: str, folder: Path | None = None) -> Backup:
    """Return a backup that is yet to be made."""
    now = datetime.now(UTC)
    slug = re.sub(r"[^a-z0-9]+", "-", reason.lower()).strip("-")
    name = f"{Path(gallery_path).name}.{now.strftime(TIME_FORMAT)}.{slug}{SUFFIX}"
    return Backup((folder or folder_of(gallery_path)) / name, now, slug, 0)


def unwritten_error(path: Path, error: OSError) -> GalleryError:
    """Return what to raise when a backup cannot be written."""
    return GalleryError(
        f"the backup {path} cannot be written: {error.strerror or error}",
        hint="Make room, or name another place with facecli gallery backup --to; FACECLI_BACKUPS=0 goes without.",
        code="backup_failed",
    )


def _refuse_other_files(path: Path, gallery_path: str) -> None:
    """Refuse to replace what is no backup: a gallery, which may be open, or anything else of the user's."""
    with translated(str(path)):
        if not path.exists():
            return
        head = b""
        if not path.samefile(gallery_path):  # that is never opened beside SQLite: see sqlite_file.py
            with path.open("rb") as file:
                head = file.read(20)
    if head[:16] != _SQLITE_MAGIC or head[18:] != _ROLLBACK_VERSIONS:
        raise GalleryError(
            f"{path} exists and is no backup, so it was left as it is",
            hint="Name another file, or a folder.",
            code="no_backup",
        )


def _refuse_damaged(copied: Path, gallery_path: str) -> None:
    """Refuse a copy that is not sound: of the gallery, as it was copied page by page."""
    try:
        found = problems(copied)
    except GalleryCorruptError as error:
        found = (error.message.replace(str(copied), gallery_path),)
    if found:
        raise GalleryCorruptError(
            f"the gallery {gallery_path} is damaged, so no backup was made of it: {found[0]}",
            hint="Take an earlier one: facecli gallery restore latest",
        )


def rotate(gallery_path: str, keep: int, *, folder: Path | None = None) -> list[Backup]:
    """Delete old backups, and return which.

    Kept are the newest `keep`, and the last one of each of 7 days, 4 weeks and 6 months; of damaged galleries, the
    newest `keep`.

    Raises
    ------
    GalleryError
        If the folder cannot be read, or one cannot be deleted.
    """
    found = backups(gallery_path, folder)
    damaged = [each for each in found if each.reason == DAMAGED]
    old = [*damaged[keep:], *_superfluous([each for each in found if each.reason != DAMAGED], keep, datetime.now(UTC))]
    with translated(gallery_path):
        for each in old:
            for path in (each.path, Path(f"{each.path}-wal")):
                path.unlink(missing_ok=True)  # another process may be faster
    return old


def _superfluous(found: Iterable[Backup], keep: int, now: datetime) -> list[Backup]:
    """Return those to be deleted of backups, the newest first."""
    kept: set[tuple[timedelta, str]] = set()
    old = []
    for number, each in enumerate(found):
        periods = {(age, each.made_at.strftime(form)) for form, age in KEPT_FOR if now - each.made_at <= age}
        if number >= keep and periods <= kept:
            old.append(each)
        kept |= periods
    return old
