"""The SQL of the file of scans: rows in, values out. Every function runs inside its caller's transaction."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from zlib import crc32

from facecli.scans.analysis_record import decode_analysis, encode_analysis, seal, unseal
from facecli.scans.owner import living_process
from facecli.scans.records import Asked, Entry, EntryState, FileSignature, KnownFile, StoredScan
from facecli.scans.translation import corrupt_error
from facecli.types import PhotoError, PhotoResult

# Of a fingerprint, to find a row by; the row's checksum is over all of it.
FINGERPRINT_BYTES: Final = 8

# What could not be read (2) is tried again when a scan goes on, so it is not done; see `EntryState`.
_SCAN: Final = """
    SELECT scan_id, asked, facts, photo_count, owner, started_at, finished_at,
           (SELECT count(*) FROM entries WHERE entries.scan_id = scans.scan_id AND state IN (1, 3))
    FROM scans
"""


def analysis(
    connection: sqlite3.Connection, fingerprint: str, content_hash: str, made_by: int | None
) -> PhotoResult | None:
    """Return what a photo of this content gave; None if it is not known, damaged, or another scan's than `made_by`."""
    row = connection.execute(
        "SELECT record, scan_id FROM analyses WHERE content_hash = ? AND fingerprint = ?",
        (bytes.fromhex(content_hash), bytes.fromhex(fingerprint)[:FINGERPRINT_BYTES]),
    ).fetchone()
    if row is None or not isinstance(row[0], bytes) or made_by not in (None, row[1]):
        return None
    record = unseal(row[0], *_analysis_context(fingerprint, content_hash))
    return None if record is None else decode_analysis(record)


def put_analysis(
    connection: sqlite3.Connection, fingerprint: str, content_hash: str, result: PhotoResult, scan_id: int
) -> None:
    """Keep what a photo gave, in place of what was kept before."""
    record = seal(encode_analysis(result), *_analysis_context(fingerprint, content_hash))
    connection.execute(
        "INSERT INTO analyses (content_hash, fingerprint, scan_id, record) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (content_hash, fingerprint) DO UPDATE"
        " SET scan_id = excluded.scan_id, record = excluded.record",
        (bytes.fromhex(content_hash), bytes.fromhex(fingerprint)[:FINGERPRINT_BYTES], scan_id, record),
    )


def _analysis_context(fingerprint: str, content_hash: str) -> tuple[bytes, ...]:
    return bytes.fromhex(fingerprint), bytes.fromhex(content_hash)


def insert_scan(connection: sqlite3.Connection, asked: Asked, facts: Mapping[str, str], owner: str, now: str) -> int:
    """Begin a scan without photos, and return its number."""
    cursor = connection.execute(
        "INSERT INTO scans (key, asked, facts, photo_count, owner, started_at) VALUES (?, ?, ?, 0, ?, ?)",
        (asked.key, asked.text, json.dumps(dict(facts), sort_keys=True), owner, now),
    )
    return int(cursor.lastrowid or 0)


def insert_entries(connection: sqlite3.Connection, scan_id: int, entries: Iterable[Entry]) -> int:
    """Add the photos of a scan, and return how many there are."""
    cursor = connection.executemany(
        "INSERT INTO entries (scan_id, position, path, checksum, state, failure) VALUES (?, ?, ?, ?, ?, ?)",
        (_entry_row(scan_id, entry) for entry in entries),
    )
    count = max(cursor.rowcount, 0)
    connection.execute("UPDATE scans SET photo_count = ? WHERE scan_id = ?", (count, scan_id))
    return count


def _entry_row(scan_id: int, entry: Entry) -> tuple[Any, ...]:
    path = os.fsencode(entry.path)
    return scan_id, entry.position, path, crc32(path), int(entry.state), _failure(scan_id, entry)


def _failure(scan_id: int, entry: Entry) -> bytes | None:
    if entry.error is None:
        return None
    return seal(
        encode_analysis(PhotoResult(entry.path, "error", error=entry.error)), _entry_context(scan_id, entry.position)
    )


def _entry_context(scan_id: int, position: int) -> bytes:
    return f"{scan_id}:{position}".encode("ascii")


def update_entry(connection: sqlite3.Connection, scan_id: int, entry: Entry) -> bool:
    """Take note of how far a photo is; False if it is no longer in the file."""
    cursor = connection.execute(
        "UPDATE entries SET state = ?, content_hash = ?, failure = ? WHERE scan_id = ? AND position = ?",
        (
            *(int(entry.state), bytes.fromhex(entry.content_hash) or None, _failure(scan_id, entry)),
            *(scan_id, entry.position),
        ),
    )
    return cursor.rowcount == 1


