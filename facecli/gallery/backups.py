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
from facecli.gallery import rows
from facecli.gallery.copying import contents, copy, new_file, problems, put_in_place
from facecli.gallery.schema import MIGRATIONS, read_version
from facecli.gallery.translation import translated
from facecli.sqlite_file import MEMORY, make_private_folder

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

PURGE: Final = "people purge"
# What takes away what took work to enrol.
DESTRUCTIVE: Final = frozenset({"people merge", "people remove"})
# Before a change a backup is made if the last one is older than this.
USUAL_AGE: Final = timedelta(days=1)
DESTRUCTIVE_AGE: Final = timedelta(hours=1)

MOST_BYTES: Final = 2**26
"""Of a gallery that is backed up by itself before a change; see tests/bench/RESULTS.md for what that takes."""


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
        A folder that exists, or the file to write, in place of one that is there.

    Raises
    ------
    GalleryCorruptError
        If the copy is not sound, as then the gallery is not. With reason `DAMAGED` that is not looked at.
    GalleryError
        With code ``backup_failed`` if it cannot be written, or if the gallery cannot be read.
    """
    backup = named(gallery_path, reason, to if to is not None and to.is_dir() else None)
    path = backup.path if to is None or to.is_dir() else to
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


def before_change(connection: sqlite3.Connection, gallery_path: str, command: str, keep: int) -> Backup | None:
    """Make a backup if it is time for one, and delete old ones; before a purge never, as it would hold who is purged.

    Parameters
    ----------
    connection : sqlite3.Connection
        In no transaction.
    gallery_path : str
    command : str
        What is about to change the gallery; see `facecli.gallery.store.Gallery.edit`.
    keep : int
        See `rotate`; 0 for no backups.

    Raises
    ------
    GalleryError
        As `make` and `rotate`.
    """
    if not keep or gallery_path == MEMORY or command == PURGE:
        return None
    now = datetime.now(UTC)
    newest = _newest(gallery_path, now)
    if newest is not None and now - newest.made_at < (DESTRUCTIVE_AGE if command in DESTRUCTIVE else USUAL_AGE):
        return None
    with translated(gallery_path):
        if Path(gallery_path).stat().st_size > MOST_BYTES or not rows.revision(connection, gallery_path):
            return None
    if newest is not None and _is_same(connection, gallery_path, newest):
        return None
    return _made(connection, gallery_path, command, keep)


def before_migration(connection: sqlite3.Connection, gallery_path: str, keep: int) -> Backup | None:
    """Make a backup of a gallery of an older schema, of whatever size, and delete old ones.

    Raises
    ------
    GalleryError
        As `make` and `rotate`.
    """
    if not keep:
        return None
    with translated(gallery_path):
        version = read_version(connection, gallery_path)
    if not 0 < version < len(MIGRATIONS):
        return None
    newest = _newest(gallery_path, datetime.now(UTC))
    if newest is not None and _is_same(connection, gallery_path, newest):  # another process was faster
        return None
    return _made(connection, gallery_path, f"schema {len(MIGRATIONS)}", keep)


def _newest(gallery_path: str, now: datetime) -> Backup | None:
    """Return the last backup; a clock that was wrong may have made some in the future."""
    found = (each for each in backups(gallery_path) if each.reason != DAMAGED and each.made_at <= now)
    return next(found, None)


def _is_same(connection: sqlite3.Connection, gallery_path: str, newest: Backup) -> bool:
    """Whether nothing changed since a backup was made."""
    try:
        held = contents(newest.path)
    except GalleryError:
        return False
    with translated(gallery_path):
        now = read_version(connection, gallery_path), rows.revision(connection, gallery_path)
    return now == (held.schema_version, held.revision)


def _made(connection: sqlite3.Connection, gallery_path: str, reason: str, keep: int) -> Backup:
    made = make(connection, gallery_path, reason)
    rotate(gallery_path, keep)
    return made
