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