def entries(connection: sqlite3.Connection, path: str, scan_id: int, first: int, limit: int) -> list[Entry]:
    """Return photos of a scan in their order, from a position on."""
    found = connection.execute(
        "SELECT position, path, checksum, state, content_hash, failure FROM entries"
        " WHERE scan_id = ? AND position >= ? ORDER BY position LIMIT ?",
        (scan_id, first, limit),
    )
    return [_entry(path, scan_id, row) for row in found]


def _entry(file: str, scan_id: int, row: tuple[Any, ...]) -> Entry:
    position, path, checksum, state, content_hash, failure = row
    if not isinstance(path, bytes) or crc32(path) != checksum:
        raise corrupt_error(file, f"the name of photo {position} of scan {scan_id} is not as it was written")
    name, error = os.fsdecode(path), None
    if failure is not None:
        error = _error(failure, _entry_context(scan_id, position))
        if error is None:
            if state == EntryState.LISTED_WITH_ERROR:
                raise corrupt_error(file, f"the error of photo {position} of scan {scan_id} is not as it was written")
            return Entry(position, name)  # computed again
    known = content_hash.hex() if isinstance(content_hash, bytes) else ""
    if state not in EntryState.__members__.values() or (state == EntryState.DONE and not known):
        return Entry(position, name)
    return Entry(position, name, EntryState(state), known, error)


def _error(failure: Any, context: bytes) -> PhotoError | None:
    record = unseal(failure, context) if isinstance(failure, bytes) else None
    result = decode_analysis(record) if record is not None else None
    return None if result is None else result.error


def put_file(connection: sqlite3.Connection, file: KnownFile) -> None:
    """Take note of what a file looked like when its content was seen."""
    connection.execute(
        "INSERT INTO files (path, size, mtime_ns, content_hash) VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE"
        " SET size = excluded.size, mtime_ns = excluded.mtime_ns, content_hash = excluded.content_hash",
        (os.fsencode(file.path), *file.signature, bytes.fromhex(file.content_hash)),
    )


def file_hash(connection: sqlite3.Connection, path: str, signature: FileSignature) -> str:
    """Return the SHA-256 (hex) of a file that looks as it did when it was last read; empty if it does not."""
    row = connection.execute(
        "SELECT content_hash FROM files WHERE path = ? AND size = ? AND mtime_ns = ?", (os.fsencode(path), *signature)
    ).fetchone()
    return row[0].hex() if row is not None and isinstance(row[0], bytes) else ""


def scans(connection: sqlite3.Connection, where: str = "1", values: tuple[Any, ...] = ()) -> Iterator[StoredScan]:
    """Return scans, the oldest first; `where` is SQL, never made of what users say."""
    for row in connection.execute(f"{_SCAN} WHERE {where} ORDER BY scan_id", values):
        scan_id, asked, facts, photos, owner, started_at, finished_at, done = row
        yield StoredScan(
            scan_id,
            Asked.of_text(asked),
            _facts(facts),
            photos,
            done,
            started_at,
            finished_at or "",
            living_process(owner),
        )


def _facts(text: str) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


def delete_scan(connection: sqlite3.Connection, scan_id: int) -> None:
    """Take a scan away; what its photos gave stays known by their content."""
    connection.execute("DELETE FROM entries WHERE scan_id = ?", (scan_id,))
    connection.execute("DELETE FROM scans WHERE scan_id = ?", (scan_id,))


def replace_scan(connection: sqlite3.Connection, scan_id: int, successor: int) -> None:
    """Take a scan away; what it left behind is forgotten with its successor, as analyses of scan ``-successor``.

    Negative, because a successor that is to analyse all afresh must not take them for its own.
    """
    connection.execute(
        "UPDATE analyses SET scan_id = -? WHERE scan_id IN (?, -?) OR (scan_id NOT IN (SELECT scan_id FROM scans)"
        " AND content_hash IN (SELECT content_hash FROM entries WHERE scan_id = ? AND content_hash IS NOT NULL))",
        (successor, scan_id, scan_id, scan_id),
    )
    delete_scan(connection, scan_id)


def delete_found(connection: sqlite3.Connection, scan_id: int) -> int:
    """Take away what a scan and those it replaced found, unless another scan has the photo; return how much it was."""
    own = (
        "content_hash IN (SELECT content_hash FROM entries WHERE scan_id = ? AND content_hash IS NOT NULL"
        " UNION SELECT content_hash FROM analyses WHERE scan_id IN (?, -?)"
        " EXCEPT SELECT content_hash FROM entries WHERE scan_id <> ? AND content_hash IS NOT NULL)"
    )
    values = (scan_id, scan_id, scan_id, scan_id)
    connection.execute(f"DELETE FROM files WHERE {own}", values)  # noqa: S608  # constant
    return connection.execute(f"DELETE FROM analyses WHERE {own}", values).rowcount  # noqa: S608  # constant


def count(connection: sqlite3.Connection, table: str) -> int:
    """Return the number of rows of a table of the schema."""
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  # never a user's word
