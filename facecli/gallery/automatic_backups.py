"""Backups that are made by themselves: before a new schema, the first change of a day, and what destroys."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from facecli.errors import GalleryError
from facecli.gallery import rows
from facecli.gallery.backups import DAMAGED, Backup, backups, make, rotate
from facecli.gallery.copying import contents
from facecli.gallery.schema import MIGRATIONS, read_version
from facecli.gallery.translation import translated
from facecli.sqlite_file import MEMORY

PURGE: Final = "people purge"
# What takes away what took work to enrol.
DESTRUCTIVE: Final = frozenset({"people merge", "people remove"})
# Before a change a backup is made if the last one is older than this.
USUAL_AGE: Final = timedelta(days=1)
DESTRUCTIVE_AGE: Final = timedelta(hours=1)

MOST_BYTES: Final = 2**24
"""Of a gallery that is backed up by itself before a change; see tests/bench/RESULTS.md for what that takes."""


class AutomaticBackups:
    """Makes a backup before a change where it is time for one, and deletes old ones; for one open gallery.

    Parameters
    ----------
    gallery_path : str
    keep : int
        See `facecli.gallery.backups.rotate`; 0 for no backups.
    """

    def __init__(self, gallery_path: str, keep: int) -> None:
        self._path = gallery_path
        self._keep = 0 if gallery_path == MEMORY else keep
        self._newest_at: datetime | None = None  # the last one known of; another process may have made a later one

    def before_change(self, connection: sqlite3.Connection, command: str) -> Backup | None:
        """Make a backup if one is due; before a purge never, as it would hold who is purged.

        Parameters
        ----------
        connection : sqlite3.Connection
            In no transaction.
        command : str
            What is about to change the gallery; see `facecli.gallery.store.Gallery.edit`.

        Raises
        ------
        GalleryError
            As `facecli.gallery.backups.make` and `rotate`.
        """
        if not self._keep or command == PURGE:
            return None
        most = DESTRUCTIVE_AGE if command in DESTRUCTIVE else USUAL_AGE
        now = datetime.now(UTC)
        if self._newest_at is not None and timedelta() <= now - self._newest_at < most:
            return None  # without a look at the folder, which takes as long as a small change
        with translated(self._path):
            if Path(self._path).stat().st_size > MOST_BYTES or not rows.revision(connection, self._path):
                return None
        newest = _newest(self._path, now)
        if newest is not None:
            self._newest_at = newest.made_at
            if now - newest.made_at < most or _is_same(connection, self._path, newest):
                return None
        made = _made(connection, self._path, command, self._keep)
        self._newest_at = made.made_at
        return made


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
