"""Opening the file of scans: private, quick to commit to, and replaced where it is damaged."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from facecli.errors import FacecliError
from facecli.scans.schema import migrate, read_version
from facecli.scans.translation import DAMAGED, translated, unopenable_error
from facecli.sqlite_file import MEMORY, closed_on_error, create_private, switch_to_wal, transaction

SET_ASIDE: Final = ".damaged-"


def connect(path: str, *, busy_timeout_s: float, warn: Callable[[str], None]) -> sqlite3.Connection:
    """Open the file at `path`, made if it is missing, and bring its schema up to date.

    Parameters
    ----------
    path : str
        Absolute path, or `MEMORY`.
    busy_timeout_s : float
        How long to wait for other processes, in seconds.
    warn : callable
        Told where a damaged file was set aside.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, and for any thread; only one may use it at a time.

    Raises
    ------
    FacecliError
        If it cannot be opened, is another application's, or was written by a newer facecli.
    """
    if path == MEMORY:
        connection = sqlite3.connect(MEMORY, isolation_level=None, check_same_thread=False)
        _configure(connection)
        migrate(connection, path)
        return connection
    found = None
    try:
        with translated(path):
            _prepare(Path(path))
            found = Path(path).stat()
            return _opened(path, busy_timeout_s)
    except FacecliError as error:
        if error.code != DAMAGED or found is None:
            raise
        with translated(path):
            set_aside(path, error, warn, found)
            _prepare(Path(path))
            return _opened(path, busy_timeout_s)


def _prepare(path: Path) -> None:
    """Refuse a folder; make a missing file."""
    if path.is_dir():
        raise unopenable_error(str(path), "it is a folder")
    create_private(path)


def _opened(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    uri = f"{Path(path).as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    with closed_on_error(connection):
        _configure(connection)
        with transaction(connection, "DEFERRED"):
            read_version(connection, path)  # before anything is changed in what may be another's
        switch_to_wal(connection, time.monotonic() + busy_timeout_s)
        migrate(connection, path)
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    # A process that is killed loses nothing; a machine that loses its power may lose the last photos, not the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not just unlinked
    connection.execute("PRAGMA trusted_schema = OFF")


def set_aside(path: str, damage: FacecliError, warn: Callable[[str], None], found: os.stat_result) -> None:
    """Rename a damaged file and its log, unless another process did so meanwhile.

    Parameters
    ----------
    path : str
    damage : FacecliError
    warn : callable
        Told what it is called now.
    found : os.stat_result
        Of the file that is damaged; `path` may be another one by now.
    """
    file = Path(path)
    now = file.stat() if file.exists() else None
    if now is None or (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino):
        return
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = file.with_name(f"{file.name}{SET_ASIDE}{stamp}")
    file.rename(aside)
    for ending in ("-wal", "-shm"):
        log = file.with_name(file.name + ending)
        if log.exists():
            log.rename(aside.with_name(aside.name + ending))
    warn(
        f"{damage.message}; it was set aside as {aside}, and what it held is computed again. "
        "Delete it, or run: facecli scans forget --all"
    )


def files_set_aside(path: str) -> list[Path]:
    """Return the damaged files that were set aside beside the file at `path`, their logs included."""
    name = Path(path).name + SET_ASIDE
    return sorted(each for each in Path(path).parent.iterdir() if each.name.startswith(name))
