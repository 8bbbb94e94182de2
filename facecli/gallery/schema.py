"""The tables of a gallery and the numbered steps that lead to them."""

from __future__ import annotations

import sqlite3
from typing import Final

from facecli import sqlite_file
from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery.translation import corrupt_error
from facecli.sqlite_file import pragma, transaction

APPLICATION_ID: Final = 0x46434C49
"""``FCLI``; tells a gallery from any other SQLite file (bytes 68-71 of the header)."""

# Plain SQL of SQLite 3.26 (RHEL 8), so neither STRICT tables nor RETURNING. Ids are never given twice
# (AUTOINCREMENT): a report that names a removed person must not come to mean another.
_V1: Final = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta (key, value) VALUES ('revision', 0)",
    """
    CREATE TABLE people (
        person_id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text' AND name <> ''),
        created_at TEXT NOT NULL  -- ISO 8601, UTC
    )
    """,
    """
    CREATE TABLE models (
        model_id TEXT PRIMARY KEY,
        dimension INTEGER NOT NULL CHECK (dimension > 0)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE templates (
        template_id INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id INTEGER NOT NULL REFERENCES people (person_id) ON DELETE CASCADE,
        model_id TEXT NOT NULL REFERENCES models (model_id),
        vector BLOB NOT NULL,  -- little-endian float32, unit L2 norm
        dimension INTEGER NOT NULL,
        checksum INTEGER NOT NULL,  -- CRC-32 of vector
        quality REAL NOT NULL,  -- 0 to 1
        source BLOB NOT NULL,  -- os.fsencode of the path: any file name survives
        content_hash TEXT NOT NULL,  -- SHA-256 (hex) of the photo file
        box_left REAL NOT NULL,  -- full-resolution pixels of the upright photo
        box_top REAL NOT NULL,
        box_right REAL NOT NULL,
        box_bottom REAL NOT NULL,
        created_at TEXT NOT NULL,  -- ISO 8601, UTC
        CHECK (typeof(vector) = 'blob' AND length(vector) = 4 * dimension),
        CHECK (typeof(source) = 'blob')
    )
    """,
    # The store looks for overlapping boxes first; this holds whatever writes to the file.
    """
    CREATE UNIQUE INDEX one_template_per_face ON templates (
        person_id, model_id, content_hash, round(box_left), round(box_top), round(box_right), round(box_bottom)
    )
    """,
    # Rows in the order in which a matrix wants them (the row id is part of every index).
    "CREATE INDEX templates_by_model ON templates (model_id, person_id)",
)

# Searches that place the threshold, and the threshold they gave: derived from the templates, kept to spare the work.
_V2: Final = (
    """
    CREATE TABLE calibrations (
        model_id TEXT PRIMARY KEY REFERENCES models (model_id),
        revision INTEGER NOT NULL,  -- of the gallery that was searched
        last_template_id INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        searches BLOB NOT NULL,  -- a row a person: see calibration_rows.SEARCH_DTYPE
        checksum INTEGER NOT NULL,  -- CRC-32 of searches
        fpir REAL,  -- the rate last asked for
        threshold REAL,
        fpir_low REAL,
        fpir_high REAL,
        made_at TEXT NOT NULL  -- ISO 8601, UTC
    ) WITHOUT ROWID
    """,
)

# Enrolment asks whether a photo is anybody else's.
_V3: Final = ("CREATE INDEX templates_by_photo ON templates (content_hash)",)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_V1, _V2, _V3)
"""Step n (counted from 1) turns schema n - 1 into schema n. A step that was released never changes."""


def read_version(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema version of an open file; 0 for one that is still blank.

    Raises
    ------
    GalleryCorruptError
        If the file belongs to another application, or is damaged.
    GalleryError
        With code ``gallery_newer`` if a newer facecli wrote it.
    """
    if connection.in_transaction:
        return _read_version(connection, path)
    # At one moment: between two reads another process may turn a blank file into a gallery.
    with transaction(connection, "DEFERRED"):
        return _read_version(connection, path)


def _read_version(connection: sqlite3.Connection, path: str) -> int:
    application = pragma(connection, "application_id")
    version = pragma(connection, "user_version")
    if application != APPLICATION_ID:
        blank = not application and not version
        if blank and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
        raise GalleryCorruptError(
            f"{path} is not a facecli gallery but another application's database",
            hint="Name the gallery with --gallery PATH, or choose a new file.",
        )
    if version < 1:
        raise corrupt_error(path, f"it has schema {version}")
    if version > len(MIGRATIONS):
        raise GalleryError(
            f"the gallery {path} has schema {version} and this facecli knows {len(MIGRATIONS)} at most",
            hint="Update facecli; a newer version wrote this gallery.",
            code="gallery_newer",
        )
    return version


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring an open file to the newest schema; every step is a transaction of its own.

    The version is read again under the write lock, so of several processes one takes the step and the
    others find it taken.

    Raises
    ------
    GalleryError
        As `read_version`.
    """
    sqlite_file.migrate(connection, MIGRATIONS, APPLICATION_ID, lambda: read_version(connection, path))
