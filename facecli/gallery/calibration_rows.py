"""The SQL of what places a gallery's threshold; every function runs inside its caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final
from zlib import crc32

import numpy as np

from facecli.gallery.checksums import text_checksum
from facecli.gallery.records import StoredThreshold
from facecli.gallery.stranger_searches import SearchSample

SEARCH_DTYPE: Final = np.dtype(
    [("person_id", "<i8"), ("template_id", "<i8"), ("nearest_person_id", "<i8"), ("score", "<f8")]
)
"""One search of `SearchSample` in the file."""

_KEPT: Final = """
    SELECT model_id, revision, last_template_id, fingerprint, fpir, threshold, fpir_low, fpir_high, made_at,
           searches, checksum
    FROM calibrations
"""


def searches(connection: sqlite3.Connection, model_id: str) -> SearchSample | None:
    """Return the searches kept for a model, of whatever revision; None where none can be read."""
    row = connection.execute(f"{_KEPT} WHERE model_id = ?", (model_id,)).fetchone()
    # Derived from the templates: what cannot be read, or another version wrote, is searched again.
    if row is None or not _is_sound(row):
        return None
    _, revision, last_template_id, fingerprint, *_, blob, _ = row
    table = np.frombuffer(blob, SEARCH_DTYPE)
    columns = {name: np.ascontiguousarray(table[name]) for name in SEARCH_DTYPE.names or ()}
    return SearchSample(
        model_id=model_id,
        revision=revision,
        last_template_id=last_template_id,
        fingerprint=fingerprint,
        person_ids=columns["person_id"],
        template_ids=columns["template_id"],
        nearest_person_ids=columns["nearest_person_id"],
        scores=columns["score"],
    )


def _is_sound(row: tuple[object, ...]) -> bool:
    *facts, blob, checksum = row
    return isinstance(blob, bytes) and _checksum(blob, facts) == checksum


def _checksum(blob: bytes, facts: Sequence[object]) -> int:
    """CRC-32 of searches, of all that is kept beside them, and of their layout: another layout is another checksum."""
    return crc32(blob, text_checksum(repr(SEARCH_DTYPE.descr), *map(repr, facts)))


def keep_searches(
    connection: sqlite3.Connection, sample: SearchSample, threshold: StoredThreshold | None, now: str
) -> None:
    """Keep searches and, if there is one, the threshold they gave, in place of those kept before."""
    table = np.empty(len(sample.scores), SEARCH_DTYPE)
    table["person_id"], table["template_id"] = sample.person_ids, sample.template_ids
    table["nearest_person_id"], table["score"] = sample.nearest_person_ids, sample.scores
    blob = table.tobytes()
    kept = (threshold.fpir, threshold.threshold, threshold.low, threshold.high) if threshold else (None,) * 4
    numbers = (None if each is None else float(each) for each in kept)
    counts = map(int, (sample.revision, sample.last_template_id, sample.fingerprint))
    facts = (sample.model_id, *counts, *numbers, now)
    connection.execute(
        "INSERT OR REPLACE INTO calibrations (model_id, revision, last_template_id, fingerprint,"
        " fpir, threshold, fpir_low, fpir_high, made_at, searches, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*facts, blob, _checksum(blob, facts)),
    )


def thresholds(connection: sqlite3.Connection) -> list[StoredThreshold]:
    """Return the thresholds kept, by model."""
    found = connection.execute(f"{_KEPT} WHERE threshold IS NOT NULL ORDER BY model_id")
    return [StoredThreshold(*row[:2], *row[4:9]) for row in found if _is_sound(row)]
