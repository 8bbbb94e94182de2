"""The tables of a gallery and the numbered steps that lead to them."""

from __future__ import annotations

import sqlite3
from typing import Final

from facecli import sqlite_file
from facecli.errors import GalleryCorruptError, GalleryError
from facecli.gallery.history import KEPT
from facecli.gallery.migration_4 import copy_to_v4
from facecli.gallery.translation import corrupt_error
from facecli.sqlite_file import Step, pragma, transaction

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

# A log of every change; templates that are nobody's (their person was removed) or say who somebody is not; checksums of
# all that can name somebody, and their sums, which miss what is missing. Tables are made anew, as SQLite cannot take a
# constraint away. Ids go on where they were.
_V4: Final[tuple[Step, ...]] = (
    """
    CREATE TABLE events (
        event_id INTEGER PRIMARY KEY,  -- 1, 2, 3, none left out
        made_at TEXT NOT NULL,  -- ISO 8601, UTC
        command TEXT NOT NULL,
        version TEXT NOT NULL,
        model_id TEXT,
        undoes INTEGER REFERENCES events (event_id),
        checksum INTEGER NOT NULL  -- CRC-32 of the event with its changes
    )
    """,
    """
    CREATE TABLE changes (
        event_id INTEGER NOT NULL REFERENCES events (event_id),
        number INTEGER NOT NULL,
        subject TEXT NOT NULL CHECK (subject IN ('name', 'owner', 'consent')),
        subject_id INTEGER NOT NULL,
        before,  -- name and consent are texts, an owner is a person_id, NULL is what is not there
        after,
        PRIMARY KEY (event_id, number)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX changes_by_subject ON changes (subject, subject_id)",
    """
    CREATE TABLE people_4 (
        person_id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE CHECK (typeof(name) = 'text' AND name <> ''),
        created_at TEXT NOT NULL,  -- ISO 8601, UTC
        lookup BLOB UNIQUE,  -- keyed hash of the name where that is encrypted, else NULL
        consent TEXT,  -- why this person may be enrolled, and until when; NULL if nothing is known
        checksum INTEGER NOT NULL  -- CRC-32 of the row
    )
    """,
    """
    CREATE TABLE crops (  -- faces cut out, so that another model can embed them without the photos
        crop_id INTEGER PRIMARY KEY AUTOINCREMENT,
        image BLOB NOT NULL,  -- a JPEG file
        landmarks BLOB NOT NULL,  -- (5, 2) little-endian float32, pixels of the image
        sealed_for INTEGER,  -- person_id whose key it is encrypted with, NULL if it is not
        checksum INTEGER NOT NULL  -- CRC-32 of both and of content_hash of its templates
    )
    """,
    """
    CREATE TABLE templates_4 (
        template_id INTEGER PRIMARY KEY AUTOINCREMENT,
        person_id INTEGER REFERENCES people_4 (person_id),  -- NULL: nobody's, and never searched
        model_id TEXT NOT NULL REFERENCES models (model_id),
        vector BLOB NOT NULL,  -- little-endian float32, unit L2 norm
        dimension INTEGER NOT NULL,
        checksum INTEGER NOT NULL,  -- of vector, template_id, person_id and is_negative: see checksums.py
        facts_checksum INTEGER NOT NULL,  -- CRC-32 of model_id and of quality to created_at
        is_negative INTEGER NOT NULL CHECK (is_negative IN (0, 1)),  -- 1: this face is not the person's
        quality REAL NOT NULL,  -- 0 to 1
        source BLOB NOT NULL,  -- os.fsencode of the path: any file name survives
        content_hash TEXT NOT NULL,  -- SHA-256 (hex) of the photo file
        box_left REAL NOT NULL,  -- full-resolution pixels of the upright photo
        box_top REAL NOT NULL,
        box_right REAL NOT NULL,
        box_bottom REAL NOT NULL,
        created_at TEXT NOT NULL,  -- ISO 8601, UTC
        crop_id INTEGER REFERENCES crops (crop_id) ON DELETE SET NULL,
        sealed_for INTEGER,  -- person_id whose key vector and source are encrypted with, NULL if they are not
        CHECK (typeof(vector) = 'blob' AND length(vector) = 4 * dimension + (sealed_for IS NOT NULL) * 28),
        CHECK (typeof(source) = 'blob')
    )
    """,
    "ALTER TABLE models ADD COLUMN digest INTEGER NOT NULL DEFAULT 0",  # sum of the checksums of what is searched
    "INSERT INTO meta (key, value) VALUES ('people_digest', 0)",  # sum of the checksums of people
    copy_to_v4,
    "DROP TABLE templates",
    "DROP TABLE people",
    "ALTER TABLE people_4 RENAME TO people",
    "ALTER TABLE templates_4 RENAME TO templates",
    """
    CREATE UNIQUE INDEX one_template_per_face ON templates (
        person_id, model_id, content_hash, is_negative,
        round(box_left), round(box_top), round(box_right), round(box_bottom)
    )
    """,
    """
    CREATE INDEX templates_by_model ON templates (model_id, person_id)
    WHERE person_id IS NOT NULL AND is_negative = 0
    """,
    """
    CREATE INDEX negatives_by_model ON templates (model_id, person_id)
    WHERE person_id IS NOT NULL AND is_negative = 1
    """,
    "CREATE INDEX templates_by_photo ON templates (content_hash)",
    "CREATE INDEX templates_by_crop ON templates (crop_id)",
    """
    CREATE TABLE reembedded (  -- what another model makes of templates; not searched until all of it is there
        template_id INTEGER NOT NULL REFERENCES templates (template_id) ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        vector BLOB NOT NULL,  -- as in templates, encrypted with the key of whose the template is
        checksum INTEGER NOT NULL,  -- of vector and template_id: see checksums.py
        PRIMARY KEY (template_id, model_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX people_by_consent ON people (consent) WHERE consent IS NOT NULL",
    """
    CREATE TABLE vault (  -- the master key of an encrypted gallery; no row in one that is not
        only INTEGER PRIMARY KEY CHECK (only = 1),
        kind TEXT NOT NULL,  -- what the wrapping key is made from
        salt BLOB NOT NULL,
        cost INTEGER NOT NULL,  -- log2 of scrypt's N; 0 where none is needed
        wrapped BLOB NOT NULL  -- nonce, ciphertext and tag
    )
    """,
    """
    CREATE TABLE person_keys (  -- destroying a row destroys what is encrypted with it
        person_id INTEGER PRIMARY KEY,
        wrapped BLOB NOT NULL  -- nonce, ciphertext and tag, by the master key
    )
    """,
    *KEPT,
)

MIGRATIONS: tuple[tuple[Step, ...], ...] = (_V1, _V2, _V3, _V4)
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
    try:
        sqlite_file.migrate(connection, MIGRATIONS, APPLICATION_ID, lambda: read_version(connection, path))
    except (TypeError, ValueError, OverflowError) as error:  # a damaged file need not keep to its own constraints
        raise corrupt_error(path, f"it cannot be brought to schema {len(MIGRATIONS)} ({error})") from error
