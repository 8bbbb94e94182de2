"""A backup in the place of a gallery: prepared and verified beside it, then put there in one step.

Other processes may have the gallery open. They must neither see half of it nor write into what is no longer there. So
where SQLite can open the present file, the backup's pages are written into it as one transaction. A file that it cannot
open is replaced, under the locks that keep every other process out, and with it what belongs to it (-wal, -shm).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import facecli
from facecli.errors import GalleryCorruptError, GalleryError, GalleryLockedError
from facecli.gallery import history, rows
from facecli.gallery.automatic_backups import PURGE
from facecli.gallery.backups import Backup
from facecli.gallery.copying import Contents, contents, copy, new_file, problems, reading
from facecli.gallery.replacing import copy_damaged, open_present, replace_file, set_aside, write_into
from facecli.gallery.schema import APPLICATION_ID
from facecli.gallery.store import Gallery
from facecli.gallery.translation import translated
from facecli.gallery.vault import AskSecret
from facecli.sqlite_file import create_private, pragma, primary_code, transaction

COMMAND: Final = "gallery restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restoration did.

    Attributes
    ----------
    contents : Contents
        Of the gallery as it is now.
    aside : Backup or None
        The gallery as it was before; None where there was none.
    purged : int
        People of the backup who had been purged since, and were purged again.
    """

    contents: Contents
    aside: Backup | None
    purged: int


@dataclass(frozen=True, slots=True)
class _Present:
    """What the restored gallery has to know of the one before.

    Attributes
    ----------
    revision : int
    ids : dict of str to int
        Last id given, by table.
    purged : tuple
        (event_id, number, person_id, made_at) of the names that were taken out of the log.
    """

    revision: int = 0
    ids: tuple[tuple[str, int], ...] = ()
    purged: tuple[tuple[int, int, int, str], ...] = ()


def verify(source: Path) -> Contents:
    """Read all of a backup, and return what it holds.

    Raises
    ------
    GalleryCorruptError
        If it is damaged.
    GalleryError
        If there is none, or it comes from a newer facecli.
    """
    if not source.exists():
        raise GalleryError(
            f"there is no backup at {source}", hint="See them with: facecli gallery backups", code="no_backup"
        )
    if found := problems(source):
        raise _damaged(source, found[0])
    return contents(source)


def restore(gallery_path: str, source: Path, ask_secret: AskSecret | None = None) -> Restored:
    """Make a gallery what a backup holds; what it was before becomes a backup itself, even if it is damaged.

    The revision goes on from the higher one, and ids from the last one given, so that nobody takes it for what it was.
    Who was purged since the backup was made is purged again.

    Parameters
    ----------
    gallery_path : str
        Absolute, of what a link leads to.
    source : Path
    ask_secret : callable, optional
        See `facecli.gallery.store.Gallery.open`; for a backup that is encrypted.

    Raises
    ------
    GalleryCorruptError
        If the backup is damaged.
    GalleryLockedError
        If another process keeps the gallery too long.
    GalleryError
        If the backup comes from a newer facecli, or there is no room.
    """
    verify(source)
    try:
        return _restore(gallery_path, source, ask_secret)
    except sqlite3.Error:
        with translated(gallery_path):
            raise
    except OSError as error:
        raise GalleryError(
            f"the gallery {gallery_path} cannot be restored: {error.strerror or error}",
            hint="It is as it was; check that its folder can be written and has room.",
            code="restore_failed",
        ) from error


