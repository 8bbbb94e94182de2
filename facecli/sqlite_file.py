"""A SQLite file of facecli's own: private from its first moment, many processes at once, numbered schemas.

What the gallery and the file of scans have in common; each says in its own words what is wrong with it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

Step: TypeAlias = str | Callable[[sqlite3.Connection], None]
"""Part of a migration: SQL, or what SQL cannot do."""

MEMORY: Final = ":memory:"
"""Instead of a path: a file that lives as long as its connection."""

# Faces are biometric data (GDPR art. 9): for the owner's eyes alone.
FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700

RETRY_INTERVAL_S: Final = 0.01

# Where SQLite's processes lock a file (sqlite.org/src: os.h, PENDING_BYTE to the end of SHARED). Whoever has it open
# in WAL mode, or reads it in another one, has a shared lock on the last 510 of them.
_FIRST_LOCK_BYTE: Final = 0x40000000
_LOCK_BYTES: Final = 512

# POSIX drops all locks that a process holds on a file when it closes *any* descriptor of it
# (sqlite.org/howtocorrupt.html, 2.2). So a file is only ever opened beside SQLite at its creation, and while
# this is held no thread of ours can have come to lock it.
_CREATING: Final = threading.Lock()


def create_private(path: Path) -> None:
    """Make a missing file with its folders, never readable by others even for a moment.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    with _CREATING:
        if path.exists():
            return
        missing = [folder for folder in path.parents if not folder.exists()]
        for folder in reversed(missing):
            make_private_folder(folder)
        try:
            # SQLite gives the -wal, -shm and -journal files the mode of this one.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
        except FileExistsError:
            return  # another process was faster
        sync_folder(path.parent)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, if it is missing, so that no power cut takes it.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    folder.mkdir(FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk. For files that SQLite does not have open in this process.

    Raises
    ------
    OSError
        If it cannot be brought there.
    """
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's names are on the disk, where the system has that."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Close a connection that cannot be set up in a block."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run a block as one transaction, undone on any exception. ``IMMEDIATE`` waits for other writers first."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.commit()
    except BaseException:
        if connection.in_transaction:  # some errors, such as a full disk, have rolled back already
            connection.rollback()
        raise


def switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Let readers and a writer work side by side; kept in the file.

    Some network disks cannot: SQLite then stays with its rollback journal, which is as safe, only slower.
    """
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


def migrate(
    connection: sqlite3.Connection,
    migrations: Sequence[Sequence[Step]],
    application_id: int,
    read_version: Callable[[], int],
) -> None:
    """Bring an open file to the newest schema; every step is a transaction of its own.

    The version is read again under the write lock, so of several processes one takes the step and the
    others find it taken.

    Parameters
    ----------
    connection : sqlite3.Connection
    migrations : sequence of sequences of Step
        Step n (counted from 1) turns schema n - 1 into schema n.
    application_id : int
        Stamped on the file.
    read_version : callable
        Reads the schema's version, 0 of a blank file, and refuses files that are not facecli's. Called in a
        transaction.
    """
    with transaction(connection, "DEFERRED"):
        version = read_version()
    while version < len(migrations):
        with transaction(connection):
            version = read_version()
            if version == len(migrations):
                return
            for part in migrations[version]:
                if isinstance(part, str):
                    connection.execute(part)
                else:
                    part(connection)
            version += 1
            connection.execute(f"PRAGMA application_id = {application_id}")
            connection.execute(f"PRAGMA user_version = {version}")


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that the file states of itself."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code (the low byte); 0 where the Python module itself complains."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def locked_alone(path: Path) -> Iterator[None]:
    """Hold the locks that keep every process out of a file, for one that SQLite cannot open; this process has it not.

    Raises
    ------
    BlockingIOError
        If a process has it open.
    OSError
        If it cannot be locked.
    """
    if os.name != "posix":  # elsewhere a file that is open cannot be replaced
        yield
        return
    import fcntl

    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCK_BYTES, _FIRST_LOCK_BYTE)
        yield
    finally:
        os.close(descriptor)
