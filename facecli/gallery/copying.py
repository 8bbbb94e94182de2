"""Copies of a gallery file: made page by page, read in full, and brought to the disk before they take their name."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facecli.errors import GalleryError, GalleryLockedError
from facecli.gallery import rows, soundness
from facecli.gallery.schema import MIGRATIONS, read_version
from facecli.gallery.translation import missing_error, translated
from facecli.gallery.vault import read_lock
from facecli.sqlite_file import primary_code, sync_file, sync_folder, transaction

TEMPORARY: Final = ".tmp"
# No copy takes longer to make: what is older was left by a process that was killed.
TEMPORARY_AGE_S: Final = 86_400.0

BUSY_TIMEOUT_S: Final = 10.0

# What the new file may fail with, as against the one that is read.
_UNWRITTEN: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

_FIRST_WITH_HISTORY: Final = 4
"""Of the schemas: the first that knows templates that are nobody's, or say who somebody is not."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a gallery file holds.

    Attributes
    ----------
    schema_version, people, templates, revision : int
    """

    schema_version: int
    people: int
    templates: int
    revision: int


@contextmanager
def new_file(folder: Path, gallery_path: str) -> Iterator[Path]:
    """Make a blank file in a folder, its owner's alone, under a name that nobody has; it is deleted in the end.

    What killed processes left of such files is deleted too, when it is old.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    prefix = f".{Path(gallery_path).name}."
    for left in folder.iterdir():
        if left.name.startswith(prefix) and TEMPORARY in left.suffix:
            with suppress(OSError):  # another process was faster
                if time.time() - left.stat().st_mtime > TEMPORARY_AGE_S:
                    left.unlink()
    handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=TEMPORARY)  # with mode 0600
    os.close(handle)  # before SQLite opens it: see sqlite_file.py
    try:
        yield Path(name)
    finally:
        for left in (Path(name), Path(name + "-wal"), Path(name + "-shm")):
            left.unlink(missing_ok=True)


def put_in_place(new: Path, path: Path) -> None:
    """Give a complete file its name, in place of another one; both are on the disk when this returns.

    Raises
    ------
    OSError
        If that cannot be done; what had the name has it still.
    """
    sync_file(new)
    new.replace(path)
    sync_folder(path.parent)


def copy(connection: sqlite3.Connection, gallery_path: str, path: Path) -> None:
    """Copy an open gallery's pages, as they are at one moment, whatever is in them, into a blank file.

    Raises
    ------
    OSError
        If it cannot be written.
    GalleryError
        If the gallery cannot be read, or another process keeps it too long.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA synchronous = OFF")  # it has no name yet, and is brought to the disk as a whole
            connection.backup(target, progress=patience(gallery_path))
            target.execute("PRAGMA journal_mode = DELETE")  # one file, that can be read where nothing can be written
    except sqlite3.Error as error:
        if primary_code(error) in _UNWRITTEN:
            raise OSError(errno.EIO, str(error)) from error
        with translated(gallery_path):
            raise


def patience(gallery_path: str, timeout_s: float = BUSY_TIMEOUT_S) -> Callable[[int, int, int], None]:
    """Return what gives up a copy that another process has kept waiting too long; SQLite would wait for ever."""
    deadline = time.monotonic() + timeout_s

    def check(status: int, _left: int, _pages: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise GalleryLockedError(
                f"the gallery {gallery_path} is in use by another process", hint="Wait until it is done and try again."
            )

    return check


def contents(path: Path) -> Contents:
    """Return what a file holds, by a look at its indexes.

    Raises
    ------
    GalleryError
        If that cannot be read, or it is no gallery.
    """
    with reading(path) as connection:
        version = read_version(connection, str(path))
        if not version:
            raise missing_error(str(path))
        people = connection.execute("SELECT count(*) FROM people").fetchone()[0]
        owned = "person_id IS NOT NULL AND is_negative = 0" if version >= _FIRST_WITH_HISTORY else "1"
        templates = connection.execute(f"SELECT count(*) FROM templates WHERE {owned}").fetchone()[0]  # noqa: S608
        return Contents(version, people, templates, rows.revision(connection, str(path)))


def is_encrypted(path: Path) -> bool:
    """Say whether a file is an encrypted gallery; of what is none, or cannot be read, that it is not."""
    with suppress(GalleryError), reading(path) as connection:
        return read_lock(connection) is not None
    return False


def problems(path: Path) -> tuple[str, ...]:
    """Return what is wrong with a file, a sentence each; nothing if all is well. Reads every byte of it.

    Of an older schema links and pages are checked; that has no sums of checksums.

    Raises
    ------
    GalleryError
        If it cannot be read at all, or is no gallery of this version or before.
    """
    with reading(path) as connection:
        version = read_version(connection, str(path))
        if not version:
            raise missing_error(str(path))
        if version < len(MIGRATIONS):
            return tuple(soundness.file_problems(connection))
        with transaction(connection, "DEFERRED"):
            return soundness.problems(connection, str(path))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a gallery file without looking what it is, to read it.

    Raises
    ------
    GalleryError
        If there is none, it is a folder, or a block raises an error of SQLite.
    """
    with translated(str(path)):
        if not path.exists():
            raise missing_error(str(path))
        if path.is_dir():
            raise GalleryError(f"{path} is a folder", hint="Name a file in it.", code="gallery_unopenable")
        uri = f"{path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    with closing(connection):
        try:
            connection.execute(
                "PRAGMA trusted_schema = OFF"
            )  # a file from elsewhere cannot call functions with effects
            yield connection
        except sqlite3.Error:  # what else a block raises is of what it does beside reading
            with translated(str(path)):
                raise