def _restore(gallery_path: str, source: Path, ask_secret: AskSecret | None) -> Restored:
    path = Path(gallery_path)
    create_private(path)
    with new_file(path.parent, gallery_path) as staged:
        with reading(source) as connection:
            copy(connection, str(source), staged)
        try:
            with closing(open_present(gallery_path)) as present:
                before = _look(present, gallery_path)
                purged = _prepare(staged, source, before, ask_secret)
                aside = set_aside(present, gallery_path, COMMAND)
                if _look(present, gallery_path) != before:  # it would be lost, and its revision given again
                    raise GalleryLockedError(
                        f"the gallery {gallery_path} was changed meanwhile by another process",
                        hint="Nothing was restored; ask again.",
                    )
                is_written = write_into(present, staged, gallery_path)
        except sqlite3.DatabaseError as error:
            if primary_code(error) not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise
            purged = _prepare(staged, source, _Present(), ask_secret)
            aside, is_written = copy_damaged(path), False
        if not is_written:
            replace_file(staged, path)
    return Restored(contents(path), aside, purged)


def _look(present: sqlite3.Connection, gallery_path: str) -> _Present:
    """Return what can be read of a gallery that may be damaged.

    Raises
    ------
    sqlite3.DatabaseError
        If SQLite cannot open it.
    GalleryError
        If it is another application's file.
    """
    with transaction(present):
        if pragma(present, "application_id") not in (0, APPLICATION_ID):
            raise GalleryError(
                f"{gallery_path} is not a facecli gallery but another application's database",
                hint="Name the gallery with --gallery PATH.",
                code="not_a_gallery",
            )
    try:
        with transaction(present, "DEFERRED"):
            revision = present.execute("SELECT max(value) FROM meta WHERE key = 'revision'").fetchone()[0]
            ids = present.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
            purged = present.execute(
                "SELECT event_id, number, subject_id, made_at FROM changes JOIN events USING (event_id)"
                " WHERE subject = 'name' AND before IS NULL AND after IS NULL"
            ).fetchall()
    except sqlite3.DatabaseError:  # blank, damaged or of a schema that has no log
        return _Present()
    return _Present(int(revision or 0), tuple(ids), tuple(purged))


def _prepare(staged: Path, source: Path, before: _Present, ask_secret: AskSecret | None) -> int:
    """Bring a copy of a backup to the newest schema, verify it, and let it follow what was before it.

    Returns
    -------
    int
        People who were purged again.
    """
    with _opened(staged, source, ask_secret) as gallery:
        if found := gallery.info(check=True).problems:
            raise _damaged(source, found[0])
        connection: sqlite3.Connection = gallery._connection
        again = _purged_since(connection, before)
        if again:
            with gallery.edit(PURGE) as edit:
                for person_id in again:
                    edit.purge(person_id)
        with translated(str(staged)), transaction(connection):
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            history.append(connection, (), made_at=now, command=COMMAND, version=facecli.__version__)
            revision = max(rows.revision(connection, str(staged)), before.revision) + 1
            connection.execute("UPDATE meta SET value = ? WHERE key = 'revision'", (revision,))
            for table, last in before.ids:
                connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, table))
    return len(again)


def _opened(staged: Path, source: Path, ask_secret: AskSecret | None) -> Gallery:
    try:
        return Gallery.open(staged, ask_secret=ask_secret)
    except GalleryError as error:
        if error.code != "gallery_wrong_key":
            raise
        raise GalleryError(
            error.message.replace(f"gallery {staged}", f"backup {source}"),
            hint="A backup is opened by what opened the gallery when it was made. Nothing was changed.",
            code=error.code,
        ) from error


def _purged_since(connection: sqlite3.Connection, before: _Present) -> list[int]:
    """Return who of a backup was purged in the gallery that it takes the place of.

    Only a name that both logs gave in one event counts: the backup may be another gallery's.
    """
    found: set[int] = set()
    for event in before.purged:
        row = connection.execute(
            "SELECT subject_id FROM changes JOIN events USING (event_id) WHERE event_id = ? AND number = ?"
            " AND subject = 'name' AND subject_id = ? AND made_at = ? AND (before IS NOT NULL OR after IS NOT NULL)",
            event,
        ).fetchone()
        found.update(row or ())
    return sorted(found)


def _damaged(source: Path, what: str) -> GalleryCorruptError:
    return GalleryCorruptError(
        f"the backup {source} is damaged: {what}", hint="Take another one; see facecli gallery backups --check"
    )
