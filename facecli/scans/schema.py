"""The tables of the file of scans and the numbered steps that lead to them."""

from __future__ import annotations

import sqlite3
from typing import Final

from facecli import sqlite_file
from facecli.scans.translation import corrupt_error, foreign_error, newer_error
from facecli.sqlite_file import pragma

APPLICATION_ID: Final = 0x46434C53
"""``FCLS``; tells the file from any other SQLite file, a gallery included."""

# Plain SQL of SQLite 3.26 (RHEL 8). Ids of scans are never given twice: people name scans by them.
_V1: Final = (
    # Rows are larger than WITHOUT ROWID is good for; the index finds them.
    """
    CREATE TABLE analyses (
        analysis_id INTEGER PRIMARY KEY,
        content_hash BLOB NOT NULL,  -- SHA-256 of the photo file
        fingerprint BLOB NOT NULL,  -- of everything that decides what an analysis gives; see records.fingerprint_of
        scan_id INTEGER NOT NULL,  -- that computed it; 0 for none
        record BLOB NOT NULL  -- sealed; see analysis_record
    )
    """,
    "CREATE UNIQUE INDEX analyses_by_content ON analyses (content_hash, fingerprint)",
    """
    CREATE TABLE scans (
        scan_id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,  -- SHA-256 (hex) of asked
        asked TEXT NOT NULL,  -- JSON: which photos
        facts TEXT NOT NULL,  -- JSON: everything that decides the results
        photo_count INTEGER NOT NULL,
        owner TEXT NOT NULL,  -- process that works on it, or did last
        started_at TEXT NOT NULL,  -- ISO 8601, UTC
        finished_at TEXT
    )
    """,
    "CREATE INDEX scans_by_key ON scans (key)",
    """
    CREATE TABLE entries (
        scan_id INTEGER NOT NULL,
        position INTEGER NOT NULL,
        path BLOB NOT NULL,  -- os.fsencode of it as the user named it: any file name survives
        checksum INTEGER NOT NULL,  -- CRC-32 of path
        state INTEGER NOT NULL,  -- see records.EntryState
        content_hash BLOB,  -- once it is known
        failure BLOB,  -- sealed; see analysis_record
        PRIMARY KEY (scan_id, position)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE files (
        path BLOB PRIMARY KEY,  -- absolute
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        content_hash BLOB NOT NULL
    ) WITHOUT ROWID
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_V1,)
"""Step n (counted from 1) turns schema n - 1 into schema n. A step that was released never changes."""


def read_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema version of an open file; 0 for one that is still blank.

    Raises
    ------
    FacecliError
        If it belongs to another application, is damaged, or was written by a newer facecli.
    """
    application, version = (pragma(connection, name) for name in ("application_id", "user_version"))
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if application != APPLICATION_ID:
        if not application and not version and not tables:
            return 0
        raise foreign_error(path)
    if version > len(MIGRATIONS):
        raise newer_error(path, version, len(MIGRATIONS))
    if version < 1 or not tables >= {"analyses", "scans", "entries", "files"}:
        raise corrupt_error(path, f"its schema {version} is not whole")
    return version


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring an open file to the newest schema; several processes may try at once."""
    sqlite_file.migrate(connection, MIGRATIONS, APPLICATION_ID, lambda: read_version(connection, path))
