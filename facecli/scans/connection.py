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
from facecli.scans.schema import migrate, read_version, transaction
from facecli.scans.translation import DAMAGED, primary_code, translated, unopenable_error

MEMORY: Final = ":memory:"
"""Instead of a path: a file that lives as long as its connection."""

# What is found in faces is biometric data (GDPR art. 9): for the owner's eyes alone.
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

RETRY_INTERVAL_S: Final = 0.01

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
    """Make a missing file, never readable by others even for a moment."""
    if path.is_dir():
        raise unopenable_error(str(path), "it is a folder")
    if path.exists():
        return
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(FOLDER_MODE, exist_ok=True)
    try:
        # SQLite gives the -wal and -shm files the mode of this one.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    except FileExistsError:
        return  # another process was faster


def _opened(path: str, busy_timeout_s: float) -> sqlite3.Connection:
    uri = f"{Path(path).as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _configure(connection)
        with transaction(connection, "DEFERRED"):
            read_version(connection, path)  # before anything is changed in what may be another's
        _switch_to_wal(connection, time.monotonic() + busy_timeout_s)
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _configure(connection: sqlite3.Connection) -> None:
    # A process that is killed loses nothing; a machine that loses its power may lose the last photos, not the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not just unlinked
    connection.execute("PRAGMA trusted_schema = OFF")


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Let readers and a writer work side by side, and commit without waiting for the disk; kept in the file."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # The change of mode needs the file alone and does not wait for it by itself.
            if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_INTERVAL_S)
        else:
            return


def set_aside(
    path: str, damage: FacecliError, warn: Callable[[str], None], found: os.stat_result | None = None
) -> None:
    """Rename a damaged file and its log, unless another process did so meanwhile.

    Parameters
    ----------
    path : str
    damage : FacecliError
    warn : callable
        Told what it is called now.
    found : os.stat_result, optional
        Of the file that is damaged, if `path` may be another one by now.
    """
    file = Path(path)
    now = file.stat() if file.exists() else None
    if now is None or (found is not None and (now.st_dev, now.st_ino) != (found.st_dev, found.st_ino)):
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
