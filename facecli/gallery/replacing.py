"""One gallery file in the place of another one, whoever has that open; see `facecli.gallery.restoring`."""

from __future__ import annotations

import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from facecli.errors import GalleryCorruptError, GalleryLockedError
from facecli.gallery import backups
from facecli.gallery.backups import Backup
from facecli.gallery.copying import new_file, patience, put_in_place, reading
from facecli.sqlite_file import RETRY_INTERVAL_S, locked_alone, make_private_folder, pragma

BUSY_TIMEOUT_S: Final = 10.0
COMPANIONS: Final = ("-wal", "-shm", "-journal")


def open_present(gallery_path: str) -> sqlite3.Connection:
    """Open the file that is to be replaced, without looking what it is."""
    uri = f"{Path(gallery_path).as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def set_aside(present: sqlite3.Connection, gallery_path: str, reason: str) -> Backup | None:
    """Back up what is to be replaced, whatever state it is in; None of a blank file."""
    if not present.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return None  # blank: just made, or by a process killed before it came to fill it
    try:
        return backups.make(present, gallery_path, reason)
    except GalleryCorruptError:
        return backups.make(present, gallery_path, backups.DAMAGED)


def write_into(present: sqlite3.Connection, staged: Path, gallery_path: str) -> bool:
    """Write a file's pages into an open gallery: one transaction, for whoever has it open too.

    Returns
    -------
    bool
        False if that cannot be done, as their pages differ in size.
    """
    with reading(staged) as source:
        if pragma(source, "page_size") != pragma(present, "page_size"):
            return False
        source.backup(present, progress=patience(gallery_path))
    # Waits for readers; if one stays, what was before is overwritten in the file some time later.
    present.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return True


def replace_file(staged: Path, path: Path) -> None:
    """Put a file in the place of one that no process can have open."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            with locked_alone(path):
                for companion in COMPANIONS:  # of the old file; SQLite would take them for the new one's
                    Path(f"{path}{companion}").unlink(missing_ok=True)
                put_in_place(staged, path)
                return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise GalleryLockedError(
                    f"the gallery {path} is in use by another process", hint="Wait until it is done and try again."
                ) from error
            time.sleep(RETRY_INTERVAL_S)


def copy_damaged(path: Path) -> Backup:
    """Copy a file that SQLite cannot open, with its write-ahead log, as they are."""
    aside = backups.named(str(path), backups.DAMAGED)
    try:
        make_private_folder(aside.path.parent)
        for suffix in ("-wal", ""):
            if Path(f"{path}{suffix}").exists():
                with new_file(aside.path.parent, str(path)) as new:
                    shutil.copyfile(f"{path}{suffix}", new)
                    put_in_place(new, Path(f"{aside.path}{suffix}"))
    except OSError as error:
        raise backups.unwritten_error(aside.path, error) from error
    return replace(aside, size_bytes=path.stat().st_size)
