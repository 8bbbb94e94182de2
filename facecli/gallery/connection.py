"""Opening a gallery file: private, safe against crashes and crowds, readable wherever it lies."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from facecli.errors import GalleryError
from facecli.gallery import automatic_backups
from facecli.gallery.codec import GalleryConnection
from facecli.gallery.schema import MIGRATIONS, migrate, read_version
from facecli.gallery.translation import missing_error, read_only_error, translated
from facecli.sqlite_file import MEMORY, closed_on_error, create_private, primary_code, switch_to_wal


def connect(
    path: str, *, create: bool, read_only: bool, busy_timeout_s: float, keep_backups: int
) -> tuple[GalleryConnection, bool]:
    """Open the gallery at `path` and bring its schema up to date.

    Parameters
    ----------
    path : str
        Absolute path, or `MEMORY`.
    create : bool
        Make a missing gallery, with its folder; the file must then be writable.
    read_only : bool
        Never write. Set on its own where the file or its folder is write-protected: SQLite's ``mode=ro``, which
        needs to create or read the ``-shm`` file, and where it cannot (a read-only disk) ``immutable=1``, which reads
        the file as it lies. The latter is only right while nobody writes, so it is refused beside a write-ahead log
        that still holds changes.
    busy_timeout_s : float
        How long to wait for other processes, in seconds.
    keep_backups : int
        Of these one is made before a new schema; 0 for none.

    Returns
    -------
    connection : sqlite3.Connection
        In autocommit mode.
    read_only : bool
        Whether it can only be read.

    Raises
    ------
    GalleryError
        See `facecli.gallery.store.Gallery.open`.
    """
    with translated(path):
        if path == MEMORY:
            connection = sqlite3.connect(MEMORY, isolation_level=None, factory=GalleryConnection)
            _configure(connection)
            migrate(connection, path)
            return connection, False
        _prepare(Path(path), create)
        if not (os.access(path, os.W_OK) and os.access(Path(path).parent, os.W_OK)):
            if create:
                raise read_only_error(path)
            read_only = True
        if read_only:
            return _connect_reader(path, busy_timeout_s), True
        return _connect_writer(path, create, busy_timeout_s, keep_backups), False


def _prepare(path: Path, create: bool) -> None:
    """Refuse what cannot be a gallery; make a missing one if asked."""
    if path.is_dir():
        raise GalleryError(
            f"the gallery {path} is a folder", hint="Name a file with --gallery PATH.", code="gallery_unopenable"
        )
    if create:
        create_private(path)
    elif not path.exists():
        raise missing_error(str(path))


def _connect_writer(path: str, create: bool, busy_timeout_s: float, keep_backups: int) -> GalleryConnection:
    deadline = time.monotonic() + busy_timeout_s
    connection = _connect_uri(path, "mode=rw", busy_timeout_s)
    with closed_on_error(connection):
        _configure(connection)
        if not create:
            _refuse_blank(connection, path)
        automatic_backups.before_migration(connection, path, keep_backups)
        migrate(connection, path)
        switch_to_wal(connection, deadline)
    return connection


def _connect_reader(path: str, busy_timeout_s: float) -> GalleryConnection:
    if not os.access(path, os.R_OK):
        raise GalleryError(
            f"the gallery {path} may not be read by you", hint="Ask its owner for access.", code="gallery_unopenable"
        )
    connection = _connect_uri(path, "mode=ro", busy_timeout_s)
    try:
        with closed_on_error(connection):
            _configure(connection)
            _refuse_older(connection, path)
    except sqlite3.OperationalError as error:
        if primary_code(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        log = Path(path + "-wal")
        if log.exists() and log.stat().st_size:
            raise GalleryError(
                f"the gallery {path} has changes in {log.name} that cannot be read in a read-only folder",
                hint="Copy both files to a folder where you may write.",
                code="gallery_read_only",
            ) from error
        connection = _connect_uri(path, "mode=ro&immutable=1", busy_timeout_s)
        with closed_on_error(connection):
            _configure(connection)
            _refuse_older(connection, path)
    return connection


def _refuse_blank(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema version, refusing a file that was made by a process killed before it came to fill it."""
    version = read_version(connection, path)
    if not version:
        raise missing_error(path)
    return version


def _refuse_older(connection: sqlite3.Connection, path: str) -> None:
    version = _refuse_blank(connection, path)
    if version < len(MIGRATIONS):
        raise GalleryError(
            f"the gallery {path} has the older schema {version} and is open for reading only",
            hint="Open it once where it can be written; it is brought up to date then.",
            code="gallery_read_only",
        )


def _connect_uri(path: str, parameters: str, busy_timeout_s: float) -> GalleryConnection:
    uri = f"{Path(path).as_uri()}?{parameters}"
    return sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None, factory=GalleryConnection)


def _configure(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk before it is reported
    connection.execute("PRAGMA secure_delete = ON")  # a person who is removed is overwritten, not just unlinked
    connection.execute("PRAGMA trusted_schema = OFF")  # a gallery from elsewhere cannot call functions with effects
