"""The SQL of what places a gallery's threshold; every function runs inside its caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Final
from zlib import crc32

import numpy as np

from facecli.gallery.records import StoredThreshold
from facecli.gallery.stranger_searches import SearchSample

SEARCH_DTYPE: Final = np.dtype(
    [("person_id", "<i8"), ("template_id", "<i8"), ("nearest_person_id", "<i8"), ("score", "<f8")]
)
"""One search of `SearchSample` in the file."""


def searches(connection: sqlite3.Connection, model_id: str) -> SearchSample | None:
    """Return the searches kept for a model, of whatever revision; None where none can be read."""
    row = connection.execute(
        "SELECT revision, last_template_id, fingerprint, searches, checksum FROM calibrations WHERE model_id = ?",
        (model_id,),
    ).fetchone()
    if row is None:
        return None
    # Derived from the templates: what cannot be read, or another version wrote, is searched again.
    if not isinstance(row[3], bytes) or _searches_checksum(row[3]) != row[4] or not all(map(_is_count, row[:3])):
        return None
    table = np.frombuffer(row[3], SEARCH_DTYPE)
    columns = {name: np.ascontiguousarray(table[name]) for name in SEARCH_DTYPE.names or ()}
    return SearchSample(
        model_id=model_id,
        revision=row[0],
        last_template_id=row[1],
        fingerprint=row[2],
        person_ids=columns["person_id"],
        template_ids=columns["template_id"],
        nearest_person_ids=columns["nearest_person_id"],
        scores=columns["score"],
    )


def _searches_checksum(blob: bytes) -> int:
    """CRC-32 of searches and their layout: another layout is another checksum."""
    return crc32(blob, crc32(repr(SEARCH_DTYPE.descr).encode()))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def keep_searches(
    connection: sqlite3.Connection, sample: SearchSample, threshold: StoredThreshold | None, now: str
) -> None:
    """Keep searches and, if there is one, the threshold they gave, in place of those kept before."""
    table = np.empty(len(sample.scores), SEARCH_DTYPE)
    table["person_id"], table["template_id"] = sample.person_ids, sample.template_ids
    table["nearest_person_id"], table["score"] = sample.nearest_person_ids, sample.scores
    blob = table.tobytes()
    kept = (threshold.fpir, threshold.threshold, threshold.low, threshold.high) if threshold else (None,) * 4
    connection.execute(
        "INSERT OR REPLACE INTO calibrations (model_id, revision, last_template_id, fingerprint, searches, checksum,"
        " fpir, threshold, fpir_low, fpir_high, made_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(sample.model_id, sample.revision, sample.last_template_id, sample.fingerprint),
            *(blob, _searches_checksum(blob), *kept, now),
        ),
    )


def thresholds(connection: sqlite3.Connection) -> list[StoredThreshold]:
    """Return the thresholds kept, by model."""
    found = connection.execute(
        "SELECT model_id, revision, fpir, threshold, fpir_low, fpir_high, made_at FROM calibrations"
        " WHERE threshold IS NOT NULL ORDER BY model_id"
    )
    return [StoredThreshold(*row) for row in found]
